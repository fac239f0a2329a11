/**
 * The daemon as a {@link ConsumerPort}. Two clients, so that a long wait for leases holds up no
 * ack. Leases are bound to the only connection of the first one: if the consumer dies, the daemon
 * has its events back at once.
 */
import { type Address, beginRequest, Client } from "./client.ts";
import type { ConsumerRequest } from "../protocol/in_flight.ts";
import type { Connection } from "./connection.ts";
import { actorClaim, consumerFacts } from "./consumer_facts.ts";
import type { LeaseRequest, NackItem, SettleReply } from "../protocol/protocol.ts";
import { ConnectionLostError } from "../base/errors.ts";
import type { Clock } from "../base/clock.ts";
import { setPatientTimer } from "../base/standstill.ts";
import { type BeginOptions, type ConsumerPort, isGone, type Leased } from "./consumer/port.ts";
import { readLease } from "./read_lease.ts";
import { WatchedLeases } from "./watched_leases.ts";

/** The first attempt to reconnect may take this long, ms; each next one twice as long. */
const FIRST_ATTEMPT_MS = 5000;
/** The longest that an attempt may take, ms. */
const LONGEST_ATTEMPT_MS = 60_000;

/** What a port is made of. */
export interface ConsumerPortOptions {
  socket: string | Address;
  subscription: string;
  /** The command that runs for each event, for people. */
  command: string;
  clock: Clock;
  /** Messages for people: the daemon stands still, the daemon is back. */
  say: (text: string) => void;
}

/** Opens the port of one subscription. */
export function openPort(options: ConsumerPortOptions): ConsumerPort {
  return new ClientPort(options);
}

class ClientPort implements ConsumerPort {
  readonly #socket: string | Address;
  readonly #name: string;
  readonly #clock: Clock;
  readonly #leases: WatchedLeases;
  readonly #consumer: ConsumerRequest;
  /** The connection for messages that are sent in order, without waiting for the response. */
  #telling: Promise<Connection> | undefined;
  #told: Promise<unknown> = Promise.resolve();
  #closed = false;
  #polling = false;
  #attemptMs = FIRST_ATTEMPT_MS;
  #leasing: Client;
  #settling: Client;

  constructor(options: ConsumerPortOptions) {
    const { socket, subscription, command, clock } = options;
    this.#socket = socket;
    this.#name = subscription;
    this.#clock = clock;
    this.#leases = new WatchedLeases(options);
    this.#consumer = consumerFacts(command);
    this.#leasing = new Client({ socket });
    this.#settling = new Client({ socket });
  }

  async lease(request: LeaseRequest): Promise<Leased> {
    this.#assertOpen();
    this.#polling = true;
    try {
      return readLease(
        await this.#leases.ask(this.#leasing, { ...request, consumer: this.#consumer }),
      );
    } finally {
      this.#polling = false;
    }
  }

  async begin(
    leases: string[],
    { soon, kept, ended }: BeginOptions,
  ): Promise<void> {
    this.#assertOpen();
    const request = { leases, ...(soon ? { soon } : {}), ...(ended.length > 0 ? { ended } : {}) };
    if (kept) {
      await this.#settle((client) => client.begin(this.#name, request));
      return;
    }
    const connection = await (this.#telling ??= this.#settling.connect());
    await connection.send(beginRequest(this.#name, request));
    this.#told = this.#told.then(async () => {
      await (await connection.receive()).bytes();
    }).catch(() => {
      // The connection is gone. So are the leases, or the next request tells why not.
      this.#telling = undefined;
    });
  }

  ack(leases: string[]): Promise<SettleReply> {
    return this.#settle((client) => client.ack(this.#name, { leases }));
  }

  async nack(deliveries: NackItem[]): Promise<SettleReply> {
    const replies: SettleReply[] = [];
    for (const part of nackParts(deliveries)) {
      replies.push(
        await this.#settle((client) => client.nack(this.#name, { deliveries: part })),
      );
    }
    return {
      settled: replies.reduce((sum, { settled }) => sum + settled, 0),
      lost: replies.flatMap(({ lost }) => lost),
      outcomes: replies.flatMap(({ outcomes = [] }) => outcomes),
    };
  }

  release(leases: string[]): Promise<SettleReply> {
    return this.#settle((client) => client.release(this.#name, { leases }));
  }

  extend(leases: string[], leaseMs: number): Promise<SettleReply> {
    // While handlers run for hours, no leases are requested: this keeps the connection that holds
    // the leases from timing out.
    return this.#settle((client) =>
      (this.#polling ? client : this.#leasing).extend(this.#name, { leases, leaseMs })
    );
  }

  async pause(reason: string): Promise<void> {
    this.#assertOpen();
    // Only `evs consume` has a command that cannot run.
    const actor = actorClaim("cli", { command: "evs consume" });
    using client = new Client({ socket: this.#socket, actor });
    await client.pauseSubscription(this.#name, { reason, by: "command" });
  }

  async reconnect(): Promise<void> {
    this.#assertOpen();
    this.#leasing.close();
    this.#settling.close();
    this.#telling = undefined;
    this.#leasing = new Client({ socket: this.#socket });
    this.#settling = new Client({ socket: this.#socket });
    this.#leases.reconnected();
    await this.#greet();
  }

  /** Resolves when the daemon answers; this connection, too, may turn out to be dead. */
  async #greet(): Promise<void> {
    const limit = new AbortController();
    const lost = new ConnectionLostError("the daemon does not answer");
    const cancel = setPatientTimer(this.#clock, () => limit.abort(lost), this.#attemptMs);
    this.#attemptMs = Math.min(this.#attemptMs * 2, LONGEST_ATTEMPT_MS);
    try {
      await this.#settling.status({ signal: limit.signal });
      this.#attemptMs = FIRST_ATTEMPT_MS;
    } finally {
      cancel();
    }
  }

  close(): void {
    this.#closed = true;
    this.#leasing.close();
    this.#settling.close();
  }

  /** An idle connection may just have been closed: retry on a new one before it counts as lost. */
  async #settle(ask: (client: Client) => Promise<SettleReply>): Promise<SettleReply> {
    this.#assertOpen();
    try {
      return await ask(this.#settling);
    } catch (error) {
      if (!isGone(error) || this.#closed) throw error;
      return await ask(this.#settling);
    }
  }

  #assertOpen(): void {
    if (this.#closed) throw new ConnectionLostError("the consumer is ending");
  }
}

/** Most characters of JSON in one nack request: the daemon accepts 1 MiB. */
const NACK_CHARACTERS = 256 * 1024;

/**
 * Splits failures into parts that fit in a request. A batch of a thousand, each with its handler's
 * output, does not; a single failure always does.
 */
export function nackParts(deliveries: readonly NackItem[]): NackItem[][] {
  const parts: NackItem[][] = [];
  let room = 0;
  for (const item of deliveries) {
    const size = JSON.stringify(item).length;
    if (size > room) {
      parts.push([]);
      room = NACK_CHARACTERS;
    }
    parts.at(-1)!.push(item);
    room -= size;
  }
  return parts;
}
