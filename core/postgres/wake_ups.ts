/**
 * Wake-ups between nodes, by LISTEN and NOTIFY on a connection of their own. They say where to
 * look, and nothing depends on them: who needs to know also looks by itself from time to time.
 *
 * They are collected and sent at most every 10 ms, in a transaction that waits for no disk. Within
 * an append, NOTIFY would make it a few times slower: it takes a lock of the whole database until
 * the commit.
 */
import { type Clock, setBackgroundTimer, systemClock } from "../base/clock.ts";
import { CannotStoreError, ClosedError, type EvsError } from "../base/errors.ts";
import { connectDriver, cutConnection, type DriverClient, endConnection } from "./driver.ts";
import { asPostgresError } from "./errors.ts";
import { pause } from "./patience.ts";
import { type DatabaseTarget, placeOf } from "./url.ts";

/** Texts of one kind, without spaces; undefined: some may have been missed. */
type Listener = (items: readonly string[] | undefined) => void;

interface Listening {
  listener: Listener;
  /** It is called with what was sent here, too. */
  own: boolean;
}

/** For tests: another clock, and how long to wait for a wake-up of our own. */
export interface WakeUpOptions {
  clock?: Clock;
  /** Milliseconds. */
  probeTimeout?: number;
  /** How often to ask whether the connection is still there, ms. */
  checkInterval?: number;
}

const CHANNEL = "evs";
const PROBE = "probe";
const SEND_EVERY_MS = 10;
const PROBE_TIMEOUT_MS = 5000;
const CHECK_INTERVAL_MS = 30_000;
/** After this long without an answer a connection is as good as lost, ms. */
const DEADLINE_MS = 10_000;
const [FIRST_WAIT_MS, LONGEST_WAIT_MS] = [50, 2000];
/** PostgreSQL takes less than 8000 bytes. */
const LONGEST_PAYLOAD = 7000;

/** Sends wake-ups to all nodes of a database, this one too, and receives theirs. */
export class WakeUps {
  readonly #target: DatabaseTarget;
  readonly #clock: Clock;
  readonly #probeTimeout: number;
  readonly #checkInterval: number;
  readonly #listeners = new Map<string, Set<Listening>>();
  readonly #closed = new AbortController();
  #client: DriverClient | undefined;
  #pending = new Map<string, Set<string>>();
  #cancelSend: (() => void) | undefined;
  #lastSent = -Infinity;
  #opening: Promise<void> | undefined;
  #running: Promise<void> | undefined;
  /** How many have yet to close it. */
  #users = 1;

  constructor(
    target: DatabaseTarget,
    { clock = systemClock, probeTimeout = PROBE_TIMEOUT_MS, checkInterval = CHECK_INTERVAL_MS }:
      WakeUpOptions = {},
  ) {
    this.#target = target;
    this.#clock = clock;
    this.#probeTimeout = probeTimeout;
    this.#checkInterval = checkInterval;
  }

  /**
   * Begins to listen, unless it does already. Rejects if the server is away, or if a wake-up does
   * not come back: behind a pooler that gives each transaction another connection, none ever would.
   */
  async open(): Promise<void> {
    if (this.#running) return;
    await (this.#opening ??= this.#open().finally(() => this.#opening = undefined));
  }

  async #open(): Promise<void> {
    const { client, ended } = await this.#connect();
    this.#running = this.#stay(client, ended);
    // What was sent before.
    if (!this.#cancelSend) this.#sendNow();
  }

  /** True while there is a connection that listens. */
  get isConnected(): boolean {
    return this.#client !== undefined;
  }

  /**
   * How long a wake-up takes from here to here, ms; undefined: there is no connection, or none has
   * come back in time.
   */
  async delay(): Promise<number | undefined> {
    const client = this.#client;
    if (!client) return undefined;
    const nonce = crypto.randomUUID();
    const { promise: back, resolve } = Promise.withResolvers<number | undefined>();
    const began = this.#clock.monotonic();
    const remove = this.on(PROBE, (items) => {
      if (items?.includes(nonce)) resolve(this.#clock.monotonic() - began);
    });
    const cancel = this.#clock.setTimer(() => resolve(undefined), this.#probeTimeout);
    const text = `SELECT pg_notify('${CHANNEL}', $1)`;
    this.#ask(client, { text, values: [`${PROBE} ${nonce}`] }).catch(() => resolve(undefined));
    try {
      return await back;
    } finally {
      cancel();
      remove();
    }
  }

  /** One more uses it, and is to close it. */
  share(): this {
    this.#users++;
    return this;
  }

  /**
   * Calls `listener` with the texts of a kind; without `own` not with those that were sent here.
   * Returns a function that removes it.
   */
  on(kind: string, listener: Listener, { own = true }: { own?: boolean } = {}): () => void {
    const listeners = this.#listeners.get(kind) ?? new Set();
    const listening = { listener, own };
    this.#listeners.set(kind, listeners.add(listening));
    return () => void listeners.delete(listening);
  }

  /** Sends a text, soon and together with others; once it is back if the connection is lost. */
  send(kind: string, item: string): void {
    this.#keep(kind, [item]);
    if (this.#cancelSend || this.#closed.signal.aborted) return;
    const due = this.#lastSent + SEND_EVERY_MS - this.#clock.monotonic();
    this.#cancelSend = this.#clock.setTimer(() => this.#sendNow(), Math.max(0, due));
  }

  #sendNow(): void {
    this.#cancelSend = undefined;
    const client = this.#client;
    if (!client || this.#pending.size === 0) return; // sent when it is connected again
    this.#lastSent = this.#clock.monotonic();
    const sent = this.#pending;
    this.#pending = new Map();
    const payloads = [...sent].flatMap(([kind, items]) => payloadsOf(kind, items));
    const text = `SELECT pg_notify('${CHANNEL}', payload) FROM unnest($1::text[]) AS payload`;
    this.#ask(client, { text, values: [payloads], name: "notify" }).catch(() => {
      for (const [kind, items] of sent) this.#keep(kind, items);
    });
  }

  /** Runs a statement. A connection on which no answer comes is cut: others are woken by a new one. */
  async #ask(client: DriverClient, query: Parameters<DriverClient["query"]>[0]): Promise<void> {
    const cancel = this.#clock.setTimer(() => cutConnection(client), DEADLINE_MS);
    try {
      await client.query(query);
    } finally {
      cancel();
    }
  }

  #keep(kind: string, items: Iterable<string>): void {
    const pending = this.#pending.get(kind) ?? new Set();
    for (const item of items) pending.add(item);
    this.#pending.set(kind, pending);
  }

