/**
 * The lanes of one queue where a subscription has parts: which of a topic's parts are read together.
 *
 * A lane stands for some parts. Seqs of other parts count as settled in it, as soon as it has read
 * past them, so its cursor says where all of its parts are, or where they were: that is safe for
 * each of them, since what is settled above a cursor is stored by part. A node that owns all parts
 * has one lane a topic. Parts that were taken over stand elsewhere and have a lane of their own,
 * until both have been read up to the same seq and join.
 *
 * A cursor that is stored never goes back, because what was done below it is not stored any more.
 * So a lane into which one has joined that was further stores no cursor until it is there itself,
 * but what is done meanwhile, event by event.
 *
 * Parts that are to be given back are frozen: what is leased of them stays until it is settled, and
 * nothing more of them is read.
 */
import { allParts, EVERY_PART, type PartMask, type PartSelection, partsIn } from "../event/part.ts";
import type { MissedOfParts } from "../state/records.ts";
import type { TopicLane } from "./entry.ts";
import { SeqSet } from "./seq_set.ts";

/** A lane of some parts of a topic. */
export interface PartLane extends TopicLane {
  parts: PartMask;
  /** Nothing more is read: its parts are given back once nothing of them is leased. */
  frozen: boolean;
  /** The highest cursor that is stored of its parts: no lower one is stored for them together. */
  floor: number;
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
export function cursorIn(lane: TopicLane): number {
  return lane.settled.firstGap(1);
}

/** The one that is furthest behind of those that are read; undefined if there is none. */
export function laneBehind(lanes: readonly PartLane[]): PartLane | undefined {
  let behind: PartLane | undefined;
  for (const lane of lanes) {
    if (!lane.frozen && !(behind && behind.readNext <= lane.readNext)) behind = lane;
  }
  return behind;
}

/** How far to read on in a lane so that it comes to where the next one is; Infinity: there is none. */
export function endOf(lane: PartLane, lanes: readonly PartLane[]): number {
  const ahead = lanes.filter(({ frozen, readNext }) => !frozen && readNext > lane.readNext);
  return Math.min(...ahead.map(({ readNext }) => readNext - 1));
}

/** The lanes of one queue, by topic and part. */
export class PartLanes {
  /** How many parts the subscription has. */
  readonly count: number;
  #own: PartMask;
  #frozen: PartMask = 0;
  readonly #byTopic = new Map<string, PartLane[]>();
  /** Some stand together and join soon: until then, nothing more is read. */
  joinsSoon = false;
  /** All of them; undefined until somebody asks again. */
  #all: readonly PartLane[] | undefined;

  /** `own`: the parts that are here from the start. */
  constructor(count = 1, own: PartMask = allParts(count)) {
    this.count = count;
    this.#own = own;
  }

  /** The parts that are here, those that are frozen among them. */
  get own(): PartMask {
    return this.#own;
  }

  /** The parts of which nothing more is read. */
  get frozen(): PartMask {
    return this.#frozen;
  }

  /** All of them, by topic, as they are when this is called. */
  [Symbol.iterator](): ArrayIterator<PartLane> {
    return this.#list()[Symbol.iterator]();
  }

  #list(): readonly PartLane[] {
    return this.#all ??= [...this.#byTopic.values()].flat();
  }

  topics(): MapIterator<string> {
    return this.#byTopic.keys();
  }

  has(topic: string): boolean {
    return this.#byTopic.has(topic);
  }

  /** Those of a topic. */
  of(topic: string): readonly PartLane[] {
    return this.#byTopic.get(topic) ?? NO_LANES;
  }

  /** The one of a part; undefined if the part is not here. */
  at(topic: string, part: number): PartLane | undefined {
    const lanes = this.#byTopic.get(topic);
    if (lanes === undefined || this.count === 1) return lanes?.[0];
    for (const lane of lanes) if ((lane.parts & 1 << part) !== 0) return lane;
    return undefined;
  }

  /** True if a lane stands for every part: then nothing has to be left out of its pages. */
  isWhole({ parts }: PartLane): boolean {
    return this.count === 1 || parts === allParts(this.count);
  }

  /** Which share of the parts it stands for, up to 1. */
  shareOf(lane: PartLane): number {
    return this.isWhole(lane) ? 1 : partsIn(lane.parts).length / this.count;
  }

