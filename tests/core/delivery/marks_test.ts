/** Settled sequence numbers, joined into ranges and undone. */
import assert from "node:assert/strict";
import { Marks } from "../../../core/delivery/marks.ts";
import { Bench } from "./queue_bench.ts";

function lane() {
  return new Bench().queue.lanes.at("t", 0)!;
}

Deno.test("Marks settles what was added, in whatever order, once it is joined", () => {
  const one = lane();
  const marks = new Marks();
  for (const seq of [5, 6, 7, 2, 3, 9]) marks.add(one, seq);
  marks.join();
  assert.deepEqual([...one.settled.from(1)], [2, 3, 5, 6, 7, 9]);
  assert.deepEqual(marks.of(one), [5, 6, 7, 2, 3, 9]);
  assert.equal(marks.of(lane()), undefined);
});

Deno.test("Marks keeps rows of two topics apart", () => {
  const [one, two] = [lane(), lane()];
  const marks = new Marks();
  marks.add(one, 1);
  marks.add(two, 2);
  marks.add(one, 2);
  marks.join();
  assert.deepEqual([...one.settled.from(1)], [1, 2]);
  assert.deepEqual([...two.settled.from(1)], [2]);
});

Deno.test("Marks leaves nothing behind when it is undone, joined or not", () => {
  const one = lane();
  const marks = new Marks();
  for (const seq of [1, 2, 4]) marks.add(one, seq);
  const told: number[] = [];
  marks.undo((_, seq) => told.push(seq));
  marks.join();
  assert.deepEqual([...one.settled.from(1)], []);
  assert.deepEqual(told, [1, 2, 4]);
});
