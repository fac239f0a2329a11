/** The waiting retries of a subscription: listed in pages by due time, and made due by a person. */
import type { ActOptions } from "../event/audit.ts";
import { audited } from "../state/audited.ts";
import { defined } from "../base/defined.ts";
import { InvalidArgumentError, NotFoundError } from "../base/errors.ts";
import { allReady, type MaybePromise, whenReady } from "../base/maybe_promise.ts";
import { truncate } from "../base/truncate.ts";
import { LARGEST_RETRY_PAGE } from "../event/limits.ts";
import type {
  RetriesNowReply,
  RetriesNowRequest,
  RetriesPage,
  RetriesReply,
  RetryInfo,
} from "../protocol/in_flight.ts";
import type { SubscriptionDriver } from "./driver.ts";
import type { Ledger } from "./committer.ts";
import type { Entry } from "./entry.ts";
import type { Transact } from "../state/shared_act.ts";
import type { StateChange } from "../state/state.ts";
import type { Plan } from "./plan.ts";
import type { DeliveryQueue } from "./queue.ts";

/** Most retries made due in one transaction. */
const AT_ONCE = 1000;
/** Most characters of a reason in a list. */
const LONGEST_REASON = 200;

/** The cursor of a page: when its last retry is due, and that retry's topic and id. */
export const RETRY_CURSOR = "^[0-9]{1,15}/[A-Za-z0-9._-]{1,128}/[!-~]{1,128}$";

/** Throws `InvalidArgumentError` for an invalid page request. */
export function checkRetriesPage({ limit, after }: RetriesPage): void {
  if (
    limit !== undefined && !(Number.isInteger(limit) && limit >= 1 && limit <= LARGEST_RETRY_PAGE)
  ) {
    throw new InvalidArgumentError(
      `limit is a whole number from 1 to ${LARGEST_RETRY_PAGE}, not ${limit}`,
      { details: { field: "limit" } },
    );
  }
  if (after !== undefined && !new RegExp(RETRY_CURSOR).test(after)) {
    throw new InvalidArgumentError("after is what `next` of the page before says", {
      details: { field: "after" },
    });
  }
}

/**
 * A page of the waiting retries after `after`, those due first in front: as they wait when this is
 * called, also if their reasons are read later.
 */
export function retriesPage(
  driver: SubscriptionDriver,
  { limit = LARGEST_RETRY_PAGE, after }: RetriesPage = {},
): MaybePromise<RetriesReply> {
  const { retries } = driver.ledger;
  if (retries) return storedRetries(driver, retries, { limit, after });
  const found = nextRetries(driver.queue, { limit: limit + 1, after });
  const page = found.slice(0, limit);
  const rest = {
    total: driver.queue.scheduled,
    ...(found.length > limit ? { next: cursorOf(page.at(-1)!) } : {}),
  };
  return whenReady(retryInfos(driver, page), (retries) => ({ retries, ...rest }));
}

/** The same where several nodes have them: as they are stored, those that are leased among them. */
async function storedRetries(
  { record: { name: subscription } }: SubscriptionDriver,
  read: NonNullable<Ledger["retries"]>,
  { limit, after }: { limit: number; after: string | undefined },
): Promise<RetriesReply> {
  const [, dueAt, topic, id] = /^(\d+)\/([^/]+)\/(.+)$/.exec(after ?? "") ?? [];
  const place = id === undefined ? undefined : { dueAt: Number(dueAt), topic: topic!, id };
  const { total, retries } = await read({ subscription, limit: limit + 1, after: place });
  const page = retries.slice(0, limit).map(({ reason, nextAttempt: attempt, ...one }) => {
    const { topic, seq, id, type, dueAt } = one;
    return {
      topic,
      seq,
      id,
      type,
      attempt,
      dueAt,
      ...defined({ reason: reason && firstLine(reason) }),
    };
  });
  const last = page.at(-1);
  const next = retries.length > limit && last && `${last.dueAt}/${placeOf(last)}`;
  return { retries: page, total, ...defined({ next: next || undefined }) };
}

function firstLine(reason: string): string {
  return truncate(reason.split("\n", 1)[0]!, LONGEST_REASON);
}

/** Retries as sent on the wire. Their reasons are read from their rows. */
export function retryInfos(
  driver: SubscriptionDriver,
  entries: readonly Entry[],
): MaybePromise<RetryInfo[]> {
  const infos = entries.map((entry) => waitingRetry(driver, entry));
  const rows = allReady(entries.map(({ topic, id }) => driver.ledger.retry(topic, id)));
  return whenReady(rows, (rows) =>
    infos.map((info, i) => {
      const reason = rows[i]?.attempts.at(-1)?.error;
      return { ...info, ...defined({ reason: reason && firstLine(reason) }) };
    }));
}

/** One of them without its reason, for which nothing is read. */
export function waitingRetry(driver: SubscriptionDriver, entry: Entry): RetryInfo {
  const now = driver.now();
  return {
    topic: entry.topic,
    seq: entry.seq,
    id: entry.id,
    type: entry.type,
    attempt: entry.nextAttempt,
    dueAt: Math.round(now.wall + entry.dueMono - now.mono),
  };
}

