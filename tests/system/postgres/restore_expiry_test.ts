/**
 * Events with a time to live, in a backup of a process whose wall clock was set forward or back
 * while it ran: in a database they have as long to live as they had left.
 */
import assert from "node:assert/strict";
import { makeBackup } from "../../../core/backup/backup.ts";
import { restoreDatabase } from "../../../core/backup/postgres/restore_database.ts";
import { EventBroker } from "../../../core/broker/event_broker.ts";
import { expiryOfLine } from "../../../core/delivery/wire_event.ts";
import { PostgresState } from "../../../core/state/postgres/postgres_state.ts";
import { SqliteState } from "../../../core/state/sqlite.ts";
import { FileEventStore } from "../../../core/store/file/file_event_store.ts";
import { PostgresEventStore } from "../../../core/store/postgres/postgres_event_store.ts";
import { SqliteEventStore } from "../../../core/store/sqlite/sqlite_event_store.ts";
import { FakeClock } from "../../helpers/fake_clock.ts";
import { inFolder } from "../../helpers/start.ts";
import { emptyDatabase, endServer } from "./states.ts";

Deno.test.afterAll(endServer);

const [MINUTE, HOUR, DAY] = [60_000, 60 * 60_000, 24 * 60 * 60_000];

const STORES = {
  sqlite: (folder: string, clock: FakeClock) =>
    new SqliteEventStore(`${folder}/events.db`, { clock }),
  file: (folder: string, clock: FakeClock) => new FileEventStore(`${folder}/events`, { clock }),
};

/** A data dir with an event to be delivered and one to be retried, which both have an hour left. */
async function live(
  folder: string,
  { store, clock, jump }: { store: keyof typeof STORES; clock: FakeClock; jump: number },
): Promise<void> {
  const broker = new EventBroker({
    clock,
    eventStore: STORES[store](folder, clock),
    state: new SqliteState(`${folder}/state.db`),
  });
  await broker.subscriptions.put("s", { topic: "t" });
  for (const id of ["failed", "waits"]) {
    await broker.publish("t", "x", 1, { id, key: id, ttlMs: HOUR + 2 * MINUTE });
  }
  const { deliveries } = await broker.subscriptions.lease("s", { max: 1 }, { consumer: "c" });
  await broker.subscriptions.nack("s", [{ lease: deliveries[0]!.token, error: "no" }]);
  clock.jump(jump);
  await clock.pass(2 * MINUTE);
  await broker.close();
}

for (const store of ["sqlite", "file"] as const) {
  for (const [step, jump] of [["forward", DAY], ["back", -DAY]] as const) {
    Deno.test(`evs restore --store leaves events of ${store} their time to live when the clock was set ${step}`, () =>
      inFolder(async (folder) => {
        const dataDir = `${folder}/data`;
        await Deno.mkdir(dataDir);
        const clock = new FakeClock(Date.now());
        await live(dataDir, { store, clock, jump });
        const file = `${folder}/backup.tar`;
        const now = clock.now();
        await makeBackup({ dataDir, file, force: false, now });
        const url = await emptyDatabase();
        await restoreDatabase({ file, database: { url }, folder, force: true, now });

        const eventStore = await PostgresEventStore.open(url);
        const events = await eventStore.getEvents("t");
        assert.deepEqual(events.map(({ id, expiresAt }) => [id, expiresAt! - now]), [
          ["failed", HOUR],
          ["waits", HOUR],
        ]);
        await eventStore.close();
        const state = await PostgresState.open(url);
        const { line } = (await state.retry("s", "t", "failed"))!;
        assert.equal(expiryOfLine(line)! - now, HOUR);
        await state.close();
      }));
  }
}
