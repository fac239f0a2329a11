/** All subscriptions of a broker, driven by driver.ts. What a caller is told is durable by then. */
import { registeredModule } from "../base/module_registry.ts";
import { defined } from "../base/defined.ts";
import type {
  PauseRequest,
  SeekReply,
  SeekRequest,
  SubscriptionInfo,
  SubscriptionRequest,
} from "../protocol/protocol.ts";
import { ConflictError } from "../base/errors.ts";
import { isPromise, type MaybePromise, whenReady } from "../base/maybe_promise.ts";
import type { ActOptions } from "../event/audit.ts";
import { EVERY_PART } from "../event/part.ts";
import { UNNAMED } from "../protocol/constants.ts";
import { canonicalJson } from "../json/json_object.ts";
import { auditedSubscription } from "../state/audited.ts";
import type { SharedCounts } from "../state/shared_counts.ts";
import { type BeforeRev, decideAgain, newRev } from "../state/stale.ts";
import type {
  StateChange,
  StateSnapshot,
  SubscriptionRecord,
  SubscriptionSettings,
} from "../state/state.ts";
import type { Commit } from "../store/journal.ts";
import { assertSubscriptionName, assertTopicPattern } from "../event/topic_options.ts";
import { DriverDirectory, removedSubscription } from "./directory.ts";
import { SubscriptionDriver } from "./driver.ts";
import type { DriverContext } from "./driver_context.ts";
import { AGAIN_MS } from "./committer.ts";
import { planSeek, seekTargets } from "./seek.ts";
import type * as SharedSeek from "./shared_seek.ts";
import { TimedPauses } from "./timed_pauses.ts";
import type { QueueStart } from "./queue.ts";
import { LeaseRequests } from "./lease_requests.ts";
import { isPersons, pauseReasonOf, unpaused } from "./pause.ts";
import { dividedStart, startOf } from "./queue_start.ts";
import { offsetFor, resolveIn } from "./start_offset.ts";
import { inFlightOf } from "./in_flight_info.ts";
import { nodesCountsOf, subscriptionInfoOf } from "./subscription_info.ts";
import { checkSettings, defaultSettings, differingSettings } from "./settings.ts";
import type { ManagerContext } from "./manager_context.ts";

/** The subscriptions of a broker. */
export class SubscriptionManager extends LeaseRequests {
  readonly #context: ManagerContext;
  readonly #drivers: DriverDirectory;
  readonly #timedPauses: TimedPauses;
  readonly #making = new Map<string, Promise<unknown>>();
  /**
   * Resolves once cursors past the end of a store that lost events (in a power cut) are set back,
   * which must happen before those seqs are assigned again.
   */
  readonly ready: Promise<void>;

  constructor(context: ManagerContext, snapshot: StateSnapshot) {
    const drivers = new DriverDirectory();
    super({ ...context, drivers });
    this.#drivers = drivers;
    this.#context = context;
    this.#timedPauses = new TimedPauses(context.clock, (name) => this.#endPause(name));
    context.topics.onCreate(({ name }) => this.#topicCreated(name));
    const repairs: StateChange[] = [];
    const now = context.clock.now();
    // The clock was set back. Store the shortened waits, so that no later start repeats them.
    if (!context.coordinator && snapshot.retries.some((one) => one.dueAt > now + one.waitMs)) {
      repairs.push({ op: "retry.clamp", now });
    }
    for (const record of snapshot.subscriptions) {
      const start = () => startOf(record.name, snapshot, { ...context, repairs });
      this.#begin(record, context.coordinator ? dividedStart(record) : start());
      this.#timedPauses.set(record.name, record.pausedUntil);
    }
    this.ready = repairs.length > 0 ? context.state.commit(repairs) : Promise.resolve();
    this.ready.catch((error) => context.onError(error, "cursors"));
  }

  #add(record: SubscriptionRecord, start: Omit<QueueStart, "name" | "settings">) {
    const { clock, random, store, expiry, onError, progressed } = this.#context;
    return this.addDriver(record, start, {
      clock,
      random,
      store,
      expiry,
      onError,
      ledger: this.#context.ledger(record.name),
      progressed,
      coordinator: this.#context.coordinator,
      topics: () => this.#context.topics.match(record.topic),
      trip: (reason) => this.pause(record.name, { reason, by: "breaker" }),
    });
  }

