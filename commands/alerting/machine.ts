/**
 * The state machine of `evs alert`: conditions, what was seen, and the time make begins and ends.
 * Pure: everything that it knows is in its argument, which is kept in a file over restarts.
 *
 * A condition is one measure of one subscription, or of the daemon. It is there from the first look
 * that finds its value past the limit; it begins once it has been so for as long as was asked, and
 * ends with the first look that finds it is not. A look that could not see it changes nothing.
 */
import { isLasting, isPast, type Measure, MEASURES, type WatchedLimits } from "./limit.ts";

/** What a condition is about. */
export interface AlertSubject {
  measure: Measure;
  /** Absent: the daemon as a whole. */
  subscription?: string;
}

/** A condition that holds. */
export interface HeldCondition extends AlertSubject {
  /** The same for its begin and its end. */
  id: string;
  /** When it was first seen, Unix ms. */
  since: number;
  /** The same by {@link ClockTimes.monotonic}. */
  heldFrom: number;
  begun: boolean;
}

/** A value that was seen. */
export interface MeasuredValue extends AlertSubject {
  value: number;
  /** It has been past its limit since then, by {@link ClockTimes.monotonic}; absent: since this look. */
  from?: number;
  /** The same for people. */
  words: () => string;
}

/** One look at the daemon. */
export interface Look {
  readings: readonly MeasuredValue[];
  /** What could not be seen: their conditions stay as they are. */
  unseen: readonly (AlertSubject | { measure: Measure; subscription: "*" })[];
}

/** Both clocks, ms. */
export interface ClockTimes {
  wall: number;
  monotonic: number;
}

/** What happened to a condition. */
export interface Occurrence {
  state: "begin" | "end";
  condition: HeldCondition;
  /** What was seen; absent where an end comes without. */
  reading?: MeasuredValue;
  /** Why it ended: as it should, its subject is gone, or it is not looked at any more. */
  ended?: "over" | "removed" | "unwatched";
}

/** What conditions are judged by. */
export interface Rules {
  limits: WatchedLimits;
  /** How long a condition must hold before it begins, ms. Not for those whose limit is that. */
  forMs: number;
  /** Whether a subscription is looked at. */
  isWatched: (subscription: string) => boolean;
  /** Conditions that are not looked at end; else another run may look at them: they stay. */
  endsUnwatched: boolean;
  newId: () => string;
}

/** The key of a condition among all. */
export function subjectKey({ measure, subscription }: AlertSubject): string {
  return subscription === undefined ? measure : `${measure} ${subscription}`;
}

/** Judges one look: what holds now, and what began or ended by it. */
export function judge(
  conditions: readonly HeldCondition[],
  look: Look,
  { rules, now }: { rules: Rules; now: ClockTimes },
): { conditions: HeldCondition[]; occurrences: Occurrence[]; changed: boolean } {
  const before = new Map(conditions.map((condition) => [subjectKey(condition), condition]));
  const after: HeldCondition[] = [];
  const occurrences: Occurrence[] = [];
  let changed = false;
  for (const reading of look.readings) {
    const limit = rules.limits[reading.measure];
    const key = subjectKey(reading);
    const known = before.get(key);
    if (limit === undefined || !isLookedAt(reading, rules)) continue;
    before.delete(key);
    if (!holds(reading, rules)) {
      if (known === undefined) continue;
      changed = true;
      if (known.begun) {
        occurrences.push({ state: "end", condition: known, reading, ended: "over" });
      }
      continue;
    }
    const from = reading.from ?? now.monotonic;
    const held = known ?? {
      measure: reading.measure,
      ...(reading.subscription === undefined ? {} : { subscription: reading.subscription }),
      id: rules.newId(),
      since: now.wall - Math.round(now.monotonic - from),
      heldFrom: from,
      begun: false,
    };
    const needed = isLasting(reading.measure) ? limit.value : rules.forMs;
    const begins = !held.begun && now.monotonic - held.heldFrom >= needed;
    const condition = begins ? { ...held, begun: true } : held;
    if (begins) occurrences.push({ state: "begin", condition, reading });
    if (begins || known === undefined) changed = true;
    after.push(condition);
  }
  for (const condition of before.values()) {
    const ended = endWithoutReading(condition, look, rules);
    if (ended === undefined) {
      after.push(condition);
      continue;
    }
    changed = true;
    if (condition.begun) occurrences.push({ state: "end", condition, ended });
  }
  return { conditions: after, occurrences, changed };
}

/** `down` is there or not: how long it takes until it counts is its limit. So is `degraded`. */
function holds({ measure, value }: MeasuredValue, { limits }: Rules): boolean {
  return isLasting(measure) ? value > 0 : isPast(limits[measure]!, value);
}

function isLookedAt({ subscription }: AlertSubject, { isWatched }: Rules): boolean {
  return subscription === undefined || isWatched(subscription);
}

function endWithoutReading(
  condition: HeldCondition,
  { unseen }: Look,
  rules: Rules,
): Occurrence["ended"] | undefined {
  const { measure, subscription } = condition;
  const isAsked = MEASURES.includes(measure) && rules.limits[measure] !== undefined;
  if (!isAsked || !isLookedAt(condition, rules)) {
    return rules.endsUnwatched ? "unwatched" : undefined;
  }
  const isUnseen = unseen.some((one) =>
    one.measure === measure && (one.subscription === "*" || one.subscription === subscription)
  );
  return isUnseen ? undefined : "removed";
}
