/** Options of `publish`, separated from the metadata and checked. */
import { InvalidArgumentError } from "../base/errors.ts";
import { refuseUnknown } from "../base/options.ts";
import { isJsonObject } from "../json/json_object.ts";
import { checkSchedule, checkTtl, type Schedule, type ScheduleOption } from "../event/schedule.ts";
import { assertEventId } from "../event/id.ts";
import { assertName } from "../event/name.ts";
import { refuseSlip } from "./reserved_names.ts";
import type { Expected } from "../store/store.ts";

/**
 * The fourth argument of `publish`: known names are options, all others go into the metadata. A
 * name that can only be a misspelled option is refused. Inside `metadata` any name is allowed.
 */
export interface PublishOptions {
  /** The version of the payload's schema; default: the highest registered one. */
  schemaVersion?: string;
  /** The idempotency key: publishing the same id again stores nothing. `[!-~]{1,128}`. */
  id?: string;
  /** Events with the same key are delivered in order. */
  key?: string;
  /** Unix ms. */
  timestamp?: number;
  /**
   * Compared with the last seq of the key, or of the topic if no key is given. `{ keySeq: 3 }`
   * expects that the key's last event is its third; 0 that it has none.
   */
  expected?: Expected;
  /** Publishes nothing if it has aborted. */
  signal?: AbortSignal;
  /** Publish it later. The event that is returned has no seq yet, and the time of publishing. */
  schedule?: ScheduleOption;
  /**
   * Its time to live: how long after publishing it is delivered, ms, at most a hundred years. An
   * event that has expired by then is not delivered to a subscription, and counted there.
   */
  ttlMs?: number;
  /** Additional data besides the payload. */
  metadata?: Record<string, unknown>;
  /** Any other name goes into the metadata. */
  [name: string]: unknown;
}

/** The options, separated from the metadata. */
export interface SplitOptions {
  schemaVersion?: string;
  id?: string;
  key?: string;
  timestamp?: number;
  expected?: Expected;
  signal?: AbortSignal;
  schedule?: Schedule;
  ttlMs?: number;
  metadata: Record<string, unknown>;
}

/** Separates options from metadata, and checks them. */
export function splitOptions(options: PublishOptions | undefined): SplitOptions {
  if (!options) return { metadata: {} };
  const {
    schemaVersion,
    id,
    key,
    timestamp,
    expected,
    signal,
    metadata,
    schedule,
    ttlMs,
    ...rest
  } = options;
  for (const name in rest) refuseSlip(name);
  if (id !== undefined) assertEventId(id);
  if (key !== undefined) assertName(key, "the key");
  if (schemaVersion !== undefined) assertName(schemaVersion, "the schema version");
  if (timestamp !== undefined && !Number.isSafeInteger(timestamp)) {
    throw new InvalidArgumentError("timestamp is a whole number of milliseconds since 1970", {
      details: { field: "timestamp" },
    });
  }
  if (metadata !== undefined && (typeof metadata !== "object" || Array.isArray(metadata))) {
    throw new InvalidArgumentError("metadata must be an object", {
      details: { field: "metadata" },
    });
  }
  return {
    schemaVersion,
    id,
    key,
    timestamp,
    expected: checkExpected(expected),
    signal,
    schedule: scheduleOf(schedule, expected),
    ttlMs: ttlMs === undefined ? undefined : checkTtl(ttlMs),
    metadata: { ...metadata, ...rest },
  };
}

function scheduleOf(
  schedule: ScheduleOption | undefined,
  expected: Expected | undefined,
): Schedule | undefined {
  if (schedule === undefined) return undefined;
  const checked = checkSchedule(schedule);
  if (expected === undefined || expected === "any") return checked;
  throw new InvalidArgumentError(
    "expected does not go with schedule: it would be judged when nobody can be told any more",
    { details: { field: "expected" } },
  );
}

/** Throws for a schedule in a batch: a batch is stored as a whole, at once. */
export function refuseSchedule({ schedule }: SplitOptions): void {
  if (schedule === undefined) return;
  throw new InvalidArgumentError("schedule goes with one event, not with a batch", {
    details: { field: "schedule" },
    hint: "publish the events that are to come later one by one",
  });
}

/** Throws for what cannot be decided within a transaction of the application. */
export function refuseInOutbox({ expected, schedule, ttlMs }: SplitOptions): void {
  const why = expected !== undefined && expected !== "any"
    ? ["expected", "it is stored after the commit, when nobody can be told any more"]
    : schedule !== undefined
    ? ["schedule", "it is stored as soon as the transaction has committed"]
    : ttlMs !== undefined
    ? ["ttlMs", "its time would begin at a commit that may be late"]
    : undefined;
  if (why === undefined) return;
  const [field, reason] = why;
  throw new InvalidArgumentError(`publishIn takes no ${field}: ${reason}`, {
    details: { field },
    hint: `leave ${field} out, or use publish`,
  });
}

const EXPECTED: readonly unknown[] = [undefined, "none", "exists", "any"];

/** The expectation, or an `InvalidArgumentError` that lists the valid ones. */
export function checkExpected(expected: Expected | undefined): Expected | undefined {
  if (!isJsonObject(expected)) return checkSeq(expected);
  refuseUnknown(expected, { of: "expected", known: ["keySeq"] });
  const { keySeq } = expected as { keySeq?: unknown };
  if (Number.isSafeInteger(keySeq) && keySeq as number >= 0) return { keySeq: keySeq as number };
  throw new InvalidArgumentError("the expected keySeq is a whole number from 0", {
    details: { field: "expected" },
  });
}

/** The same for what a keySeq cannot stand for. */
export function checkSeq(expected: Expected | undefined): Expected | undefined {
  const isSeq = Number.isSafeInteger(expected) && (expected as number) >= 0;
  if (isSeq || EXPECTED.includes(expected)) return expected;
  const given = typeof expected === "string" ? JSON.stringify(expected) : String(expected);
  throw new InvalidArgumentError(`expected is a seq, "none", "exists" or "any", not ${given}`, {
    details: { field: "expected" },
  });
}
