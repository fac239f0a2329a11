/**
 * What the lanes of one queue have missed: events that retention deleted before they were read, and
 * those that are damaged or lost. They are counted once, and settled.
 *
 * Nobody knows the part of an event that is gone, since nobody knows its key. Where a lane stands
 * for some parts only, it counts those that would be its own without keys: so the lanes together
 * count each once, and each of them about as many as it has lost.
 */
import { isInParts, type PartSelection, SLOT_RUN } from "../event/part.ts";
import type { Missed } from "../reading/missed.ts";
import type { TopicLane } from "./entry.ts";

const NOTHING_MISSED: readonly Missed[] = [];

/** A range of seqs that a lane cannot deliver. */
export interface MissedRange {
  from: number;
  to: number;
  /** Seqs in it that somebody has, in any order. */
  held: Iterable<number>;
  /** Counts only what would be of these parts. Absent: all. */
  parts?: PartSelection | undefined;
}

/** Counts what the lanes of a queue have missed. */
export class MissedEvents {
  /** By topic, what retention deleted before delivery and no consumer was told about yet. */
  readonly #untold = new Map<string, Missed>();

  /** Counts and settles what of the range is not settled; undefined if nothing counts. */
  miss(lane: TopicLane, { from, to, held, parts }: MissedRange): Missed | undefined {
    let missed: Missed | undefined;
    for (const [first, last] of gaps(lane, from, to, held)) {
      const open = last - first + 1 - lane.settled.count(first, last);
      if (open === 0) continue;
      const fresh = parts ? freshIn(lane, [first, last], parts) : open;
      lane.settled.addRange(first, last);
      lane.dirty = true;
      if (fresh === 0) continue;
      missed = add(missed, { topic: lane.topic, from: first, to: last, count: fresh });
      const { count, stored } = lane.missed ?? { count: 0, stored: 0 };
      lane.missed = { from: lane.missed?.from ?? first, to: last, count: count + fresh, stored };
    }
    return missed;
  }

  /** It is to be reported to a consumer. */
  tell(missed: Missed): void {
    this.#untold.set(missed.topic, add(this.#untold.get(missed.topic), missed));
  }

  /** What is to be reported since the last call. */
  take(): readonly Missed[] {
    if (this.#untold.size === 0) return NOTHING_MISSED;
    const missed = [...this.#untold.values()];
    this.#untold.clear();
    return missed;
  }

  /** The topics of which something is to be reported. */
  topics(): string[] {
    return [...this.#untold.keys()];
  }

  /** Nothing of the topic is reported any more. */
  forget(topic: string): void {
    this.#untold.delete(topic);
  }
}

function add(before: Missed | undefined, { topic, from, to, count }: Missed): Missed {
  if (!before) return { topic, from, to, count };
  return {
    topic,
    from: before.from,
    to: Math.max(before.to, to),
    count: before.count + count,
  };
}

/** How many of the range are not settled and would be of these parts. */
function freshIn(
  { settled }: TopicLane,
  [first, last]: readonly [number, number],
  parts: PartSelection,
): number {
  let fresh = 0;
  for (let from = first; from <= last;) {
    const to = Math.min(last, from - from % SLOT_RUN + SLOT_RUN - 1);
    if (isInParts({ seq: from }, parts)) fresh += to - from + 1 - settled.count(from, to);
    from = to + 1;
  }
  return fresh;
}

/**
 * The ranges of `from` to `to` without the seqs in `keep` (any order). Ranges may include settled
 * seqs.
 */
export function* gaps(
  lane: TopicLane,
  from: number,
  to: number,
  keep: Iterable<number>,
): Generator<[number, number]> {
  let next = Math.max(from, lane.settled.firstGap(1));
  const kept = [...keep].sort((a, b) => a - b);
  for (const seq of kept) {
    if (seq < next || seq > to) continue;
    if (seq > next) yield [next, seq - 1];
    next = seq + 1;
  }
  if (next <= to) yield [next, to];
}
