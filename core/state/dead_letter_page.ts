/**
 * What both states decide about dead letters: who matches, where a page begins, where the next one
 * does, what retry one becomes.
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

/** True when every field that the filter gives matches. */
export function matchesDeadLetter(filter: DeadLetterFilter, entry: DeadLetterRecord): boolean {
  return (!filter.ids || filter.ids.some((id) => namesDeadLetter(id, entry))) &&
    (filter.subscription === undefined || entry.subscription === filter.subscription) &&
    (filter.topic === undefined || entry.topic === filter.topic) &&
    (filter.type === undefined || entry.type === filter.type) &&
    (filter.key === undefined || entry.key === filter.key) &&
    (filter.since === undefined || entry.diedAt >= filter.since) &&
    (filter.before === undefined || entry.diedAt < filter.before) &&
    (filter.reason === undefined || reasonHolds(entry.reason, filter.reason));
}

/**
 * A dead letter as the retry that it becomes: due at `dueAt`, for `to`, with its history and a
 * fresh grant of retries.
 */
export function retryOf(
  dead: DeadLetterRecord,
  { to, dueAt }: { to: string; dueAt: number },
): RetryRecord {
  const { reason: _reason, diedAt: _diedAt, editedAs: _editedAs, ...event } = dead;
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

/**
 * The number that a page begins behind: the newest first, so below it, unless the oldest come
 * first.
 */
export function pageStart({ after, oldest }: DeadLetterPageRequest): number {
  if (after === undefined) return oldest ? 0 : Number.MAX_SAFE_INTEGER;
  const start = Number(after);
  if (/^\d+$/.test(after) && Number.isSafeInteger(start)) return start;
  throw new InvalidArgumentError(
    `after is what the page before said, not ${JSON.stringify(after)}`,
    { details: { parameter: "after" } },
  );
}

/** The page, from one row more than was asked for. */
export function nextAfter(
  rows: { number: number; record: DeadLetterRecord }[],
  limit: number,
): DeadLetterPage {
  const records = rows.slice(0, limit).map(({ record }) => record);
  return rows.length > limit && limit > 0
    ? { records, next: String(rows[limit - 1]!.number) }
    : { records };
}