  /** Adds a subscription whose state is stored elsewhere (an ephemeral one). */
  addDriver(
    record: SubscriptionRecord,
    start: Omit<QueueStart, "name" | "settings">,
    context: DriverContext,
  ): SubscriptionDriver {
    const { redacted } = this.#context;
    return this.#drivers.add(new SubscriptionDriver(record, { ...start, redacted }, context));
  }

  /** Removes a driver that was added, without deleting its state. */
  dropDriver(driver: SubscriptionDriver): void {
    this.#drivers.drop(driver);
  }

  /** Compiles the filter of a driver, which reads nothing until that is done. */
  useFilter(driver: SubscriptionDriver): void {
    const { where } = driver.record.settings;
    const filter = where === undefined ? undefined : this.#context.compileFilter(where);
    driver.useFilter(filter).catch((error) => {
      this.#context.onError(error, `the filter of ${driver.record.name}`);
    });
  }

  /** The driver of an existing subscription, or `NotFoundError` that suggests the closest name. */
  require(name: string): SubscriptionDriver {
    return this.#drivers.require(name);
  }

  has(name: string): boolean {
    return this.find(name) !== undefined;
  }

  find(name: string): SubscriptionDriver | undefined {
    return this.#drivers.get(name);
  }

  /** Creates a subscription, or attaches to an existing one. */
  put(
    name: string,
    request: SubscriptionRequest,
    options: ActOptions = {},
  ): Promise<SubscriptionInfo> {
    return decideAgain(this.#context.shared, () => this.#put(name, request, options));
  }

  async #put(
    name: string,
    request: SubscriptionRequest,
    options: ActOptions,
  ): Promise<SubscriptionInfo> {
    assertSubscriptionName(name);
    assertTopicPattern(request.topic);
    const settings = checkSettings(request.settings);
    if (settings.where !== undefined) await this.#context.compileFilter(settings.where);
    for (let making = this.#making.get(name); making; making = this.#making.get(name)) {
      await making.catch(() => {}); // its creator gets the error
    }
    // Another node may have removed it.
    if (this.#context.shared && this.has(name)) await this.#context.shared.refresh();
    const there = this.#drivers.get(name);
    if (there) return await this.#attach(there, request, { settings, ...options });
    const made = this.#make(name, request, { settings, ...options });
    this.#making.set(name, made);
    await made.finally(() => this.#making.delete(name));
    return { ...await this.info(name), created: true };
  }

  async #make(
    name: string,
    request: SubscriptionRequest,
    { settings, act }: ActOptions & { settings: Partial<SubscriptionSettings> },
  ): Promise<void> {
    const from = request.from ?? "start";
    const offset = offsetFor(request.topic, from);
    const record: SubscriptionRecord = {
      name,
      topic: request.topic,
      from,
      settings: { ...defaultSettings, ...settings },
      paused: false,
      createdAt: this.#context.clock.now(),
      ...this.#revOf(),
      ...this.#partsOf(name),
    };
    const parts = record.parts === undefined ? {} : { parts: EVERY_PART };
    const starts = resolveIn(this.#context, this.#context.topics.match(record.topic), offset);
    const cursors = (isPromise(starts) ? await starts : starts)
      .map(({ topic, seq }) => ({ subscription: name, topic, next: seq, ...parts }));
    await this.#context.state.commit([
      { op: "subscription.put", record, ...(record.rev === undefined ? {} : { before: "none" }) },
      ...cursors.map((cursor): StateChange => ({ op: "cursor.put", record: cursor })),
      ...auditedSubscription("subscription.create", record, { act }),
    ]);
    // Where others share the state, this may have been learned by now; or one that is gone again.
    if (record.rev !== undefined && this.#drivers.get(name)?.record.rev === record.rev) return;
    this.forget(name);
    const start = { cursors, done: [], missed: [], retries: [] };
    this.#begin(record, this.#context.coordinator ? dividedStart(record) : start);
  }

  /** How many parts a new one has. One without a name has one consumer. */
  #partsOf(name: string): Pick<SubscriptionRecord, "parts"> {
    const { coordinator } = this.#context;
    return coordinator && !name.startsWith(UNNAMED) ? { parts: coordinator.parts } : {};
  }

