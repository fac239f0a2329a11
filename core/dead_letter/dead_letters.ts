/**
 * Lists, shows, retries and removes dead letters. A retry moves all matching ones from dead to
 * pending in one transaction, with their history and a fresh retry budget; the receiving
 * subscription delivers them like any other retry.
 */
import type {
  DeadLetterAction,
  DeadLetterActionReply,
  DeadLetterInfo,
} from "../protocol/protocol.ts";
import { type Redelivery, redeliveryOf } from "../delivery/redeliver.ts";
import type { SubscriptionManager } from "../delivery/manager.ts";
import { registeredModule } from "../base/module_registry.ts";
import { ConflictError, InvalidArgumentError, NotFoundError } from "../base/errors.ts";
import { type MaybePromise, whenReady } from "../base/maybe_promise.ts";
import { type Clock, systemClock } from "../base/clock.ts";
import type { ActOptions } from "../event/audit.ts";
import { auditedDeadLetters } from "./audited_act.ts";
import { StateDeadLetterGroups } from "./groups.ts";
import { type DeadLetterJobs, LocalDeadLetterJobs } from "./jobs.ts";
import type * as SharedJobsModule from "./shared_jobs.ts";
import { copyOf, newestNumber, refuseGone } from "./entries.ts";
import { moveDeadLetters, removeDeadLetters } from "./move.ts";
import { countBySubscription, ResumableAction } from "./resumable.ts";
import { deadLetterName, namesDeadLetter } from "../state/dead_letter_name.ts";
import { SmallTransactions } from "./small_transactions.ts";
import { RedactedEvents } from "../state/redactions.ts";
import { storedOfLine } from "../store/file/lines.ts";
import { inKeyOrder } from "./order.ts";
import { didYouMean } from "../base/suggest.ts";
import type { CatalogRefresh } from "../state/stale.ts";
import type {
  BoundDeadLetterFilter,
  DeadLetterFilter,
  DeadLetterPage,
  DeadLetterPageRequest,
  DeadLetterRecord,
  State,
  StateSnapshot,
} from "../state/state.ts";

/** Entries per page; other work runs between pages. */
const PAGE = 500;
/** Most ids or subscriptions that an error names. */
const NAMED = 10;

/** What {@link DeadLetters} may be told. */
export interface DeadLettersOptions {
  /** These are not delivered any more. */
  redacted?: RedactedEvents;
  clock?: Clock;
  /** Jobs that an earlier process began go on once they are started. */
  snapshot?: Pick<StateSnapshot, "jobs">;
  /** Set if other nodes use the state, too. */
  shared?: CatalogRefresh | undefined;
  onError?(error: unknown, context: string): void;
}

/** An action on those that are there at a certain time. */
type BoundAction = DeadLetterAction & Pick<BoundDeadLetterFilter, "upTo">;

const sharedJobs = () =>
  registeredModule<typeof SharedJobsModule>("core/dead_letter/shared_jobs.ts");

/** Lists, shows, retries and removes dead letters. */
export class DeadLetters {
  readonly #state: State;
  readonly #subscriptions: SubscriptionManager;
  readonly #redacted: RedactedEvents;
  readonly #transactions = new SmallTransactions();
  /** Acts on many of them. */
  readonly jobs: DeadLetterJobs;
  /** What they have in common. */
  readonly groups: StateDeadLetterGroups;

  constructor(
    state: State,
    subscriptions: SubscriptionManager,
    options: DeadLettersOptions = {},
  ) {
    const { redacted = new RedactedEvents(), clock = systemClock, snapshot } = options;
    const { onError, shared } = options;
    this.#state = state;
    this.#subscriptions = subscriptions;
    this.#redacted = redacted;
    this.groups = new StateDeadLetterGroups(state, clock);
    const context = { state, subscriptions, clock, onError, shared, deadLetters: this };
    this.jobs = shared && state.shared
      ? new (sharedJobs().SharedDeadLetterJobs)(context, state.shared.jobs)
      : new LocalDeadLetterJobs(context, snapshot?.jobs ?? []);
  }

