/**
 * When an event is published, if not at once: after a delay, or at a time that somebody named. And
 * how long it is delivered from then on: its time to live.
 */
import { InvalidArgumentError } from "../base/errors.ts";
import { LATEST_TIME, LONGEST_SCHEDULE_MS, LONGEST_TTL_MS } from "./limits.ts";
import { parseMoment } from "./offset.ts";

/** The option `schedule` of `publish`: one of the two. */
export interface ScheduleOption {
  /** Publish this long after it was accepted, ms. */
  delayMs?: number;
  /** Publish at this time: Unix ms, a `Date`, or ISO 8601 with a zone. */
  at?: number | string | Date;
}

/** The same, checked; a time is Unix ms. */
export type Schedule = { delayMs: number; at?: undefined } | { at: number; delayMs?: undefined };

/** The schedule, or an `InvalidArgumentError` that says what is needed. */
export function checkSchedule(given: unknown): Schedule {
  if (typeof given !== "object" || given === null || Array.isArray(given)) {
    throw wrong("schedule is {delayMs} or {at}", "schedule");
  }
  const unknown = Object.keys(given).find((name) => name !== "delayMs" && name !== "at");
  if (unknown !== undefined) {
    throw wrong(`schedule is {delayMs} or {at}, without ${JSON.stringify(unknown)}`, "schedule");
  }
  const { delayMs, at } = given as ScheduleOption;
  if ((delayMs === undefined) === (at === undefined)) {
    throw wrong("schedule has either delayMs or at", "schedule");
  }
  return delayMs === undefined ? { at: momentOf(at!) } : { delayMs: checkDelay(delayMs) };
}

/** The time to live, ms, or an `InvalidArgumentError` that says what is needed. */
export function checkTtl(given: unknown): number {
  if (Number.isSafeInteger(given) && given as number >= 1 && given as number <= LONGEST_TTL_MS) {
    return given as number;
  }
  throw wrong(
    `ttlMs is a whole number of milliseconds from 1 to ${LONGEST_TTL_MS} (a hundred years), not ${
      String(given)
    }`,
    "ttlMs",
  );
}

function checkDelay(delayMs: unknown): number {
  if (typeof delayMs === "number" && delayMs >= 0 && delayMs <= LONGEST_SCHEDULE_MS) return delayMs;
  throw wrong(
    `schedule.delayMs is a number of milliseconds from 0 to ${LONGEST_SCHEDULE_MS}, not ${
      String(delayMs)
    }`,
    "schedule.delayMs",
  );
}

function momentOf(at: unknown): number {
  const ms = typeof at === "string"
    ? parseMoment(at)
    : at instanceof Date
    ? at.getTime()
    : Number.isSafeInteger(at)
    ? at as number
    : NaN;
  if (ms <= LATEST_TIME) return ms;
  throw wrong(
    `schedule.at is a time: Unix ms, a Date, or text with a zone, such as 2026-11-23T10:00:00Z; not ${
      String(at)
    }`,
    "schedule.at",
  );
}

function wrong(message: string, field: string): InvalidArgumentError {
  return new InvalidArgumentError(message, { details: { field } });
}
