/**
 * A node that has all parts of a subscription does what a queue without parts does: the same changes
 * but for the parts that they name, in as many commits, and it reads each page once and whole. That
 * is what a lone node on PostgreSQL pays, and keeps every other state as it was.
 */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { assertSeeded } from "../../helpers/seed.ts";
import { EVERY_PART, partOf } from "../../../core/event/part.ts";
import { planSeek } from "../../../core/delivery/seek.ts";
import type { StateChange } from "../../../core/state/state.ts";
import { Bench } from "./queue_bench.ts";
import { queueStep, runStep } from "./queue_steps.ts";

const FILE = "tests/core/delivery/parts_lone_test.ts";
const PARTS = 16;

/** The changes without the parts that they name; the marks of all parts are one change. */
function withoutParts(changes: readonly StateChange[]): StateChange[] {
  const plain: StateChange[] = [];
  const last = () => plain.at(-1);
  for (const change of structuredClone(changes) as StateChange[]) {
    for (const  of of[change, "record" in change ? change.record : {}]) {
      for (const name of ["part", "parts"]) delete (of as Record<string, unknown>)[name];
    }
    const before = last();
    if (change.op === "done.put" && before?.op === "done.put") before.seqs.push(...change.seqs);
    else plain.push(change);
  }
  for (const change of plain) if (change.op === "done.put") change.seqs.sort((a, b) => a - b);
  return plain;
}

/** What the queue says of itself. */
function factsOf({ queue, leases, done }: Bench) {
  const [lane] = queue.lanes;
  return {
    cursor: queue.cursorOf(lane!),
    readNext: lane!.readNext,
    pending: queue.pending,
    scheduled: queue.scheduled,
    drained: queue.drained,
    dirty: queue.dirty,
    leased: leases.map(({ token, entry }) => [token, entry.seq]),
    done,
  };
}

Deno.test("DeliveryQueue with all parts commits what a queue without parts does", () =>
  assertSeeded(
    fc.asyncProperty(
      fc.array(queueStep, { maxLength: 80, size: "max" }),
      fc.nat(5),
      // deno-lint-ignore require-await -- the helper takes asynchronous properties
      async (steps, back) => {
        const [plain, parted] = [new Bench(), new Bench({ parts: PARTS })];
        for (const step of steps) {
          for (const bench of [plain, parted]) runStep(bench, step);
          assert.deepEqual(factsOf(parted), factsOf(plain));
          assert.deepEqual(withoutParts(parted.changes), withoutParts(plain.changes));
        }
        const to = Math.max(1, plain.log.length - back);
        for (const bench of [plain, parted]) bench.seek(to);
        assert.deepEqual(factsOf(parted), factsOf(plain));
        const seeks = [plain, parted].map(({ changes }) => withoutParts(changes));
        // Without parts an empty list of marks is there, too.
        const [one, two] = seeks.map((all) =>
          all.filter((change) => change.op !== "done.put" || change.seqs.length > 0)
        );
        assert.deepEqual(two, one);
        for (const { queue } of [plain, parted]) {
          assert.ok([...queue.lanes].every((lane) => !queue.lanes.selectionOf(lane)));
        }
        for (const change of plain.changes) {
          assert.ok(!JSON.stringify(change).includes('"part'), "nothing is said of parts");
        }
        for (const change of parted.changes) assertNamesParts(change);
      },
    ),
    { numRuns: 150, file: FILE },
  ));

/** What belongs to one event names its part, what belongs to a lane all of them. */
function assertNamesParts(change: StateChange): void {
  if (change.op === "cursor.put" || change.op === "missed.put") {
    assert.equal(change.record.parts, EVERY_PART);
  } else if (change.op === "retry.put") {
    assert.equal(change.record.part ?? 0, partOf(change.record, PARTS));
  } else if (change.op === "done.put") {
    assert.ok(change.seqs.length > 0);
  }
}

Deno.test("DeliveryQueue with all parts marks what is done above the cursor by part", () => {
  const bench = new Bench({ parts: PARTS });
  const keys = [undefined, "a", "b", "c", "d"];
  for (const key of keys) bench.publish(key);
  bench.feed(keys.length);
  bench.lease(keys.length);
  const [, ...rest] = bench.leases;
  bench.settle(rest.map(({ token }) => ({ lease: token, ack: true })));
  const marks = new Map(
    bench.changes.flatMap((change) =>
      change.op === "done.put" ? change.seqs.map((seq) => [seq, change.part ?? 0] as const) : []
    ),
  );
  const wanted = keys.map((key, i) => [i + 1, partOf({ key, seq: i + 1 }, PARTS)] as const);
  assert.deepEqual([...marks].sort(([a], [b]) => a - b), wanted.slice(1));
  assert.ok(new Set(marks.values()).size > 1, "of several parts");
});

Deno.test("planSeek of all parts puts one cursor for all", () => {
  const bench = new Bench({ parts: PARTS });
  for (const key of ["a", "b", "c"]) bench.publish(key);
  bench.feed(3);
  bench.lease(3);
  bench.settle(bench.leases.map(({ token }) => ({ lease: token, ack: false, error: "no" })));
  const { changes } = planSeek(bench.queue, [{ topic: "t", to: 1, firstSeq: 1, lastSeq: 3 }]);
  const cursors = changes.filter(({ op }) => op === "cursor.put");
  assert.deepEqual(cursors, [{
    op: "cursor.put",
    record: { subscription: "s", topic: "t", next: 4, parts: EVERY_PART },
  }]);
});