  /** What pages are to be asked for; undefined if nothing has to be left out. */
  selectionOf(lane: PartLane): PartSelection | undefined {
    return this.isWhole(lane) ? undefined : { count: this.count, mask: lane.parts };
  }

  /** The parts that a record of the lane names; nothing where the subscription is not divided. */
  named(lane: PartLane): { parts?: PartMask } {
    if (this.count === 1) return NOT_DIVIDED;
    return { parts: this.isWhole(lane) ? EVERY_PART : lane.parts };
  }

  /** True if a topic has several lanes, which may join. */
  get isSplit(): boolean {
    return this.count > 1 && this.#list().length > this.#byTopic.size;
  }

  /** Parts that are to be read, and that no lane of the topic stands for. */
  lacking(topic: string): PartMask {
    const lanes = this.#byTopic.get(topic);
    if (lanes !== undefined && this.count === 1) return 0;
    return (lanes ?? NO_LANES).reduce(
      (mask, { parts }) => mask & ~parts,
      this.#own & ~this.#frozen,
    );
  }

  /** Parts have come; each topic has yet to begin with them. */
  gain(mask: PartMask): void {
    this.#own |= mask & allParts(this.count);
  }

  /** Begins to read parts at a seq. `written`: that is stored as their cursor. */
  begin(
    topic: string,
    { next, parts, written }: { next: number; parts: PartMask; written: boolean },
  ): PartLane {
    const lane = laneAt(topic, { next, parts, written });
    this.#add(lane);
    return lane;
  }

  /** Begins to read all parts that are here at a seq, whatever lanes there were. */
  restart(topic: string, { next, written }: { next: number; written: boolean }): PartLane {
    const lane = laneAt(topic, { next, parts: this.#own, written });
    this.#set(topic, [lane]);
    return lane;
  }

  /** Adds what is stored as missed. */
  loadMissed({ topic, from, to, count, parts = 1 }: MissedOfParts): void {
    const part = lowestOf(parts);
    const lane = this.of(topic).find((lane) => (lane.parts & part) !== 0);
    if (!lane) return;
    const stored = (lowestOf(lane.parts) & part) !== 0 ? count : 0;
    addMissed(lane, { from, to, count, stored });
  }

  /** Drops all of them. */
  clear(): void {
    this.#byTopic.clear();
    this.#all = undefined;
  }

  #add(lane: PartLane): void {
    this.#set(lane.topic, [...this.of(lane.topic), lane]);
  }

  #remove(lane: PartLane): void {
    this.#set(lane.topic, this.of(lane.topic).filter((other) => other !== lane));
  }