/** The first waiting retries. There may be very many more, so all are scanned but not sorted. */
export function nextRetries(
  queue: DeliveryQueue,
  { limit, after }: { limit: number; after?: string | undefined },
): Entry[] {
  const first: Entry[] = [];
  for (const entry of waiting(queue)) {
    if (after !== undefined && !isBehind(entry, after)) continue;
    if (first.length === limit && compareDue(entry, first[limit - 1]!) > 0) continue;
    first.splice(placeIn(first, entry), 0, entry);
    if (first.length > limit) first.pop();
  }
  return first;
}

/** The retries that are not leased. */
function* waiting({ ready }: DeliveryQueue): Generator<Entry> {
  for (const entry of ready.retries.values()) if (entry.lease === undefined) yield entry;
}

/** How many of the sorted entries come before this one. */
function placeIn(sorted: readonly Entry[], entry: Entry): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareDue(sorted[middle]!, entry) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Orders by due time, then by topic and id. */
function compareDue(a: Entry, b: Entry): number {
  return dueMicros(a) - dueMicros(b) || (placeOf(a) < placeOf(b) ? -1 : 1);
}

function dueMicros({ dueMono }: Entry): number {
  return Math.max(0, Math.round(dueMono * 1000));
}

function placeOf({ topic, id }: Pick<Entry, "topic" | "id">): string {
  return `${topic}/${id}`;
}

/** The cursor of a page that ends with this retry. */
function cursorOf(entry: Entry): string {
  return `${dueMicros(entry)}/${placeOf(entry)}`;
}

function isBehind(entry: Entry, cursor: string): boolean {
  const end = cursor.indexOf("/");
  const due = Number(cursor.slice(0, end));
  const micros = dueMicros(entry);
  return micros > due || (micros === due && placeOf(entry) > cursor.slice(end + 1));
}

/**
 * Makes the retries of the named events due, or all of them; durable when it resolves. Rejects with
 * `NotFoundError`, and does nothing, if a named event has no waiting retry.
 */
export async function retryNow(
  driver: SubscriptionDriver,
  { ids }: RetriesNowRequest = {},
  { act }: ActOptions = {},
): Promise<RetriesNowReply> {
  const { transact } = driver.ledger;
  if (transact) return await retrySharedNow(driver, { transact, ids, act });
  const named = ids && new Set(ids);
  const chosen = [...waiting(driver.queue)].filter(({ id }) => named?.has(id) ?? true)
    .sort(compareDue);
  refuseMissing(driver.record.name, { named, found: chosen });
  let count = 0;
  for (let i = 0; i < chosen.length; i += AT_ONCE) {
    const some = chosen.slice(i, i + AT_ONCE);
    count += await driver.plan(() => {
      const plan = planDue(driver, some);
      const facts = { act: "retries.now", subscription: driver.record.name } as const;
      if (plan.result > 0) {
        plan.changes.push(...audited(act, { ...facts, details: { count: plan.result } }));
      }
      return plan;
    });
  }
  return { count };
}

function refuseMissing(
  subscription: string,
  { named, found }: { named: ReadonlySet<string> | undefined; found: readonly { id: string }[] },
): void {
  const ids = new Set(found.map(({ id }) => id));
  const missing = [...named ?? []].filter((id) => !ids.has(id));
  if (missing.length > 0) throw noneWaits(subscription, missing);
}

/**
 * The same, whichever node owns the parts; in one transaction, because owners read all of them again
 * after each. Those that are leased there count, too, and stay leased.
 */
async function retrySharedNow(
  driver: SubscriptionDriver,
  { transact, ids, act }: ActOptions & {
    transact: Transact;
    ids: readonly string[] | undefined;
  },
): Promise<RetriesNowReply> {
  const subscription = driver.record.name;
  const named = ids && new Set(ids);
  const now = driver.now().wall;
  const count = await transact({
    on: [{ subscription }],
    async decide(rows) {
      const found = await rows.retries(subscription, ids);
      refuseMissing(subscription, { named, found });
      const facts = { act: "retries.now", subscription } as const;
      const changes = [
        ...found.map(({ topic, id }): StateChange => {
          return { op: "retry.due", subscription, topic, id, now };
        }),
        ...found.length > 0 ? audited(act, { ...facts, details: { count: found.length } }) : [],
      ];
      return { changes, result: found.length };
    },
  });
  return { count };
}

function planDue(driver: SubscriptionDriver, chosen: readonly Entry[]): Plan<number> {
  const { queue } = driver;
  const now = driver.now();
  // Some may have been leased or removed before this plan's turn.
  const still = chosen.filter(({ lease, gone }) => lease === undefined && !gone);
  return {
    changes: still.map(({ topic, id }) => ({
      op: "retry.due",
      subscription: queue.name,
      topic,
      id,
      now: now.wall,
    })),
    result: still.length,
    dead: [],
    apply() {
      for (const entry of still) {
        if (entry.due) continue;
        entry.dueMono = now.mono;
        queue.ready.makeDue(entry);
      }
    },
    rollback: () => {},
  };
}

/** The error for events without a waiting retry. */
export function noneWaits(subscription: string, ids: readonly string[]): NotFoundError {
  return new NotFoundError(
    "retry",
    `no retry of ${ids.join(", ")} waits for ${subscription}; nothing was done`,
    {
      hint: `evs subscription retries ${subscription} lists those that wait`,
      details: { subscription, ids: [...ids] },
    },
  );
}