  /** Connects again whenever the connection is lost, until this is closed. */
  async #stay(client: DriverClient, ended: Promise<void>): Promise<void> {
    this.#client = client;
    const { signal } = this.#closed;
    for (let wait = FIRST_WAIT_MS;;) {
      const stopChecking = this.#check(client);
      await ended;
      stopChecking();
      this.#client = undefined;
      if (signal.aborted) return;
      await pause(this.#clock, wait, signal);
      wait = Math.min(2 * wait, LONGEST_WAIT_MS);
      try {
        ({ client, ended } = await this.#connect());
      } catch {
        continue; // `ended` is over already: the next turn waits longer
      }
      this.#client = client;
      wait = FIRST_WAIT_MS;
      this.#sendNow();
      for (const listeners of this.#listeners.values()) {
        for (const { listener } of listeners) listener(undefined);
      }
    }
  }

  /**
   * Asks from time to time whether the connection is there, and cuts it if not. Who only listens
   * would never learn that the other end is gone. Returns a function that ends it.
   */
  #check(client: DriverClient): () => void {
    let cancel = () => {};
    let isOver = false;
    const next = () => {
      if (isOver) return;
      cancel = setBackgroundTimer(this.#clock, () => {
        // Where it fails, `ended` comes.
        void this.#ask(client, { text: "SELECT 1" }).catch(() => {}).then(next);
      }, this.#checkInterval);
    };
    next();
    return () => {
      isOver = true;
      cancel();
    };
  }

  async #connect(): Promise<{ client: DriverClient; ended: Promise<void> }> {
    if (this.#closed.signal.aborted) throw new ClosedError("the wake-ups are closed");
    let client: DriverClient | undefined;
    try {
      client = await connectDriver(this.#target, "evs wake-ups");
      const { promise: ended, resolve } = Promise.withResolvers<void>();
      client.on("end", resolve);
      client.on("error", () => resolve());
      await this.#listen(client);
      // It was closed meanwhile, and nobody else knows of this connection.
      if (this.#closed.signal.aborted) throw new ClosedError("the wake-ups are closed");
      return { client, ended };
    } catch (error) {
      if (client) cutConnection(client);
      throw asPostgresError(error, this.#target);
    }
  }

  async #listen(client: DriverClient): Promise<void> {
    const nonce = crypto.randomUUID();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    client.on("notification", ({ payload = "", processId }) => {
      const [kind, ...items] = payload.split(" ");
      if (kind === PROBE && items[0] === nonce) resolve();
      const isOwn = processId === client.processID;
      for (const { listener, own } of this.#listeners.get(kind!) ?? []) {
        if (own || !isOwn) listener(items);
      }
    });
    await this.#ask(client, { text: `LISTEN ${CHANNEL}` });
    await this.#ask(client, { text: "SET synchronous_commit = off" });
    const cancel = this.#clock.setTimer(
      () => reject(noWakeUps(this.#target)),
      this.#probeTimeout,
    );
    try {
      const text = `SELECT pg_notify('${CHANNEL}', $1)`;
      await this.#ask(client, { text, values: [`${PROBE} ${nonce}`] });
      await promise;
    } finally {
      cancel();
    }
  }

  /** Sends what is waiting, then closes, unless others still use it. */
  async close(): Promise<void> {
    if (this.#cancelSend) {
      this.#cancelSend();
      this.#sendNow();
    }
    if (--this.#users > 0) return;
    this.#closed.abort();
    if (this.#client) await endConnection(this.#client, this.#clock);
    await this.#running;
  }
}

/** The texts of a kind as few payloads. */
function payloadsOf(kind: string, items: ReadonlySet<string>): string[] {
  const payloads: string[] = [];
  let payload = kind;
  for (const item of items) {
    if (payload.length + item.length >= LONGEST_PAYLOAD) {
      payloads.push(payload);
      payload = kind;
    }
    payload += ` ${item}`;
  }
  return [...payloads, payload];
}

function noWakeUps(target: DatabaseTarget): EvsError {
  return new CannotStoreError(`PostgreSQL at ${placeOf(target)} does not deliver notifications`, {
    code: "postgres/no-notifications",
    hint: "connect to the server itself, or to a pooler in session mode",
  });
}