  #begin(record: SubscriptionRecord, start: Omit<QueueStart, "name" | "settings">): void {
    const driver = this.#add(record, start);
    for (const topic of this.#context.topics.match(record.topic)) driver.addTopic(topic, 1);
    driver.look();
    this.useFilter(driver);
  }

  async #attach(
    driver: SubscriptionDriver,
    request: SubscriptionRequest,
    { settings, act }: ActOptions & { settings: Partial<SubscriptionSettings> },
  ): Promise<SubscriptionInfo> {
    const { name, topic } = driver.record;
    if (topic !== request.topic) {
      throw new ConflictError(`the subscription ${name} already exists, on ${topic}`, {
        code: "subscription/exists",
        hint: "choose another name, or remove it first: evs subscription remove " + name,
        details: { subscription: name, topic },
      });
    }
    const differs = differingSettings(driver.record.settings, settings);
    if (differs.length > 0 && request.update) {
      await this.#change(driver, (record) => ({
        ...record,
        settings: { ...record.settings, ...settings },
      }), auditedSubscription("subscription.update", driver.record, { act, details: { differs } }));
      this.useFilter(driver);
    }
    if (request.resume && driver.record.paused && !isPersons(driver.record)) {
      await this.resume(name, { act });
    }
    return {
      ...await this.info(name),
      created: false,
      ...(differs.length > 0 && !request.update ? { differs } : {}),
    };
  }

  async #change(
    of: SubscriptionDriver,
    change: (record: SubscriptionRecord) => SubscriptionRecord,
    also: readonly StateChange[],
  ): Promise<void> {
    await decideAgain(this.#context.shared, () => {
      const driver = this.#now(of);
      return driver.plan(() => {
        const before = driver.record;
        const record = { ...change(before), ...this.#revOf() };
        return {
          changes: [{ op: "subscription.put", record, ...this.#beforeOf(before) }, ...also],
          result: undefined,
          dead: [],
          apply: () => driver.become(record),
          rollback: () => {},
        };
      });
    });
  }

  /** The driver of that name by now: another node may have removed the subscription meanwhile. */
  #now(driver: SubscriptionDriver): SubscriptionDriver {
    return this.#context.shared ? this.require(driver.record.name) : driver;
  }

  /** What a record that is stored has besides, where others store some, too. */
  #revOf(): Pick<SubscriptionRecord, "rev"> {
    return this.#context.shared ? { rev: newRev() } : {};
  }

  /** What a change of a record names, where others change it, too. */
  #beforeOf({ rev = 0 }: SubscriptionRecord): { before?: BeforeRev } {
    return this.#context.shared ? { before: rev } : {};
  }

  /** Another node has made or changed a subscription. */
  learn(record: SubscriptionRecord): void {
    const driver = this.#drivers.get(record.name);
    if (!driver) this.#begin(record, dividedStart(record));
    else if (driver.record.rev !== record.rev) {
      const { settings } = driver.record;
      // Other settings have all be read again, so what is equal stays.
      const isSame = canonicalJson(settings) === canonicalJson(record.settings);
      driver.become(isSame ? { ...record, settings } : record);
      if (!isSame) this.useFilter(driver);
    }
    this.#timedPauses.set(record.name, record.pausedUntil);
  }

  /** Another node has removed a subscription. */
  forget(name: string): void {
    const driver = this.#drivers.get(name);
    if (!driver) return;
    this.#timedPauses.set(name, undefined);
    this.dropDriver(driver);
    driver.discard(removedSubscription(name));
    this.#closeRemoved(driver).catch((error) => this.#context.onError(error, `closing ${name}`));
  }

  async #closeRemoved(driver: SubscriptionDriver): Promise<void> {
    this.#context.topics.match(driver.record.topic).forEach(this.#context.progressed);
    await driver.close();
  }

  /** All of them, as they are once their dead letters are counted. */
  list(): MaybePromise<SubscriptionInfo[]> {
    return whenReady(
      this.#counts(),
      (counts) =>
        whenReady(
          this.#context.state.deadLetterCounts(),
          (dead) =>
            this.#drivers.all().map((driver) =>
              this.#infoOf(driver, { dead: dead.get(driver.record.name) ?? 0, counts })
            ),
        ),
    );
  }

  /** What other nodes have to do; undefined where there are none. */
  #counts(): MaybePromise<ReadonlyMap<string, SharedCounts> | undefined> {
    const { coordinator, state: { shared } } = this.#context;
    return coordinator && shared?.counts ? shared.counts() : undefined;
  }

  info(name: string): MaybePromise<SubscriptionInfo> {
    if (!this.has(name) && this.#context.shared) {
      return this.found(name).then(() => this.info(name));
    }
    const driver = this.require(name);
    const counted = this.#context.state.countDeadLetters({ subscription: name });
    return whenReady(counted, (dead) =>
      whenReady(this.#counts(), (counts) => {
        const info = this.#infoOf(driver, { dead, counts });
        return whenReady(inFlightOf(driver, this.consumers), (rest) => ({ ...info, ...rest }));
      }));
  }

  #infoOf(
    driver: SubscriptionDriver,
    { dead, counts }: { dead: number; counts: ReadonlyMap<string, SharedCounts> | undefined },
  ): SubscriptionInfo {
    const { meters: times } = this.#context;
    const shared = counts && nodesCountsOf(driver, counts, this.#context);
    return subscriptionInfoOf(driver, { dead, times, shared });
  }

  /** Removes a subscription with its cursors and retries; its dead letters stay. */
  async remove(name: string, options: ActOptions = {}): Promise<void> {
    const driver = this.find(name) ?? await this.found(name);
    const remove = () => this.#remove(this.#now(driver), options);
    await this.#closeRemoved(await decideAgain(this.#context.shared, remove));
  }

  async #remove(driver: SubscriptionDriver, options: ActOptions): Promise<SubscriptionDriver> {
    const { ledger: { transact }, record: { name } } = driver;
    this.#timedPauses.set(name, undefined);
    const changes = (): StateChange[] => [
      { op: "subscription.remove", name, ...this.#beforeOf(driver.record) },
      ...auditedSubscription("subscription.remove", driver.record, options),
    ];
    const apply = () => {
      this.dropDriver(driver);
      driver.discard(removedSubscription(name));
    };
    if (transact) {
      // Whoever owns parts loses them with it.
      const on = [{ subscription: name, seize: true as const }];
      const decide = () => ({ changes: [], result: undefined });
      await transact({ on, first: changes(), decide });
      apply();
    } else {
      const rest = { result: undefined, dead: [], apply, rollback: () => {} };
      await driver.plan(() => ({ changes: changes(), ...rest }));
    }
    return driver;
  }

  /** Stops delivery until `resume`, or for `forMs`. Only a person can change a person's pause. */
  async pause(
    name: string,
    { reason, by = "person", forMs }: PauseRequest = {},
    { act }: ActOptions = {},
  ): Promise<SubscriptionInfo> {
    const driver = this.find(name) ?? await this.found(name);
    const told = by === "person" ? reason : undefined; // others quote failures
    const details = { by, forMs, reason: told && pauseReasonOf(told) };
    await this.#change(driver, (before) => {
      if (by !== "person" && before.paused && isPersons(before)) return before;
      return {
        ...unpaused(before),
        paused: true,
        pausedBy: by,
        ...defined({
          pauseReason: reason && pauseReasonOf(reason),
          pausedUntil: forMs === undefined ? undefined : this.#context.clock.now() + forMs,
        }),
      };
    }, auditedSubscription("subscription.pause", driver.record, { act, details }));
    this.#timedPauses.set(name, driver.record.pausedUntil);
    return this.info(name);
  }

  async resume(name: string, options: ActOptions = {}): Promise<SubscriptionInfo> {
    let driver = this.find(name);
    // Another node may have paused it just now.
    if (!driver?.record.paused) driver = await this.found(name);
    if (driver.record.paused) await this.#resume(driver, options);
    return this.info(name);
  }

  #resume(driver: SubscriptionDriver, options: ActOptions): Promise<void> {
    this.#timedPauses.set(driver.record.name, undefined);
    const also = auditedSubscription("subscription.resume", driver.record, options);
    return this.#change(driver, unpaused, also);
  }

  /** Ends a timed pause, unless it was changed meanwhile. */
  async #endPause(name: string): Promise<void> {
    const driver = this.#drivers.get(name);
    if (!driver?.record.paused || driver.record.pausedUntil === undefined) return;
    try {
      await this.#resume(driver, {});
    } catch (error) {
      if (this.#drivers.get(name) !== driver) return; // it was removed, or the broker is closed
      this.#context.onError(error, `resuming ${name}`);
      this.#timedPauses.set(name, this.#context.clock.now() + AGAIN_MS);
    }
  }

  /** Moves the cursors, or reports what that would do. */
  async seek(
    name: string,
    request: SeekRequest,
    { act }: ActOptions = {},
  ): Promise<SeekReply> {
    const driver = this.find(name) ?? await this.found(name);
    const { record, ledger: { transact } } = driver;
    const { store, state: { shared }, topics } = this.#context;
    const offset = offsetFor(record.topic, request.to);
    const isElsewhere = transact !== undefined && shared !== undefined;
    const all = isElsewhere ? topics.match(record.topic) : [...driver.queue.lanes.topics()];
    // What the offset meant when it was asked for. Only the bounds are looked at when the plan is
    // made, and in the same turn: topics may have grown, or lost their beginning, by then.
    const resolving = resolveIn(this.#context, all, offset);
    const starts = isPromise(resolving) ? await resolving : resolving;
    const also = ({ redo, skip }: Pick<SeekReply, "redo" | "skip">) => {
      const details = { to: request.to, redo, skip };
      return auditedSubscription("subscription.seek", record, { act, details });
    };
    if (isElsewhere) {
      const now = () => driver.now();
      const { seekShared } = registeredModule<typeof SharedSeek>("core/delivery/shared_seek.ts");
      return await seekShared(request, { record, starts, store, now, transact, shared, also });
    }
    const targets = () => {
      driver.look();
      return seekTargets(driver.queue, starts, this.#context.store);
    };
    if (request.dryRun) return { dryRun: true, ...planSeek(driver.queue, targets()).result };
    const result = await driver.plan(() => {
      const plan = planSeek(driver.queue, targets());
      plan.changes.push(...also(plan.result));
      return plan;
    });
    driver.reread();
    return { dryRun: false, ...result };
  }

  /** Events were stored, or are ephemeral. */
  committed(commit: Commit, except?: (driver: SubscriptionDriver) => boolean): void {
    for (const driver of this.of(commit.topic)) {
      if (!except?.(driver)) driver.committed(commit);
    }
  }

  /** The subscriptions of a topic. */
  of(topic: string): readonly SubscriptionDriver[] {
    return this.#drivers.of(topic);
  }

  #topicCreated(topic: string): void {
    const { firstSeq } = this.#context.store.head(topic);
    for (const driver of this.of(topic)) driver.addTopic(topic, firstSeq);
  }

  /** All drivers, by name. */
  all(): readonly SubscriptionDriver[] {
    return this.#drivers.all();
  }

  /** Writes pending commits; waiting callers get an error. */
  async close(): Promise<void> {
    this.#timedPauses.close();
    const closing = this.#drivers.close().map((driver) => driver.close());
    const failed = (await Promise.allSettled(closing)).find(({ status }) => status === "rejected");
    if (failed) this.#context.onError((failed as PromiseRejectedResult).reason, "closing");
  }
}
