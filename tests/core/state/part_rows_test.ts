/**
 * Shows what a subscription has of some parts: where each of them stands, and only what is theirs.
 * That a state keeps it so is shown on a server (tests/system/postgres/state_answers_test.ts).
 */
import assert from "node:assert/strict";
import { EVERY_PART, maskOf } from "../../../core/event/part.ts";
import { MemoryState } from "../../../core/state/memory.ts";
import { type QueueRows, rowsOfParts } from "../../../core/state/part_rows.ts";
import type { PartMask } from "../../../core/event/part.ts";
import type { StateChange } from "../../../core/state/state.ts";

const of = { subscription: "s", topic: "t" };

const cursor = (next: number, parts?: PartMask, topic = "t"): StateChange => ({
  op: "cursor.put",
  record: { subscription: "s", topic, next, ...(parts === undefined ? {} : { parts }) },
});
const done = (part: number, ...seqs: number[]): StateChange => ({
  op: "done.put",
  ...of,
  part,
  seqs,
});

async function rowsAfter(changes: StateChange[], ...parts: number[]): Promise<QueueRows> {
  const state = new MemoryState();
  await state.commit(changes);
  return rowsOfParts(state.load(), { subscription: "s", parts });
}

/** `TOPIC:NEXT:MASK` of each position. */
async function positions(changes: StateChange[], ...parts: number[]): Promise<string[]> {
  const { cursors } = await rowsAfter(changes, ...parts);
  return cursors.map(({ topic, next, parts }) => `${topic}:${next}:${parts}`).sort();
}

Deno.test("rowsOfParts takes a part's own position, and that of every part for the others", async () => {
  const changes = [cursor(5, EVERY_PART), cursor(9, maskOf([1, 3])), cursor(2, EVERY_PART, "u")];
  assert.deepEqual(await positions(changes, 1), ["t:9:2", "u:2:2"]);
  assert.deepEqual(await positions(changes, 2), ["t:5:4", "u:2:4"]);
  assert.deepEqual(await positions(changes, 0, 1, 2, 3), ["t:5:5", "t:9:10", "u:2:15"]);
});

Deno.test("rowsOfParts has no position of a topic that nothing was ever stored of", async () => {
  assert.deepEqual(await positions([cursor(9, maskOf([1]))], 0, 2), []);
});

Deno.test("a position of every part replaces those of single parts", async () => {
  const changes = [cursor(9, maskOf([0, 1])), cursor(4), cursor(12, EVERY_PART)];
  assert.deepEqual(await positions(changes, 0, 1, 2), ["t:12:7"]);
});

Deno.test("a position removes the marks below it of its parts, one of every part those of all", async () => {
  const marks = [done(0, 5, 9), done(1, 6, 9)];
  const seqs = async (...changes: StateChange[]) =>
    (await rowsAfter([...marks, ...changes], 0, 1)).done.map(({ part = 0, seq }) =>
      `${part}:${seq}`
    );
  assert.deepEqual(await seqs(cursor(8, maskOf([1]))), ["0:5", "0:9", "1:9"]);
  assert.deepEqual(await seqs(cursor(8, EVERY_PART)), ["0:9", "1:9"]);
});

Deno.test("a count of some parts replaces what was counted of each of them", async () => {
  const missed = (count: number, parts: PartMask): StateChange => ({
    op: "missed.put",
    record: { ...of, from: 1, to: count, count, parts },
  });
  const changes = [missed(3, maskOf([1])), missed(4, maskOf([2])), missed(9, maskOf([1, 2]))];
  const counts = async (...parts: number[]) =>
    (await rowsAfter(changes, ...parts)).missed.map(({ count }) => count);
  assert.deepEqual(await counts(0, 1, 2), [9]);
  assert.deepEqual(await counts(2), [], "it went along with part 1");
});

Deno.test("rowsOfParts leaves out what is of other parts, but for what handlers had begun", async () => {
  const retry = (id: string, part: number, subscription = "s"): StateChange => ({
    op: "retry.put",
    record: {
      ...of,
      subscription,
      id,
      seq: 1,
      type: "x",
      dueAt: 1,
      waitMs: 1,
      nextAttempt: 2,
      failures: 1,
      attempts: [],
      line: new Uint8Array(),
      part,
    },
  });
  const begun = (consumer: string, ...parts: number[]): StateChange => ({
    op: "begun.put",
    record: {
      subscription: "s",
      consumer,
      events: parts.map((part) => ({ topic: "t", id: ` ${part}`, seq: part, attempt: 1, part })),
    },
  });
  const changes = [
    retry("a", 0),
    retry("b", 1),
    retry("c", 1, "r"),
    begun("x", 0, 1),
    begun("y", 0),
  ];
  const rows = await rowsAfter(changes, 1);
  assert.deepEqual(rows.retries.map(({ id }) => id), ["b"]);
  assert.deepEqual(rows.begun.map(({ consumer, events }) => [consumer, events.length]), [["x", 2], [
    "y",
    1,
  ]]);
});