  #set(topic: string, lanes: PartLane[]): void {
    if (lanes.length > 0) this.#byTopic.set(topic, lanes);
    else this.#byTopic.delete(topic);
    this.#all = undefined;
  }

  /**
   * Parts are not here any more. What is open of them is not, either: whoever calls this drops it
   * from the queue, together with the leases.
   */
  leave(mask: PartMask, openIn: OpenIn): void {
    this.#own &= ~mask;
    this.#frozen &= ~mask;
    for (const lane of this.#with(mask)) {
      const open = [...openIn(lane)];
      leaveMissed(lane, mask);
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
    this.#frozen |= mask & this.#own;
    for (const lane of this.#with(mask)) {
      if (lane.frozen) continue;
      if ((lane.parts & ~mask) === 0) {
        lane.frozen = true;
        continue;
      }
      const open = [...openIn(lane)];
      leaveMissed(lane, mask);
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
   * Joins lanes that have been read up to the same seq, when no plan is under way. Returns whether
   * there were any.
   */
  join(topic: string): boolean {
    let joined = false;
    for (let pair = this.#pairIn(topic); pair; pair = this.#pairIn(topic)) {
      joinInto(pair.other, pair.lane);
      this.#remove(pair.lane);
      joined = true;
    }
    return joined;
  }

  /** True if some of them would join. */
  get canJoin(): boolean {
    if (!this.isSplit) return false;
    return [...this.topics()].some((topic) => this.#pairIn(topic) !== undefined);
  }

  /** Two lanes of a topic that stand together. */
  #pairIn(topic: string): { lane: PartLane; other: PartLane } | undefined {
    const lanes = this.of(topic);
    for (const lane of lanes) {
      const other = lanes.find((one) => one !== lane && standsWith(one, lane));
      if (other) return { lane, other };
    }
    return undefined;
  }

  /** The same for all topics. */
  joinAll(): boolean {
    if (!this.isSplit) return false;
    let joined = false;
    for (const topic of [...this.topics()]) joined = this.join(topic) || joined;
    return joined;
  }

  #with(mask: PartMask): PartLane[] {
    return [...this].filter(({ parts }) => (parts & mask) !== 0);
  }
}

const NO_LANES: readonly PartLane[] = [];
const NOT_DIVIDED = {};

function laneAt(
  topic: string,
  { next, parts, written }: { next: number; parts: PartMask; written: boolean },
): PartLane {
  const settled = new SeqSet();
  settled.addRange(1, next - 1);
  return {
    topic,
    parts,
    frozen: false,
    floor: 0,
    settled,
    held: 0,
    heldTo: 0,
    readNext: next,
    lastSeq: next - 1,
    writtenNext: written ? next : 0,
    dirty: !written,
  };
}

/**
 * What a lane has missed is stored with its lowest part. Where that goes, it takes the row along:
 * only what is not stored yet stays here.
 */
function leaveMissed(lane: PartLane, mask: PartMask): void {
  const { missed } = lane;
  if (!missed || (lowestOf(lane.parts) & mask) === 0) return;
  const count = missed.count - missed.stored;
  if (count > 0) lane.missed = { ...missed, count, stored: 0 };
  else delete lane.missed;
}

/** The lowest of some parts, as a mask. */
function lowestOf(mask: PartMask): PartMask {
  return mask & -mask;
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

/**
 * True if both go on at the same seq, and neither knows of anything behind it: what is settled there
 * in one of them says nothing of the parts of the other, it may only have been passed over.
 */
function standsWith(one: PartLane, other: PartLane): boolean {
  const { readNext } = one;
  return !one.frozen && !other.frozen && readNext === other.readNext &&
    [one, other].every(({ settled, writtenNext }) =>
      // Marks are found by the cursor that is stored with them.
      writtenNext > 0 && settled.count(readNext, Infinity) === 0
    );
}

function joinInto(lane: PartLane, other: PartLane): void {
  const { parts } = lane;
  lane.floor = Math.max(lane.floor, other.floor, lane.writtenNext, other.writtenNext);
  lane.writtenNext = Math.min(lane.writtenNext, other.writtenNext);
  lane.dirty = true;
  // What is open in the other one was passed over here.
  const { settled, readNext } = other;
  for (let seq = cursorIn(other); seq < readNext; seq = settled.firstGap(seq + 1)) {
    lane.settled.remove(seq);
  }
  lane.parts |= other.parts;
  lane.held += other.held;
  lane.heldTo = Math.max(lane.heldTo, other.heldTo);
  lane.lastSeq = Math.max(lane.lastSeq, other.lastSeq);
  const isFirst = lowestOf(parts) < lowestOf(other.parts);
  // What was missed is stored with the lowest part.
  if (lane.missed && !isFirst) lane.missed = { ...lane.missed, stored: 0 };
  if (other.missed) addMissed(lane, isFirst ? { ...other.missed, stored: 0 } : other.missed);
}

/** Adds to what a lane has missed. `stored`: how many of them with its lowest part. */
function addMissed(lane: PartLane, missed: NonNullable<TopicLane["missed"]>): void {
  lane.missed = sumOfMissed(lane.missed, missed)!;
  if (lane.missed.stored < lane.missed.count) lane.dirty = true;
}

/** What two lanes have missed. */
export function sumOfMissed(
  one: TopicLane["missed"],
  other: TopicLane["missed"],
): TopicLane["missed"] {
  if (!one || !other) return one ?? other;
  return {
    from: Math.min(one.from, other.from),
    to: Math.max(one.to, other.to),
    count: one.count + other.count,
    stored: one.stored + other.stored,
  };
}

/**
 * How many events of a lane are still to be delivered: not settled, and not leased. Of what was not
 * read yet nobody knows the parts, so its share of it counts, and at least one.
 */
export function pendingIn(lane: PartLane, lanes: PartLanes): number {
  const { lastSeq, settled, held, readNext } = lane;
  const pending = Math.max(0, lastSeq - settled.size - held);
  if (lanes.isWhole(lane)) return pending;
  if (lane.frozen) return 0;
  const unread = Math.max(0, lastSeq - readNext + 1 - settled.count(readNext, lastSeq));
  return Math.max(0, pending - Math.floor(unread * (1 - lanes.shareOf(lane))));
}
