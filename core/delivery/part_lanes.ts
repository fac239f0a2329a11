/**
 * The lanes of one queue where a subscription has parts: which of a topic's parts are read together.
 *
 * A lane stands for some parts. Seqs of other parts count as settled in it, as soon as it has read
 * past them, so its cursor says where all of its parts are, or where they were: that is safe for
 * each of them, since what is settled above a cursor is stored by part. A node that owns all parts
 * has one lane a topic. Parts that were taken over stand elsewhere and have a lane of their own,
 * until both lanes have settled all up to the same seq and join.
 *
 * Parts that are to be given back are frozen: what is leased of them stays until it is settled, and
 * nothing more of them is read.
 */
import { allParts, maskOf, type PartMask, partsIn } from "../event/part.ts";
import type { TopicLane } from "./entry.ts";
import { SeqSet } from "./seq_set.ts";

/** A lane of some parts of a topic. */
export interface PartLane extends TopicLane {
  parts: PartMask;
  /** Nothing more is read: its parts are given back once nothing of them is leased. */
  frozen: boolean;
}

/** An event below `readNext` of its lane that is not settled. */
export interface OpenEvent {
  seq: number;
  part: number;
  /** It is leased. */
  held: boolean;
}

/** What is open of a lane: all of it is in memory. */
export type OpenIn = (lane: PartLane) => Iterable<OpenEvent>;

/** The first seq of a lane that is not settled. */
export function cursorIn({ settled }: Pick<TopicLane, "settled">): number {
  return settled.firstGap(1);
}

/** The lanes of one queue, by topic and part. */
export class PartLanes {
  /** How many parts the subscription has. */
  readonly count: number;
  readonly #byTopic = new Map<string, PartLane[]>();

  constructor(count = 1) {
    this.count = count;
  }

  /** All of them, by topic. */
  *[Symbol.iterator](): Generator<PartLane> {
    for (const lanes of this.#byTopic.values()) yield* lanes;
  }

  topics(): Iterable<string> {
    return this.#byTopic.keys();
  }

  /** Those of a topic. */
  of(topic: string): readonly PartLane[] {
    return this.#byTopic.get(topic) ?? [];
  }

  /** The one of a part; undefined if the part is not here. */
  at(topic: string, part: number): PartLane | undefined {
    return this.#byTopic.get(topic)?.find(({ parts }) => (parts & 1 << part) !== 0);
  }

  /** True if a lane stands for every part: then nothing has to be left out of its pages. */
  isWhole({ parts }: PartLane): boolean {
    return parts === allParts(this.count);
  }

  /** Begins to read parts at a seq. `written`: that is stored as their cursor. */
  begin(
    topic: string,
    { next, parts, written }: { next: number; parts: PartMask; written: boolean },
  ): PartLane {
    const settled = new SeqSet();
    settled.addRange(1, next - 1);
    const lane: PartLane = {
      topic,
      parts,
      frozen: false,
      settled,
      held: 0,
      heldTo: 0,
      readNext: next,
      lastSeq: next - 1,
      writtenNext: written ? next : 0,
      dirty: !written,
    };
    this.#add(lane);
    return lane;
  }

  #add(lane: PartLane): void {
    const lanes = this.#byTopic.get(lane.topic);
    if (lanes) lanes.push(lane);
    else this.#byTopic.set(lane.topic, [lane]);
  }

  #remove(lane: PartLane): void {
    const left = this.of(lane.topic).filter((other) => other !== lane);
    if (left.length > 0) this.#byTopic.set(lane.topic, left);
    else this.#byTopic.delete(lane.topic);
  }

  /**
   * Parts are not here any more. What is open of them is not, either: whoever calls this drops it
   * from the queue, together with the leases.
   */
  leave(mask: PartMask, openIn: OpenIn): void {
    for (const lane of this.#with(mask)) {
      const open = [...openIn(lane)];
      lane.parts &= ~mask;
      if (lane.parts === 0) this.#remove(lane);
      else forgetOthers(lane, open);
    }
  }

  /**
   * Reads nothing more of these parts. What is open and not leased of them is dropped by the caller,
   * and read again by whoever gets them.
   */
  freeze(mask: PartMask, openIn: OpenIn): void {
    for (const lane of this.#with(mask)) {
      if (lane.frozen) continue;
      if ((lane.parts & ~mask) === 0) {
        lane.frozen = true;
        continue;
      }
      const open = [...openIn(lane)];
      const { missed: _missed, ...rest } = lane;
      const frozen: PartLane = {
        ...rest,
        parts: lane.parts & mask,
        frozen: true,
        settled: lane.settled.clone(),
      };
      lane.parts &= ~mask;
      forgetOthers(lane, open);
      forgetOthers(frozen, open);
      this.#add(frozen);
    }
  }

  /**
   * Joins lanes that have settled all up to the same seq; a cursor that is stored must not go back.
   * Returns whether there were any.
   */
  join(topic: string): boolean {
    let joined = false;
    for (const lane of this.of(topic)) {
      const other = this.of(topic).find((one) => one !== lane && standsWith(one, lane));
      if (!other) continue;
      joinInto(other, lane);
      this.#remove(lane);
      joined = true;
    }
    return joined;
  }

  /** Parts that are frozen and of which nothing is leased: they can be given back. */
  get finished(): PartMask {
    const frozen = [...this].filter((lane) => lane.frozen);
    const busy = frozen.filter(({ held }) => held > 0).flatMap(({ parts }) => partsIn(parts));
    return maskOf(frozen.flatMap(({ parts }) => partsIn(parts))) & ~maskOf(busy);
  }

  #with(mask: PartMask): PartLane[] {
    return [...this].filter(({ parts }) => (parts & mask) !== 0);
  }
}

/** Events of parts that the lane does not stand for any more count as settled in it. */
function forgetOthers(lane: PartLane, open: readonly OpenEvent[]): void {
  lane.held = 0;
  for (const { seq, part, held } of open) {
    if ((lane.parts & 1 << part) === 0) lane.settled.add(seq);
    else if (held) lane.held++;
  }
  // Its cursor may be elsewhere now.
  lane.dirty = true;
}

/** True if both are read, nothing is open in either of them, and they go on at the same seq. */
function standsWith(one: PartLane, other: PartLane): boolean {
  return !one.frozen && !other.frozen && one.readNext === other.readNext &&
    cursorIn(one) === one.readNext && cursorIn(other) === other.readNext;
}

function joinInto(lane: PartLane, other: PartLane): void {
  lane.parts |= other.parts;
  lane.heldTo = Math.max(lane.heldTo, other.heldTo);
  lane.lastSeq = Math.max(lane.lastSeq, other.lastSeq);
  if (lane.writtenNext !== other.writtenNext || other.dirty) lane.dirty = true;
  // Where they differ, the cursor is written for all of them.
  lane.writtenNext = Math.min(lane.writtenNext, other.writtenNext);
  const [one, two] = [lane.missed, other.missed];
  if (!two) return;
  lane.missed = one
    ? {
      from: Math.min(one.from, two.from),
      to: Math.max(one.to, two.to),
      count: one.count + two.count,
      written: false,
    }
    : two;
  if (one) lane.dirty = true;
}
