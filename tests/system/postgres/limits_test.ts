/**
 * Limits on dead letters that several nodes apply at the same moment, on a PostgreSQL that is really
 * there: as many stay as may, and each that went is counted once.
 */
import assert from "node:assert/strict";
import { DeadLetterLimits } from "../../../core/dead_letter/limits.ts";
import { PostgresState } from "../../../core/state/postgres/postgres_state.ts";
import type { DeadLetterRecord, TopicRecord } from "../../../core/state/state.ts";
import { emptyDatabase, endServer, giveBack } from "./states.ts";

Deno.test.afterAll(endServer);

const [ALL, KEPT, GONE_BEFORE] = [1200, 100, 40];

function deadLetter(seq: number): DeadLetterRecord {
  const about = { subscription: "s", topic: "t", id: `e${seq}`, seq, type: "x" };
  return { ...about, reason: "no", diedAt: 1, attempts: [], line: new Uint8Array([1]) };
}

Deno.test("DeadLetterLimits of several nodes count each dead letter once that they remove, and keep what may stay", async () => {
  const url = await emptyDatabase();
  const states = [await PostgresState.open(url), await PostgresState.open(url)];
  try {
    const [here] = states;
    const seqs = Array.from({ length: ALL }, (_, n) => n + 1);
    await here!.commit(seqs.map((seq) => ({ op: "dead.put", record: deadLetter(seq) })));
    const before = { subscription: "s", topic: "t", expired: 0, capped: GONE_BEFORE, lastAt: 1 };
    await here!.commit([{ op: "dead.removed", record: before }]);
    const topic = { name: "t", options: { deadMax: KEPT, deadRetention: 0 } } as TopicRecord;
    const nodes = states.map((state) =>
      new DeadLetterLimits({
        state,
        subscriptions: { has: () => false, require: () => assert.fail("nobody is held up") },
        clock: state.shared.clock,
        topics: { list: () => [topic] },
        snapshot: state.load(),
        queue: undefined,
      })
    );
    const passes = await Promise.all([...nodes, ...nodes].map((limits) => limits.pass()));
    const counted = passes.flat().reduce((sum, { capped }) => sum + capped, 0);
    assert.equal(counted, ALL - KEPT, "what each says that it has removed");
    const { records } = await here!.deadLetters({}, { limit: ALL, oldest: true });
    assert.deepEqual(records.map(({ seq }) => seq), seqs.slice(-KEPT), "the newest stay");
    for (const limits of nodes) {
      await limits.refresh();
      assert.deepEqual(
        limits.removed().map(({ expired, capped }) => [expired, capped]),
        [[0, GONE_BEFORE + ALL - KEPT]],
      );
    }
  } finally {
    for (const state of states) await state.close();
    await giveBack(url);
  }
});
