/** Which scheduled events a topic has already, and under which seqs those that it just got are. */
import assert from "node:assert/strict";
import type { ScheduledItem } from "../../../core/broker/due_list.ts";
import { findPublished, seqsOf } from "../../../core/broker/published_before.ts";
import { MemoryEventStore } from "../../../core/store/memory.ts";
import { newEvent } from "../store/conformance.ts";

function item(id: string, afterSeq: number): ScheduledItem {
  const about = { number: 1, topic: "t", type: "x", dueAt: 0, acceptedAt: 0, stamped: false };
  return { ...about, id, afterSeq };
}

Deno.test("findPublished finds what came since an event was accepted, and no older one of its id", async () => {
  const store = new MemoryEventStore();
  const ids = ["a", "b", "c", "d"];
  await store.append([{ topic: "t", events: ids.map((id) => newEvent({ id })) }]);
  // An older `b` was there when this one was accepted; the store has forgotten its id since.
  const items = [item("a", 0), item("b", 2), item("d", 3), item("e", 0)];
  const found = await findPublished(store, "t", items);
  assert.deepEqual([...found].map(([{ id }, seq]) => [id, seq]), [["a", 1], ["d", 4]]);
  assert.equal((await findPublished(store, "t", [])).size, 0);
});

Deno.test("seqsOf counts on over what the topic had already", () => {
  const duplicates = [{ index: 1, seq: 3 }];
  const outcome = { ok: true as const, count: 2, firstSeq: 7, lastSeq: 8, duplicates };
  assert.deepEqual(seqsOf(3, outcome), [7, 3, 8]);
});
