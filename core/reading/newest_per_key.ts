/**
 * The newest event of each key among what is stored. A first pass, from the end, finds their seqs;
 * the result reads like a store that has these events and no others, so that they can be replayed
 * by seq, or merged. Memory holds the keys of the first pass, and then a number per key.
 */
import { concat } from "../base/bytes.ts";
import { arrived, type MaybePromise, whenReady } from "../base/maybe_promise.ts";
import { InvalidArgumentError } from "../base/errors.ts";
import { toWireLine } from "../event/event.ts";
import { MOST_KEYS } from "../event/limits.ts";
import { PagesBack } from "../store/pages_back.ts";
import type { LinePage, Page, PageQuery, TopicHead } from "../store/store.ts";
import { PAGE, type Range, type Readable, select, type Selection } from "./replay.ts";

/** Kept events this close are read together. */
const NEAR = 16;

/**
 * Finds the newest selected event of each key in the ranges, which are of different topics. Events
 * without a key are left out. Throws `InvalidArgumentError` if there are too many keys.
 */
export function* newestPerKey(
  store: Readable,
  { ranges, types, filter }: Selection & { ranges: readonly Range[] },
): Generator<void | Promise<void>, Readable, undefined> {
  const kept = new Map<string, number[]>();
  let left = MOST_KEYS;
  for (const { topic, from, to } of ranges) {
    const keys = new Set<string>();
    const seqs: number[] = [];
    const pages = new PagesBack(store, topic, { from, to, limit: PAGE, types });
    for (;;) {
      const page = yield* arrived(pages.next());
      if (!page) break;
      for (const { key, seq } of select(page.filter(({ key }) => isNew(keys, key)), filter)) {
        if (!isNew(keys, key)) continue;
        if (left-- === 0) throw tooManyKeys();
        keys.add(key!);
        seqs.push(seq);
      }
      yield undefined;
    }
    kept.set(topic, seqs.reverse());
  }
  return new KeptEvents(store, kept);
}

function isNew(keys: Set<string>, key: string | undefined): boolean {
  return key !== undefined && !keys.has(key);
}

function tooManyKeys(): InvalidArgumentError {
  return new InvalidArgumentError(`there are more than ${MOST_KEYS} keys`, {
    code: "argument/too-large",
    details: { limit: MOST_KEYS },
    hint: "start later with --from, or select with --type and --where",
  });
}

/** Some events of a store. */
class KeptEvents implements Readable {
  readonly #store: Readable;
  readonly #kept: ReadonlyMap<string, readonly number[]>;

  constructor(store: Readable, kept: ReadonlyMap<string, readonly number[]>) {
    this.#store = store;
    this.#kept = kept;
  }

  head(topic: string): TopicHead {
    return this.#store.head(topic);
  }

  readPage(topic: string, { from, to, limit, types }: PageQuery): MaybePromise<Page> {
    const seqs = this.#kept.get(topic) ?? [];
    const first = firstFrom(seqs, from);
    let end = first;
    while (end < seqs.length && isNear(seqs, end, { first, to, limit })) end++;
    if (end === first) return { events: [], next: to + 1 };
    const last = seqs[end - 1]!;
    const query = { from: seqs[first]!, to: last, limit, types };
    return whenReady(this.#store.readPage(topic, query), (page) => {
      let at = first;
      const events = page.events.filter(({ seq }) => {
        while (at < end && seqs[at]! < seq) at++;
        return seqs[at] === seq;
      });
      return { events, next: page.next > last ? Math.min(seqs[end] ?? to + 1, to + 1) : page.next };
    });
  }

  readLines(topic: string, query: PageQuery): MaybePromise<LinePage> {
    return whenReady(this.readPage(topic, query), ({ events, next }) => ({
      bytes: concat(events.map(toWireLine)),
      count: events.length,
      lastSeq: events.at(-1)?.seq ?? 0,
      next,
    }));
  }
}

function isNear(
  seqs: readonly number[],
  at: number,
  { first, to, limit }: { first: number; to: number; limit: number },
): boolean {
  const seq = seqs[at]!;
  return seq <= to && seq - seqs[first]! < limit && (at === first || seq - seqs[at - 1]! <= NEAR);
}

/** The index of the first seq that is at least `from`. */
function firstFrom(seqs: readonly number[], from: number): number {
  let [low, high] = [0, seqs.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (seqs[middle]! < from) low = middle + 1;
    else high = middle;
  }
  return low;
}
