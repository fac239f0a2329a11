/**
 * Contract row 12: deliveries continue where an older version left them: pauses, retries, dead
 * letters, schemas.
 */
import assert from "node:assert/strict";
import { EventBroker } from "../../../core/broker/event_broker.ts";
import { SqliteState } from "../../../core/state/sqlite.ts";
import type { EventStore } from "../../../core/store/store.ts";
import { FileEventStore } from "../../../core/store/file/file_event_store.ts";
import { SqliteEventStore } from "../../../core/store/sqlite/sqlite_event_store.ts";
import { FakeClock } from "../../helpers/fake_clock.ts";
import { fixtureLines, unpackFixture } from "../../helpers/fixture.ts";
import { inFolder } from "../../helpers/start.ts";

const HOUR = 3_600_000;

const STORES: Record<string, (folder: string, clock: FakeClock) => EventStore> = {
  "format-2": (folder, clock) => new SqliteEventStore(`${folder}/events.db`, { clock }),
  "files-1": (folder, clock) => new FileEventStore(`${folder}/events`, { clock }),
};

for (const [fixture, open] of Object.entries(STORES)) {
  Deno.test(`EventBroker goes on where ${fixture} ended`, () =>
    inFolder(async (folder) => {
      await unpackFixture(fixture, folder);
      const [dead] = fixtureLines(fixture, "dead_letters.ndjson");
      // Seconds after the fixture was made.
      const clock = new FakeClock(dead.diedAt + 10_000);
      const state = new SqliteState(`${folder}/state.db`);
      const broker = new EventBroker({ clock, state, eventStore: open(folder, clock) });
      const { subscriptions, deadLetters } = broker;
      await subscriptions.ready;

      const halted = await subscriptions.info("halted");
      assert.deepEqual([halted.paused, halted.pauseReason], [true, "mail server moves"]);
      assert.equal(halted.pending, 40);

      const take = async () =>
        (await subscriptions.lease("later", { max: 100 }, { consumer: "c" })).deliveries
          .map(({ entry, attempt }) => [entry.seq, attempt]);
      // Keys 1, 2 and 3 wait for their retries; keys 4 and 0, and events without one, do not.
      assert.deepEqual(await take(), [[4, 1], [5, 1], [41, 1], [42, 1]]);
      assert.equal((await subscriptions.info("later")).scheduled, 3);
      await clock.pass(HOUR);
      const later = await take();
      assert.deepEqual(later.filter(([, attempt]) => attempt === 2), [[1, 2], [2, 2], [3, 2]]);

      const [shown] = await deadLetters.show(dead.id);
      assert.deepEqual([shown?.subscription, shown?.reason], ["mailer", "exit code 1"]);
      await assert.rejects(broker.publish("orders", "order.placed", { total: "x" }), /total/);
      const { seq } = await broker.publish("orders", "order.placed", { total: 1 });
      assert.equal(seq, 43);
      await broker.close();
    }));
}
