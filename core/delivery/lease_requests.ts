/** What consumers ask of subscriptions: leases, and what became of them. */
import type { Clock } from "../base/clock.ts";
import { EvsError, ExitCode } from "../base/errors.ts";
import type { ConsumerFacts, ConsumerRequest } from "../protocol/in_flight.ts";
import type {
  BeginRequest,
  ExtendRequest,
  LeaseReply,
  LeaseRequest,
  NackItem,
  SettleReply,
} from "../protocol/protocol.ts";
import { NODE_DRAINED } from "../protocol/node.ts";
import type { Coordinator } from "../state/coordinator.ts";
import type { CatalogRefresh } from "../state/stale.ts";
import type { DriverDirectory } from "./directory.ts";
import type { SubscriptionDriver } from "./driver.ts";
import { leaseLimits, MAX_ANSWER_BYTES } from "./lease_limits.ts";
import type { Lease } from "./leases.ts";
import { pauseOf } from "./pause.ts";
import { type Outcome, type Settlement, settleReply } from "./plan.ts";
import { type ProcessLoad, ProcessLoads, processOf } from "./process_load.ts";

/** The result of a lease request. */
export type LeaseResult = Omit<LeaseReply, "deliveries"> & { deliveries: Lease[] };

/** Answers consumers. */
export class LeaseRequests {
  readonly #drivers: DriverDirectory;
  readonly #clock: Clock;
  readonly #shared: CatalogRefresh | undefined;
  readonly #loads: ProcessLoads;
  readonly #coordinator: Pick<Coordinator, "draining"> | undefined;
  /** The consumer of each connection. */
  readonly consumers: Map<string, ConsumerFacts> = new Map<string, ConsumerFacts>();

