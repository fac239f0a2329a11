/** How deliveries are counted that ended without an answer, also over a restart. */
import assert from "node:assert/strict";
import {
  countAfter,
  countsAtStart,
  openDeliveries,
  OWN_PROCESS,
} from "../../../core/delivery/unanswered.ts";
import type { BegunRecord, RetryRecord } from "../../../core/state/state.ts";

Deno.test("countAfter counts each end that surely was one, and the first of a suspect with its second", () => {
  assert.equal(countAfter(undefined, { soon: false }), 1);
  assert.equal(countAfter(1, { soon: false }), 2);
  assert.equal(countAfter(undefined, { soon: true }), 0, "a suspect");
  assert.equal(countAfter(0, { soon: false }), 2);
  assert.equal(countAfter(3, { soon: true }), 3);
});

function begun(consumer: string, ...seqs: number[]): BegunRecord {
  const events = seqs.map((seq) => ({ topic: "t", id: ` ${seq}`, seq, attempt: 1 }));
  return { subscription: "s", consumer, events };
}

Deno.test("openDeliveries leaves out what was answered, one way or the other", () => {
  const retry = { topic: "t", id: "again", nextAttempt: 2 } as RetryRecord;
  const again = (attempt: number) => ({ topic: "t", id: "again", seq: 2, attempt });
  const record = begun("c", 1, 3, 4, 5);
  const open = openDeliveries([{ ...record, events: [...record.events, again(1), again(2)] }], {
    cursors: [{ subscription: "s", topic: "t", next: 4 }],
    done: [{ subscription: "s", topic: "t", seq: 5 }],
    retries: [retry],
  });
  assert.deepEqual(open.map(({ id, attempt }) => [id, attempt]), [[" 4", 1], ["again", 2]]);
});

Deno.test("countsAtStart counts and stores what this process had begun, beside what was counted before", () => {
  const of = { cursors: [{ subscription: "s", topic: "t", next: 1 }], done: [], retries: [] };
  const record = (seq: number, count: number) => ({
    subscription: "s",
    topic: "t",
    id: ` ${seq}`,
    seq,
    count,
  });
  const own = openDeliveries([begun(`${OWN_PROCESS}1`, 1, 2)], of);
  const { unanswered, changes } = countsAtStart("s", {
    unanswered: [record(2, 2), record(3, 1)],
    open: own,
  });
  assert.deepEqual(unanswered, [record(2, 3), record(3, 1), record(1, 1)]);
  assert.deepEqual(changes, [
    { op: "unanswered.put", record: record(1, 1) },
    { op: "unanswered.put", record: record(2, 3) },
  ]);
  const others = openDeliveries([begun("somebody:1", 1)], of);
  assert.deepEqual(countsAtStart("s", { unanswered: [], open: others }), {
    unanswered: [],
    changes: [],
  }, "of other processes it is not known yet");
});