  /** Newest first, unless the oldest are requested. */
  records(
    filter: DeadLetterFilter,
    page: DeadLetterPageRequest,
  ): MaybePromise<DeadLetterPage> {
    return whenReady(this.groups.named(filter), (named) => this.#state.deadLetters(named, page));
  }

  /** The number of matching entries. */
  count(filter: DeadLetterFilter = {}): MaybePromise<number> {
    return this.#state.countDeadLetters(filter);
  }

  /**
   * All entries with an event id or `SUBSCRIPTION:ID`, optionally of one topic: several topics may
   * have events with the same id. Throws or rejects with `NotFoundError` if there is none.
   */
  show(id: string, topic?: string): MaybePromise<DeadLetterRecord[]> {
    const found = this.#state.deadLetters({ ids: [id], topic }, { limit: 1000 });
    return whenReady(found, ({ records }) => {
      if (records.length === 0) throw missing([id], topic);
      return records;
    });
  }

  /** The number of entries per subscription. */
  counts(): MaybePromise<Map<string, number>> {
    return this.#state.deadLetterCounts();
  }

  /** Redelivers entries, to the subscription that failed or to another one. */
  async retry(action: DeadLetterAction, how: ActOptions = {}): Promise<DeadLetterActionReply> {
    return await (await this.retrying(action, how)).run();
  }

  /**
   * Finds what {@link retry} redelivers; it can be run again if it is refused. What is found and then
   * retried by somebody else may be a dead letter again before this has its turn: it has a number
   * above those that were there at first, and is left alone.
   */
  async retrying(action: DeadLetterAction, { act }: ActOptions = {}): Promise<ResumableAction> {
    const [state, subscriptions] = [this.#state, this.#subscriptions];
    const upTo = await newestNumber(state);
    return new ResumableAction({
      action,
      keys: await this.toRetry({ ...action, upTo }),
      transactions: this.#transactions,
      step: (some) =>
        moveDeadLetters(some, {
          state,
          subscriptions,
          upTo,
          to: action.to,
          passCopies: action.ids === undefined,
          also: (done) => auditedDeadLetters("dead-letters.retry", { act, action, done }),
        }),
      done: "retried",
    });
  }

  /** What an action retries, in the order of redelivery. */
  async toRetry(action: BoundAction): Promise<Redelivery[]> {
    const [state, subscriptions] = [this.#state, this.#subscriptions];
    if (action.to !== undefined) await subscriptions.known(action.to);
    const redacted: DeadLetterRecord[] = [];
    const keys = await this.#find(action, {
      // An edited copy is already on its way. The original can still be sent if it is named.
      passOver: async (record) => {
        const isOver = this.isRedacted(record);
        if (isOver) redacted.push(record);
        return action.ids === undefined && (isOver || await copyOf(state, record) !== undefined);
      },
    });
    if (action.ids !== undefined) refuseRedacted(redacted);
    await this.#assertKnown(action, keys, "retried");
    if (action.to === undefined) {
      const names = Object.keys(countBySubscription(keys));
      await subscriptions.learnOf(names);
      refuseGone(subscriptions, { names, done: "retried" });
    }
    return inKeyOrder(keys);
  }

  /** True if nothing of its event is left to deliver. */
  isRedacted(record: DeadLetterRecord): boolean {
    return this.#redacted.get(record) !== undefined &&
      this.#redacted.of(storedOfLine(record.line)) !== undefined;
  }

  /** What an action removes, newest first. */
  async toRemove(action: BoundAction): Promise<Redelivery[]> {
    const keys = await this.#find(action);
    await this.#assertKnown(action, keys, "removed");
    return keys;
  }

  /** Removes entries for good. */
  async remove(action: DeadLetterAction, how: ActOptions = {}): Promise<DeadLetterActionReply> {
    return await (await this.removing(action, how)).run();
  }

  /** Finds what {@link remove} removes; it can be run again if it is refused. */
  async removing(action: DeadLetterAction, { act }: ActOptions = {}): Promise<ResumableAction> {
    const [state, subscriptions] = [this.#state, this.#subscriptions];
    const upTo = await newestNumber(state);
    return new ResumableAction({
      action,
      keys: await this.toRemove({ ...action, upTo }),
      transactions: this.#transactions,
      step: (some) =>
        removeDeadLetters(some, {
          state,
          subscriptions,
          upTo,
          also: (done) => auditedDeadLetters("dead-letters.remove", { act, action, done }),
        }),
      done: "removed",
    });
  }

  /** Rejects a misspelled subscription name, for which an empty result would be misleading. */
  async #assertKnown(
    { subscription }: DeadLetterAction,
    found: readonly Redelivery[],
    done: string,
  ): Promise<void> {
    if (subscription === undefined || found.length > 0) return;
    await this.#subscriptions.learnOf([subscription]);
    if (this.#subscriptions.has(subscription)) return;
    const failed = await this.counts();
    // The subscription was removed, but has dead letters; the other filters just matched none of
    // them.
    if (failed.has(subscription)) return;
    const known = [
      ...new Set([...this.#subscriptions.all().map(({ record }) => record.name), ...failed.keys()]),
    ].sort();
    throw unknownSubscription(subscription, { known, done });
  }

  /** The entries that an action selects, newest first. Other work runs between pages. */
  async #find(
    action: BoundAction,
    options: { passOver?: (record: DeadLetterRecord) => MaybePromise<boolean> } = {},
  ): Promise<Redelivery[]> {
    const { to: _to, dryRun: _dryRun, all, upTo, ...named } = await this.groups.named(action);
    const given = Object.values(named).some((value) => value !== undefined);
    const filter = { ...named, upTo };
    if (!given && !all) {
      throw new InvalidArgumentError("name the dead letters: ids, a filter, or all", {
        code: "dead-letter/none-named",
        hint: "--all means every one; evs dlq list shows them",
      });
    }
    const keys: Redelivery[] = [];
    let after: string | undefined;
    do {
      const page = await this.#state.deadLetters(filter, { limit: PAGE, after });
      for (const record of page.records) {
        if (!await options.passOver?.(record)) keys.push(redeliveryOf(record));
      }
      after = page.next;
      if (after !== undefined) await new Promise((resolve) => setTimeout(resolve, 0));
    } while (after !== undefined);
    const lacking = (filter.ids ?? []).filter((id) =>
      !keys.some((key) => namesDeadLetter(id, key))
    );
    if (lacking.length > 0) throw missing(lacking, filter.topic);
    return keys;
  }
}

/** An entry as a line of the list. */
export function deadLetterInfo(
  { line: _line, attempts, ...record }: DeadLetterRecord,
): DeadLetterInfo {
  return { ...record, attempts: attempts.length };
}

function unknownSubscription(
  name: string,
  { known, done }: { known: readonly string[]; done: string },
): NotFoundError {
  const others = known.length === 0 ? "there is none at all" : `there are ${someOf(known)}`;
  const text = `there is no subscription ${name}: ${others}; nothing was ${done}`;
  return new NotFoundError("subscription", text, {
    hint: didYouMean(name, known) ?? "evs dlq groups shows whose dead letters there are",
    details: { subscription: name, known: known.slice(0, NAMED) },
  });
}

function refuseRedacted(keys: readonly DeadLetterRecord[]): void {
  if (keys.length === 0) return;
  const names = keys.map(deadLetterName);
  throw new ConflictError(
    `${someOf(names)} ${
      names.length === 1 ? "was" : "were"
    } redacted: nothing is left to deliver, and nothing was retried`,
    {
      code: "dead-letter/redacted",
      hint: `evs dlq remove ${names.slice(0, NAMED).join(" ")}`,
      details: { ids: names.slice(0, NAMED) },
    },
  );
}

/** The first few names, as text. */
function someOf(names: readonly string[]): string {
  return names.slice(0, NAMED).join(", ") + (names.length > NAMED ? ", …" : "");
}

function missing(ids: readonly string[], topic: string | undefined): NotFoundError {
  const named = topic === undefined ? someOf(ids) : `${someOf(ids)} of topic ${topic}`;
  return new NotFoundError("dead-letter", `there is no dead letter ${named}; nothing was done`, {
    hint: "evs dlq list shows them",
    details: { ids: [...ids] },
  });
}