  constructor({ drivers, clock, coordinator, shared }: {
    drivers: DriverDirectory;
    clock: Clock;
    coordinator?: Pick<Coordinator, "draining"> | undefined;
    /** Absent: nobody else makes subscriptions. */
    shared?: CatalogRefresh | undefined;
  }) {
    this.#coordinator = coordinator;
    this.#drivers = drivers;
    this.#clock = clock;
    this.#shared = shared;
    this.#loads = new ProcessLoads(() => {
      for (const driver of drivers.all()) driver.serve();
    });
  }

  /** Throws if the broker is closed: then no subscription is here, and none is gone. */
  refuseClosed(): void {
    this.#drivers.refuseClosed();
  }

  /** The driver of a subscription, also of one that another node has just made or changed. */
  protected async found(name: string): Promise<SubscriptionDriver> {
    await this.#shared?.refresh();
    return this.#drivers.require(name);
  }

  /** The same; of one that is known here, as it is known. */
  async known(name: string): Promise<SubscriptionDriver> {
    return this.#drivers.get(name) ?? await this.found(name);
  }

  /** Learns of what another node has just made, if some of these are not known here. */
  async learnOf(names: Iterable<string>): Promise<void> {
    if (!this.#shared || [...names].every((name) => this.#drivers.get(name))) return;
    await this.#shared.refresh();
  }

  /**
   * Leases events; waits for some if asked to. A node that is drained refuses, but for those who wait
   * until nothing is left: others may do that.
   */
  async lease(
    name: string,
    request: LeaseRequest,
    context: { consumer: string; signal?: AbortSignal },
  ): Promise<LeaseResult> {
    const driver = this.#drivers.get(name) ?? await this.found(name);
    const { leaseMs, waitMs, max } = leaseLimits(request);
    const { untilEmpty = false } = request;
    if (this.#coordinator?.draining && !untilEmpty) throw drained();
    driver.look();
    this.#noteConsumer(context.consumer, request.consumer);
    const deliveries = await driver.lease({
      max,
      maxBytes: MAX_ANSWER_BYTES,
      leaseMs,
      consumer: context.consumer,
      instance: request.consumer && `consumer:${request.consumer.id}`,
      load: this.loadOf(processOf(request.consumer) ?? context.consumer),
      bound: request.bind ?? false,
    }, {
      waitMs,
      untilEmpty,
      endsDrained: !untilEmpty,
      throughPause: request.throughPause ?? false,
      ...(context.signal ? { signal: context.signal } : {}),
    });
    const { queue, record } = driver;
    const now = driver.now();
    const due = queue.ready.nextDueMono;
    // A client that has gone away gets nothing; the next one will be told.
    const missed = context.signal?.aborted ? [] : queue.takeMissed();
    return {
      paused: record.paused,
      ...pauseOf(record),
      pending: queue.pending,
      leased: queue.leased,
      scheduled: queue.scheduled,
      ...(Number.isFinite(due) ? { nextDueAt: Math.round(now.wall + due - now.mono) } : {}),
      ...(missed.length > 0 ? { missed } : {}),
      deliveries,
    };
  }

  #noteConsumer(connection: string, facts: ConsumerRequest | undefined): void {
    const before = this.consumers.get(connection);
    const connectedAt = before?.connectedAt ?? this.#clock.now();
    this.consumers.set(connection, { ...before, ...facts, connectedAt });
  }

  async ack(name: string, leases: string[]): Promise<SettleReply> {
    const outcomes = await this.#settle(
      name,
      leases.map((lease): Settlement => ({ lease, ack: true })),
    );
    return settleReply(leases, outcomes);
  }

  async nack(name: string, items: NackItem[]): Promise<SettleReply> {
    const outcomes = await this.#settle(
      name,
      items.map((item): Settlement => ({ ...item, ack: false })),
    );
    const reply = settleReply(items.map(({ lease }) => lease), outcomes);
    return { ...reply, outcomes };
  }

  // deno-lint-ignore require-await -- async turns what it throws into a rejection
  async #settle(name: string, items: Settlement[]): Promise<Outcome[]> {
    const driver = this.#drivers.require(name);
    const lease = driver.queue.ready.leases.get(items[0]?.lease ?? "");
    const facts = lease && this.consumers.get(lease.grant.consumer);
    if (facts) facts.lastAckAt = this.#clock.now();
    return driver.settle(items);
  }

  // deno-lint-ignore require-await -- async turns what it throws into a rejection
  async release(name: string, leases: string[]): Promise<SettleReply> {
    const driver = this.#drivers.require(name);
    return driver.giveBack(leases);
  }

  /** Handlers have begun with these leases, or will soon; stored when it resolves. */
  begin(
    name: string,
    { leases, soon = false, ended = [] }: BeginRequest,
    { consumer }: { consumer: string },
  ): Promise<SettleReply> {
    const driver = this.#drivers.require(name);
    const instance = driver.queue.ready.leases.get(leases[0] ?? "")?.grant.instance ?? consumer;
    driver.queue.answer(ended);
    return driver.begun.begin(leases, { soon, instance });
  }

  // deno-lint-ignore require-await -- async turns what it throws into a rejection
  async extend(name: string, request: ExtendRequest): Promise<SettleReply> {
    const driver = this.#drivers.require(name);
    const { leaseMs } = leaseLimits({ leaseMs: request.leaseMs });
    const reply = driver.queue.extend(request.leases, leaseMs, driver.now());
    driver.serve();
    return reply;
  }

  /** Releases the bound leases of a closed connection; see `BegunDeliveries.releaseConsumer`. */
  releaseConsumer(consumer: string, { isOrdered = false }: { isOrdered?: boolean } = {}): void {
    for (const driver of this.#drivers.all()) driver.begun.releaseConsumer(consumer, { isOrdered });
    this.consumers.delete(consumer);
  }

  /** The leases of a consumer's process, over all subscriptions. */
  loadOf(process: string): ProcessLoad {
    return this.#loads.of(process);
  }
}

/** After this long it is worth asking again, ms. */
const DRAINED_MS = 1000;

function drained(): EvsError {
  return new EvsError(
    { code: NODE_DRAINED, status: 503, exit: ExitCode.CannotStore },
    "this node is drained: it delivers nothing, and others do",
    {
      hint: "consume on another node (evs node list), or let this one work: evs node drain --off",
      details: { retryAfterMs: DRAINED_MS },
    },
  );
}
