/**
 * Which scheduled events a topic has, and under which seq: those that may have been published before
 * are looked for, and those that were just published are counted off.
 */
import { isPromise } from "../base/maybe_promise.ts";
import { turn } from "../base/in_turns.ts";
import type { AppendOutcome, JournalStore } from "../store/store.ts";
import type { ScheduledItem } from "./due_list.ts";

/** Those of the topic's items that it got since they were accepted, and their seqs. */
export async function findPublished(
  store: Pick<JournalStore, "head" | "readPage">,
  topic: string,
  items: readonly ScheduledItem[],
): Promise<Map<ScheduledItem, number>> {
  const found = new Map<ScheduledItem, number>();
  if (items.length === 0) return found;
  const wanted = new Map(items.map((item) => [item.id, item]));
  const to = store.head(topic).lastSeq;
  let from = 1 + Math.min(...items.map(({ afterSeq }) => afterSeq));
  while (from <= to) {
    const read = store.readPage(topic, { from, to, limit: 1000 });
    const page = isPromise(read) ? await read : read;
    for (const { id, seq } of page.events) {
      const item = wanted.get(id);
      if (item !== undefined && seq > item.afterSeq) found.set(item, seq);
    }
    from = page.next;
    // A topic may be large: everything else has its turn.
    await turn();
  }
  return found;
}

/** The seqs of this many events that were published together. */
export function seqsOf(
  count: number,
  { firstSeq, duplicates }: Extract<AppendOutcome, { ok: true }>,
): number[] {
  const repeats = new Map(duplicates.map(({ index, seq }) => [index, seq]));
  let next = firstSeq;
  return Array.from({ length: count }, (_, index) => repeats.get(index) ?? next++);
}
