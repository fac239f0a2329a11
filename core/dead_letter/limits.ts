/**
 * Removes dead letters that a topic's limits no longer keep: those older than `deadRetention`, and
 * the oldest of a subscription that has more than `deadMax`. Without limits nothing is ever removed.
 * In small transactions, counted per subscription and topic.
 */
import { registeredModule } from "../base/module_registry.ts";
import type { Clock } from "../base/clock.ts";
import { turn } from "../base/in_turns.ts";
import type { MaybePromise } from "../base/maybe_promise.ts";
import type { SubscriptionManager } from "../delivery/manager.ts";
import { AgeClock } from "../store/age_clock.ts";
import type {
  DeadLetterAges,
  DeadLetterKey,
  DeadLetterMark,
  RemovedDeadLetters,
  State,
  StateChange,
  StateSnapshot,
  TopicRecord,
} from "../state/state.ts";
import type { DeadLetterQueue } from "./queue.ts";
import { holdingAll } from "./move.ts";
import { newestNumber } from "./entries.ts";
import type * as SharedLimitsModule from "./shared_limits.ts";
import { MarkEstimate, markSeen, removalsOf, thereSince } from "./expiry_rule.ts";

/** Most entries removed in one transaction. */
const STEP = 500;
/** Keys read at a time where all of them are looked at. */
const PAGE = 5000;

/** What the limits need. */
export interface DeadLetterLimitsContext {
  state: State;
  /** Whoever takes dead letters of a subscription holds it meanwhile. */
  subscriptions: Pick<SubscriptionManager, "has" | "require">;
  clock: Clock;
  topics: { list(): TopicRecord[] };
  snapshot: Pick<StateSnapshot, "deadLetterAges" | "removedDeadLetters">;
  /** The application's own queue; absent: dead letters are in the state. */
  queue: DeadLetterQueue | undefined;
}

/** What one pass removed of a subscription's dead letters of a topic. */
export type DeadLetterRemoval = Omit<RemovedDeadLetters, "lastAt">;

/** Applies the limits on dead letters. */
export class DeadLetterLimits {
  readonly #context: DeadLetterLimitsContext;
  readonly #removed = new Map<string, RemovedDeadLetters>();
  readonly #listeners = new Set<(removals: readonly DeadLetterRemoval[]) => void>();
  /** Since the pass began that is under way. */
  readonly #passed = new Map<string, DeadLetterRemoval>();
  #ages: DeadLetterAges;
  #clock: AgeClock | undefined;
  #running: Promise<unknown> = Promise.resolve();

  constructor(context: DeadLetterLimitsContext) {
    this.#context = context;
    this.#ages = context.snapshot.deadLetterAges;
    for (const record of context.snapshot.removedDeadLetters) {
      this.#removed.set(keyOf(record), record);
    }
  }

  /** Learns what other nodes have removed. */
  refresh(): MaybePromise<void> {
    const { shared, transact } = this.#context.state;
    if (!transact || !shared) return;
    return shared.removedDeadLetters().then((records) => {
      for (const record of records) this.#removed.set(keyOf(record), record);
    });
  }

