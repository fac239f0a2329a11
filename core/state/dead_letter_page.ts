/**
 * What both states decide about dead letters: which ones match, where pages begin and end, and
 * which retry a dead letter becomes.
 */
import { namesDeadLetter } from "./dead_letter_name.ts";
import { reasonHolds } from "./reason.ts";
import { InvalidArgumentError } from "../base/errors.ts";
import type {
  DeadLetterFilter,
  DeadLetterPage,
  DeadLetterPageRequest,
  DeadLetterRecord,
  RetryRecord,
} from "./state.ts";

/** True if every field that the filter sets matches. */
export function matchesDeadLetter(filter: DeadLetterFilter, entry: DeadLetterRecord): boolean {
  return (!filter.ids || filter.ids.some((id) => namesDeadLetter(id, entry))) &&
    (filter.subscription === undefined || entry.subscription === filter.subscription) &&
    (filter.topic === undefined || entry.topic === filter.topic) &&
    (filter.type === undefined || entry.type === filter.type) &&
    (filter.key === undefined || entry.key === filter.key) &&
    (filter.since === undefined || entry.diedAt >= filter.since) &&
    (filter.group === undefined || entry.group === filter.group) &&
    (filter.before === undefined || entry.diedAt < filter.before) &&
    (filter.reason === undefined || reasonHolds(entry.reason, filter.reason));
}

/**
 * Turns a dead letter into a retry for `to`, due at `dueAt`, with its history and a fresh retry
 * budget.
 */
export function retryOf(
  dead: DeadLetterRecord,
  { to, dueAt }: { to: string; dueAt: number },
): RetryRecord {
  const { reason: _reason, diedAt: _died, editedAs: _edited, group: _group, ...event } = dead;
  const nextAttempt = (dead.attempts.at(-1)?.attempt ?? 0) + 1;
  return {
    ...event,
    subscription: to,
    dueAt: Math.round(dueAt),
    waitMs: 0,
    nextAttempt,
    failures: 0,
  };
}

/** The number after which a page begins: going down from the newest, unless `oldest` is set. */
export function pageStart({ after, oldest }: DeadLetterPageRequest): number {
  if (after === undefined) return oldest ? 0 : Number.MAX_SAFE_INTEGER;
  const start = Number(after);
  if (/^\d+$/.test(after) && Number.isSafeInteger(start)) return start;
  throw new InvalidArgumentError(
    `after must come from the previous page, not ${JSON.stringify(after)}`,
    { details: { parameter: "after" } },
  );
}

/** The page, built from one row more than was requested. */
export function nextAfter(
  rows: { number: number; record: DeadLetterRecord }[],
  limit: number,
): DeadLetterPage {
  const records = rows.slice(0, limit).map(({ record }) => record);
  return rows.length > limit && limit > 0
    ? { records, next: String(rows[limit - 1]!.number) }
    : { records };
}
