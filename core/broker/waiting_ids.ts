/**
 * The ids of events that are scheduled and not yet published. A publish with one of them is a
 * repeat: it stores nothing, and has no seq yet.
 */
import { eventsOf, isPacked, type StoreRequest } from "../store/pack.ts";
import type { AppendOutcome } from "../store/store.ts";
import type { ScheduledItem } from "./due_list.ts";

/** Scheduled items by topic and id. */
export class WaitingIds {
  readonly #topics = new Map<string, Map<string, ScheduledItem>>();

  /** Those of a topic; undefined if it has none. */
  of(topic: string): ReadonlyMap<string, ScheduledItem> | undefined {
    return this.#topics.size === 0 ? undefined : this.#topics.get(topic);
  }

  /** True if it is one of those. */
  has(item: ScheduledItem): boolean {
    return this.of(item.topic)?.get(item.id) === item;
  }

  /** Those of every topic. */
  *all(): Generator<ScheduledItem> {
    for (const items of this.#topics.values()) yield* items.values();
  }

  /** The ids of these requests' events that wait. */
  in(requests: readonly StoreRequest[]): string[] {
    if (this.#topics.size === 0) return [];
    return requests.flatMap((request) => {
      const waiting = this.of(request.topic);
      if (waiting === undefined) return [];
      return eventsOf(request).flatMap(({ id, idGiven }) => idGiven && waiting.has(id) ? [id] : []);
    });
  }

  get size(): number {
    let size = 0;
    for (const items of this.#topics.values()) size += items.size;
    return size;
  }

  add(topic: string, id: string, item: ScheduledItem): void {
    const items = this.#topics.get(topic) ?? new Map<string, ScheduledItem>();
    this.#topics.set(topic, items.set(id, item));
  }

  delete(topic: string, id: string): void {
    const items = this.#topics.get(topic);
    items?.delete(id);
    if (items?.size === 0) this.#topics.delete(topic);
  }
}

/** Appends the events of a request that are not waiting; those that are become repeats. */
export async function appendNew(
  request: StoreRequest,
  { waiting, append }: {
    waiting: ReadonlyMap<string, unknown>;
    append: (request: StoreRequest) => Promise<AppendOutcome>;
  },
): Promise<AppendOutcome> {
  // Without ids from the publisher there is nothing to look up.
  if (isPacked(request) && !request.given) return await append(request);
  const events = eventsOf(request);
  const [repeats, places]: [number[], number[]] = [[], []];
  for (const [index, { id, idGiven }] of events.entries()) {
    (idGiven && waiting.has(id) ? repeats : places).push(index);
  }
  if (repeats.length === 0) return await append(request);
  const duplicates = repeats.map((index) => ({ index, seq: 0 }));
  if (places.length === 0) return { ok: true, count: 0, firstSeq: 0, lastSeq: 0, duplicates };
  const { topic, expected = "any", under } = request;
  if (expected !== "any") {
    const ids = repeats.map((index) => events[index]!.id);
    return { ok: false, expected, actual: 0, subject: "ids", ids };
  }
  const rest = places.map((index) => events[index]!);
  const outcome = await append({ topic, events: rest, ...(under ? { under } : {}) });
  if (!outcome.ok) return outcome;
  const stored = outcome.duplicates.map(({ index, seq }) => ({ index: places[index]!, seq }));
  const keySeqs = outcome.keySeqs && events.map(() => 0);
  if (keySeqs) places.forEach((index, at) => keySeqs[index] = outcome.keySeqs![at]!);
  return {
    ...outcome,
    ...keySeqs ? { keySeqs } : {},
    duplicates: [...duplicates, ...stored].sort((a, b) => a.index - b.index),
  };
}