  /** What was removed so far, by subscription and topic; by other nodes, as of the last refresh. */
  removed(): RemovedDeadLetters[] {
    return [...this.#removed.values()].sort((a, b) => keyOf(a) < keyOf(b) ? -1 : 1);
  }

  /** Calls `listener` with what each pass removed, if anything. */
  onRemoved(listener: (removals: readonly DeadLetterRemoval[]) => void): void {
    this.#listeners.add(listener);
  }

  /** Runs one pass, after those that are under way; returns what it removed. */
  pass(): Promise<DeadLetterRemoval[]> {
    const passed = this.#running.then(() => this.#pass());
    this.#running = passed.catch(() => {}); // the caller gets the error
    return passed;
  }

  async #pass(): Promise<DeadLetterRemoval[]> {
    const topics = this.#context.topics.list();
    this.#passed.clear();
    try {
      if (this.#context.queue) await this.#trim(topics, this.#context.queue);
      else await this.#apply(topics);
    } finally {
      const removals = this.#removals();
      if (removals.length > 0) { for (const listener of this.#listeners) listener(removals); }
    }
    return this.#removals();
  }

  async #apply(topics: readonly TopicRecord[]): Promise<void> {
    const aged = topics.filter(({ options }) => options.deadRetention > 0);
    if (aged.length > 0) await this.#expire(aged);
    else if (this.#ages.marks.length > 0) await this.#keepAges({ ...this.#ages, marks: [] });
    const capped = topics.filter(({ options }) => options.deadMax > 0);
    if (capped.length === 0) return;
    const subscriptions = [...(await this.#context.state.deadLetterCounts()).keys()];
    for (const record of capped) {
      await this.#cap(record, subscriptions);
      // Counting takes a while where there are many topics: everything else has its turn.
      await turn();
    }
  }

  /** Has the application's own queue apply the limits. */
  async #trim(topics: readonly TopicRecord[], queue: DeadLetterQueue): Promise<void> {
    for (const { name: topic, options } of topics) {
      const { deadRetention: retention, deadMax: max } = options;
      if (retention === 0 && max === 0) continue;
      for (const trimmed of await queue.trim?.({ topic, retention, max }) ?? []) {
        await this.#count({ topic, ...trimmed });
      }
    }
  }

  async #count(removal: DeadLetterRemoval): Promise<void> {
    const lastAt = Math.round(this.#context.clock.now());
    const record = this.#added({ ...removal, lastAt });
    await this.#context.state.commit([{ op: "dead.removed", record }]);
    this.#note([{ ...removal, lastAt }]);
  }

  /** What was removed in all, with these. */
  #added({ expired, capped, ...of }: RemovedDeadLetters): RemovedDeadLetters {
    const before = this.#removed.get(keyOf(of));
    return {
      ...of,
      expired: expired + (before?.expired ?? 0),
      capped: capped + (before?.capped ?? 0),
    };
  }

  /** So many more were removed. */
  #note(removals: readonly RemovedDeadLetters[]): void {
    for (const removal of removals) {
      const key = keyOf(removal);
      this.#removed.set(key, this.#added(removal));
      const { lastAt: _lastAt, ...one } = removal;
      const { expired, capped } = this.#passed.get(key) ?? { expired: 0, capped: 0 };
      const sum = { expired: one.expired + expired, capped: one.capped + capped };
      this.#passed.set(key, { ...one, ...sum });
    }
  }

  /** By subscription and topic, as {@link removed}. */
  #removals(): DeadLetterRemoval[] {
    return [...this.#passed.values()].filter(({ expired, capped }) => expired + capped > 0)
      .sort((a, b) => keyOf(a) < keyOf(b) ? -1 : 1);
  }

  async #expire(records: readonly TopicRecord[]): Promise<void> {
    const now = await this.#mark();
    for (const { name: topic, options } of records) {
      const upTo = thereSince(this.#ages.marks, now - options.deadRetention);
      if (upTo === 0) continue;
      const find = () => this.#context.state.deadLetterKeys({ topic, upTo, limit: STEP });
      for (let keys = await find(); keys.length > 0; keys = await find()) {
        const names = new Set(keys.map(({ subscription }) => subscription));
        await this.#remove(
          names,
          { why: "expired" },
          async () => (await find()).filter(({ subscription }) => names.has(subscription)),
        );
      }
    }
  }

  /**
   * Notes which dead letters are there; returns the time by the age clock. The clock is read after
   * the dead letters: all that were found were there by then, and none looks older than it is.
   */
  async #mark(): Promise<number> {
    const { state, clock } = this.#context;
    const newest = await newestNumber(state);
    let { skew } = this.#ages;
    this.#clock ??= new AgeClock(clock, {
      skew,
      newest: this.#ages.marks.at(-1)?.at ?? 0,
      save: (changed) => {
        skew = changed;
        return true;
      },
    });
    const now = this.#clock.now();
    skew = now - clock.now();
    const known = this.#ages.marks;
    const marks = known.length === 0 && newest > 0
      ? await this.#estimate(newest, now)
      : markSeen(known, { newest, now });
    if (marks !== known || skew !== this.#ages.skew) await this.#keepAges({ skew, marks });
    return now;
  }

  /** Those that come while these are looked at get their mark the next time. */
  async #estimate(upTo: number, now: number): Promise<readonly DeadLetterMark[]> {
    const estimate = new MarkEstimate(now);
    for (let after = 0;;) {
      const keys = await this.#context.state.deadLetterKeys({ after, upTo, limit: PAGE });
      estimate.add(keys);
      if (keys.length < PAGE) return estimate.marks;
      after = keys.at(-1)!.number;
    }
  }

  /** Not synced: if it is lost, dead letters look younger than they are. */
  async #keepAges(ages: DeadLetterAges): Promise<void> {
    await this.#context.state.commit([{ op: "dead.ages", ages }], { sync: false });
    this.#ages = ages;
  }

  async #cap(
    { name: topic, options: { deadMax } }: TopicRecord,
    subscriptions: readonly string[],
  ): Promise<void> {
    const { state } = this.#context;
    for (const subscription of subscriptions) {
      const over = async () => await state.countDeadLetters({ topic, subscription }) - deadMax;
      while (await over() > 0) {
        await this.#remove([subscription], { why: "capped", max: deadMax }, async () => {
          // First the oldest, then how many there are: whatever is added or removed in between, no
          // more are taken than are too many, and they are the oldest.
          const keys = await state.deadLetterKeys({ topic, subscription, limit: STEP });
          return keys.slice(0, Math.max(0, await over()));
        });
      }
    }
  }

  /**
   * Removes what `find` finds once nobody else takes dead letters of these subscriptions, together
   * with its count, in one transaction.
   */
  #remove(
    subscriptions: Iterable<string>,
    about: Pick<SharedLimitsModule.RemoveBeyond, "why" | "max">,
    find: () => Promise<readonly DeadLetterKey[]>,
  ): Promise<void> {
    const remove = async () => this.#commit(await find(), about);
    // An act looks for itself at what is still there.
    return this.#context.state.transact
      ? remove()
      : holdingAll(subscriptions, this.#context.subscriptions, remove);
  }

  async #commit(
    keys: readonly DeadLetterKey[],
    { why, max }: Pick<SharedLimitsModule.RemoveBeyond, "why" | "max">,
  ): Promise<void> {
    if (keys.length === 0) return;
    const { state, clock } = this.#context;
    const lastAt = Math.round(clock.now());
    const { transact } = state;
    if (transact) {
      const { removeBeyond } = sharedLimits();
      return this.#note(await removeBeyond(keys, { transact, why, max, lastAt }));
    }
    const removals = removalsOf(keys, { why, lastAt });
    await state.commit([
      ...keys.map((key): StateChange => ({ op: "dead.expire", key })),
      ...removals.map((one): StateChange => ({ op: "dead.removed", record: this.#added(one) })),
    ]);
    this.#note(removals);
  }
}

const sharedLimits = () =>
  registeredModule<typeof SharedLimitsModule>("core/dead_letter/shared_limits.ts");

function keyOf({ subscription, topic }: { subscription: string; topic: string }): string {
  return `${subscription}\n${topic}`;
}
