/**
 * Scheduled events in the order in which they are due. A delay is due by the monotonic clock, a
 * named time by the wall clock, so there are two lists, and the one that is due for longer comes
 * first. Those of a topic that takes none for the time being are put aside.
 */
import { defined } from "../base/defined.ts";
import type { NewEvent } from "../event/event.ts";
import type { Schedule } from "../event/schedule.ts";
import type { ScheduledRecord } from "../state/state.ts";

/** A scheduled event without its bytes. */
export interface ScheduledItem extends Omit<ScheduledRecord, "line"> {
  /** Of a delay: when it is due by the monotonic clock, ms. */
  dueMono?: number;
}

/** Both clocks, ms. */
export interface Clocks {
  wall: number;
  mono: number;
}

/** An event that is accepted now, to be published later. */
export function scheduledItemOf(
  { id, type, key }: NewEvent,
  { number, topic, schedule, now, dueAt, afterSeq, stamped }:
    & Pick<ScheduledItem, "number" | "topic" | "dueAt" | "afterSeq" | "stamped">
    & { schedule: Schedule; now: Clocks },
): ScheduledItem {
  const delay = schedule.at === undefined
    ? { waitMs: schedule.delayMs, dueMono: now.mono + schedule.delayMs }
    : {};
  const acceptedAt = now.wall;
  return {
    number,
    topic,
    id,
    type,
    ...defined({ key }),
    dueAt,
    acceptedAt,
    afterSeq,
    stamped,
    ...delay,
  };
}

/** The due events of a topic that takes none until a time, monotonic ms. */
interface Aside {
  until: number;
  items: ScheduledItem[];
}

/** Scheduled events by when they are due. */
export class DueList {
  readonly #aside = new Map<string, Aside>();
  #delays: ScheduledItem[] = [];
  #times: ScheduledItem[] = [];

  /** The delays that wait, in no particular order. */
  get delays(): readonly ScheduledItem[] {
    if (this.#aside.size === 0) return this.#delays;
    const aside = [...this.#aside.values()].flatMap(({ items }) => items);
    return [...this.#delays, ...aside.filter(({ dueMono }) => dueMono !== undefined)];
  }

  /** Many at once, in any order. */
  addAll(items: readonly ScheduledItem[]): void {
    for (const item of items) this.#listOf(item).push(item);
    this.#delays.sort(compareDue);
    this.#times.sort(compareDue);
  }

  /** Many at once. */
  removeAll(items: ReadonlySet<ScheduledItem>): void {
    this.#delays = this.#delays.filter((item) => !items.has(item));
    this.#times = this.#times.filter((item) => !items.has(item));
    for (const [topic, aside] of this.#aside) {
      aside.items = aside.items.filter((item) => !items.has(item));
      if (aside.items.length === 0) this.#aside.delete(topic);
    }
  }

  /** Puts what is due of a topic aside until a time, monotonic ms. */
  putAside(topic: string, items: readonly ScheduledItem[], until: number): void {
    if (items.length > 0) this.#aside.set(topic, { until, items: [...items] });
  }

  /** What was put aside of a topic need not wait any more. */
  bringBack(topic: string): void {
    const aside = this.#aside.get(topic);
    if (aside) aside.until = -Infinity;
  }

  /** Does nothing if it is there. */
  add(item: ScheduledItem): void {
    const list = this.#listOf(item);
    const at = placeIn(list, item);
    if (list[at - 1] !== item) list.splice(at, 0, item);
  }

  remove(item: ScheduledItem): void {
    const list = this.#listOf(item);
    const at = placeIn(list, item) - 1;
    if (list[at] === item) list.splice(at, 1);
    else if (this.#aside.has(item.topic)) this.removeAll(new Set([item]));
  }

  /** How long until the next one is due, ms; Infinity if there is none. */
  left(now: Clocks): number {
    let left = Math.min(leftOf(this.#delays[0], now), leftOf(this.#times[0], now));
    for (const { until } of this.#aside.values()) left = Math.min(left, until - now.mono);
    return left;
  }

  /** Takes out those that are due, at most `most`, in order. */
  take(now: Clocks, most: number): ScheduledItem[] {
    for (const [topic, { until, items }] of this.#aside) {
      if (until > now.mono) continue;
      this.#aside.delete(topic);
      this.addAll(items);
    }
    const due: ScheduledItem[] = [];
    let [delays, times] = [0, 0];
    while (due.length < most) {
      const [delay, time] = [this.#delays[delays], this.#times[times]];
      const [left, other] = [leftOf(delay, now), leftOf(time, now)];
      if (Math.min(left, other) > 0) break;
      const isDelay = left < other || (left === other && delay!.number < time!.number);
      const item = isDelay ? this.#delays[delays++]! : this.#times[times++]!;
      (this.#aside.get(item.topic)?.items ?? due).push(item);
    }
    this.#delays.splice(0, delays);
    this.#times.splice(0, times);
    return due;
  }

  #listOf({ dueMono }: ScheduledItem): ScheduledItem[] {
    return dueMono === undefined ? this.#times : this.#delays;
  }
}

function dueOf({ dueMono, dueAt }: ScheduledItem): number {
  return dueMono ?? dueAt;
}

function compareDue(a: ScheduledItem, b: ScheduledItem): number {
  return dueOf(a) - dueOf(b) || a.number - b.number;
}

function leftOf(item: ScheduledItem | undefined, { wall, mono }: Clocks): number {
  if (item === undefined) return Infinity;
  return dueOf(item) - (item.dueMono === undefined ? wall : mono);
}

/** How many of the sorted items are not behind this one. */
function placeIn(sorted: readonly ScheduledItem[], item: ScheduledItem): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    const other = sorted[middle]!;
    if (compareDue(other, item) <= 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
