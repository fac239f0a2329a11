/**
 * What is read for a queue that has some parts of a subscription: only their events, from where each
 * of them stands, and nothing of a page that was asked for when they were others.
 */
import assert from "node:assert/strict";
import { leaveParts } from "../../../core/delivery/give_back.ts";
import { PageReader } from "../../../core/delivery/page_reader.ts";
import { DeliveryQueue } from "../../../core/delivery/queue.ts";
import { type PartMask, partOf, type PartSelection } from "../../../core/event/part.ts";
import { MemoryEventStore } from "../../../core/store/memory.ts";
import type { Page, PageQuery } from "../../../core/store/store.ts";
import { newEvent } from "../../../testing/new_event.ts";
import { HeldReads, LateStore } from "../../helpers/late_store.ts";
import { settings } from "./queue_bench.ts";

const COUNT = 4;
/** A key of each part. */
const KEYS = Array.from({ length: COUNT }, (_, part) => {
  for (let i = 0;; i++) if (partOf({ key: `k${i}`, seq: 1 }, COUNT) === part) return `k${i}`;
});

/** A store that reads the events of some parts, as PostgreSQL does, and tells what it was asked. */
class DividingStore extends LateStore {
  readonly dividesParts: boolean;
  readonly asked: (PartSelection | undefined)[] = [];

  constructor(reads: HeldReads, dividesParts: boolean) {
    super(new MemoryEventStore(), reads.wait);
    this.dividesParts = dividesParts;
  }

  override async readPage(topic: string, query: PageQuery): Promise<Page> {
    this.asked.push(query.parts);
    const { parts, ...rest } = query;
    const { events, next } = await super.readPage(topic, rest);
    if (!parts) return { events, next };
    const isIn = (event: { seq: number; key?: string }) =>
      (parts.mask & 1 << partOf(event, parts.count)) !== 0;
    return { events: events.filter(isIn), next };
  }
}

/** A queue that has some parts of `t`, with events of parts 0, 1, 2, 3, 0, 1, 2, 3. */
async function rigOf(own: PartMask, { dividesParts = true } = {}) {
  const reads = new HeldReads();
  const store = new DividingStore(reads, dividesParts);
  const events = [...KEYS, ...KEYS].map((key) => ({ ...newEvent(), key }));
  await store.append([{ topic: "t", events }]);
  const rows = { cursors: [], done: [], missed: [], retries: [] };
  const queue = new DeliveryQueue(
    { name: "s", settings, parts: COUNT, own, ...rows },
    { wall: 0, mono: 0 },
  );
  const errors: unknown[] = [];
  const reader = new PageReader({
    store,
    queue,
    skipped: () => {},
    ended: () => {},
    failed: (error) => errors.push(error),
  });
  const read = async () => {
    reader.readPage();
    if (reads.all.length > 0) reads.all.shift()!.come();
    for (let i = 0; i < 5; i++) await new Promise((resolve) => setTimeout(resolve, 0));
    assert.deepEqual(errors, []);
  };
  const seqs = () => queue.ready.bufferedOf("t").map(({ seq }) => seq);
  return { reads, store, queue, reader, read, seqs };
}

Deno.test("PageReader asks for the parts of a lane, and for all where it has them all", async () => {
  for (
    const [own, asked, seqs] of [
      [0b1111, undefined, [1, 2, 3, 4, 5, 6, 7, 8]],
      [0b0110, { count: COUNT, mask: 0b0110 }, [2, 3, 6, 7]],
    ] as const
  ) {
    const { store, queue, reader, read, seqs: buffered } = await rigOf(own);
    queue.addTopic("t", 1);
    reader.add("t");
    await read();
    assert.deepEqual([store.asked, buffered()], [[asked], seqs]);
    assert.ok(queue.ready.bufferedOf("t").every(({ key, part }) => KEYS[part] === key));
  }
});

Deno.test("PageReader leaves out other parts where the store does not", async () => {
  const { store, queue, reader, read, seqs } = await rigOf(0b1000, { dividesParts: false });
  queue.addTopic("t", 1);
  reader.add("t");
  await read();
  assert.deepEqual([store.asked, seqs()], [[undefined], [4, 8]]);
  assert.equal(queue.cursorOf(queue.lanes.at("t", 3)!), 4);
});

Deno.test("PageReader reads next for the parts that are furthest behind, up to where others are", async () => {
  const { store, queue, reader, read, seqs } = await rigOf(0b0011);
  queue.lanes.begin("t", { next: 5, parts: 0b0001, written: true });
  queue.lanes.begin("t", { next: 2, parts: 0b0010, written: true });
  reader.add("t");
  await read();
  assert.deepEqual(seqs(), [2]);
  assert.ok(queue.lanes.joinAll(), "they go on together");
  await read();
  assert.deepEqual(seqs(), [2, 5, 6]);
  assert.deepEqual(store.asked.map((parts) => parts?.mask), [0b0010, 0b0011]);
  assert.ok(!reader.canRead, "there is nothing left of either");
});

Deno.test("PageReader drops a page of parts that have changed meanwhile, and reads it again", async () => {
  const { store, queue, reader, read, seqs } = await rigOf(0b0011);
  queue.addTopic("t", 1);
  reader.add("t");
  reader.readPage();
  assert.ok(reader.busy);
  leaveParts(queue, 0b0010);
  await read();
  assert.deepEqual(seqs(), [], "the page has events of a part that is not here");
  await read();
  assert.deepEqual(seqs(), [1, 5]);
  assert.deepEqual(store.asked.at(-1), { count: COUNT, mask: 0b0001 });
});
