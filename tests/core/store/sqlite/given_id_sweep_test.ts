/** Forgetting given ids after the dedup window, a few at a time. */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import fc from "../../../packages/fast_check.ts";
import { GivenIdSweep, looksFor } from "../../../../core/store/sqlite/given_id_sweep.ts";
import { SqliteEventStore } from "../../../../core/store/sqlite/sqlite_event_store.ts";
import { openEventDatabase } from "../../../../core/store/sqlite/event_database.ts";
import { statementsOf } from "../../../../core/store/sqlite/statements.ts";
import { FakeClock } from "../../../helpers/fake_clock.ts";
import { inFolder } from "../../../helpers/start.ts";
import { newEvent } from "../conformance.ts";

const ids = fc.uniqueArray(
  fc.record({
    topic: fc.integer({ min: 1, max: 2 }),
    id: fc.string({ minLength: 1, maxLength: 3, unit: "grapheme" }),
    seq: fc.integer({ min: 1, max: 9 }),
    receivedAt: fc.integer({ min: 1, max: 9 }),
  }),
  { maxLength: 40, selector: ({ topic, id }) => `${topic} ${id}` },
);

Deno.test("GivenIdSweep takes in one round, a few rows at a time, what may go and nothing else", () => {
  const database = openEventDatabase(":memory:");
  const prepare = statementsOf(database);
  const stored = () =>
    prepare("SELECT topic, id, seq, received_at AS receivedAt FROM given_ids ORDER BY topic, id")
      .all().map((row) => ({ ...row }));
  fc.assert(
    fc.property(ids, fc.integer({ min: 1, max: 50 }), (all, rows) => {
      prepare("DELETE FROM given_ids").run();
      for (const { topic, id, seq, receivedAt } of all) {
        prepare("INSERT INTO given_ids VALUES (?, ?, ?, ?)").run(topic, id, seq, receivedAt);
      }
      const before = stored();
      const sweep = new GivenIdSweep();
      const of = before.filter(({ topic }) => topic === 1).length;
      for (let looked = 0; looked <= of; looked += rows) {
        const left = stored().length;
        sweep.pass(prepare, { topic: 1, before: 5, receivedAt: 4 }, rows);
        assert.ok(left - stored().length <= rows, "a pass looks at no more than it was given");
      }
      const stays = ({ topic, seq, receivedAt }: Record<string, unknown>) =>
        topic !== 1 || (seq as number) >= 5 || (receivedAt as number) > 4;
      assert.deepEqual(stored(), before.filter(stays));
    }),
    { numRuns: 200 },
  );
  database.close();
});

Deno.test("SqliteEventStore looks at few given ids when it takes few events away, and finds all in the end", () =>
  inFolder(async (folder) => {
    const clock = new FakeClock();
    const path = `${folder}/events.db`;
    const store = new SqliteEventStore(path, { clock, durability: "os", dedupWindow: 1000 });
    const events = Array.from(
      { length: 5000 },
      (_, i) => newEvent({ id: `given-${i}`, idGiven: true }),
    );
    await store.append([{ topic: "t", events }]);
    assert.equal(await store.truncate("t", 4901), 4900);
    const left = () => {
      const database = new DatabaseSync(path, { readOnly: true });
      const { n } = database.prepare("SELECT count(*) AS n FROM given_ids").get() as { n: number };
      database.close();
      return n;
    };
    assert.equal(left(), 5000, "ids outlive their events");
    await clock.pass(1001);
    let passes = 0;
    for (let seq = 4902; seq <= 4911; seq++, passes++) {
      const before = left();
      await store.truncate("t", seq);
      assert.ok(before - left() <= looksFor(1), `${before}, then ${left()}`);
    }
    assert.equal(left(), 90, `after ${passes} passes`);
    await store.close();
  }));
