/**
 * What an application has published in its own transaction, and no node has appended yet, is in a
 * backup: the daemon that is restored from it appends it, once.
 */
import assert from "node:assert/strict";
import { EventBroker, PostgresEventStore, PostgresState } from "../../../mod.ts";
import { copyDatabaseInto } from "../../../core/backup/postgres/backup_database.ts";
import { SqliteState } from "../../../core/state/sqlite.ts";
import { SqliteEventStore } from "../../../core/store/sqlite/sqlite_event_store.ts";
import { until } from "../../helpers/evs.ts";
import { testFolder } from "../../helpers/folder.ts";
import { startPostgres } from "../../helpers/postgres.ts";
import { newEvent } from "../../../testing/new_event.ts";

Deno.test("evs backup has what waits in the outbox, and it is published once", async () => {
  await using server = await startPostgres({ settings: { fsync: "off" } });
  const url = await server.database({ name: "from" });
  const store = await PostgresEventStore.open(url);
  await store.append([{
    topic: "t",
    events: [newEvent({ id: "first", idGiven: true }), newEvent({ id: "known", idGiven: true })],
  }]);
  await store.close();
  await (await PostgresState.open(url)).close();
  // As `publishIn` writes it, where no node is there to append it; "known" is stored already.
  const row = (topic: string, id: string, key: string | null, payload: string) =>
    `('${topic}', '${id}', 'paid', ${key === null ? "NULL" : `'${key}'`}, 1, 1700000000000, '1.0',
      '{"from":"a transaction"}', '${payload}', 1)`;
  const rows = [
    row("t", "waits", "k", "1.0"),
    row("t", "waits", "k", "2"),
    row("t", "known", null, "3"),
    row("new", "waits", null, '{"n":4}'),
  ];
  await server.sql(
    `INSERT INTO evs.outbox (topic, id, type, key, slot, ts, schema_version, metadata, payload, crc)
     VALUES ${rows.join(", ")}`,
    "from",
  );
  const folder = await testFolder("test");
  await copyDatabaseInto(folder, { database: { url }, dataDir: folder, now: Date.now() });

  for (const start of ["first", "second"]) {
    const eventStore = new SqliteEventStore(`${folder}/events.db`);
    const broker = new EventBroker({
      eventStore,
      state: new SqliteState(`${folder}/state.db`),
    });
    await broker.ready;
    const read = async (topic: string) => {
      const events = await eventStore.getEvents(topic);
      return events.map(({ seq, id, key, timestamp, payload, metadata }) => ({
        ...{ seq, id, key, timestamp, payload, from: metadata["from"] },
      }));
    };
    await until(async () => (await read("new")).length === 1 && (await read("t")).length === 3);
    const from = "a transaction";
    const [, , waited] = await read("t");
    const timestamp = 1700000000000;
    assert.deepEqual(waited, { seq: 3, id: "waits", key: "k", timestamp, payload: 1, from }, start);
    const [other] = await read("new");
    assert.deepEqual([other!.seq, other!.payload], [1, { n: 4 }], start);
    await broker.close();
  }
  await Deno.remove(folder, { recursive: true });
});
