/** The rows that tell when events were stored: a damaged one takes no event away before its time. */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { SqliteEventStore } from "../../../../core/store/sqlite/sqlite_event_store.ts";
import { newEvent } from "../../../../testing/new_event.ts";
import { FakeClock } from "../../../helpers/fake_clock.ts";
import { inFolder } from "../../../helpers/start.ts";

Deno.test("SqliteEventStore.seekAge takes events for new when the row that tells their age is damaged", () =>
  inFolder(async (folder) => {
    const path = `${folder}/events.db`;
    const clock = new FakeClock();
    let store = new SqliteEventStore(path, { clock });
    await store.append([{ topic: "t", events: [newEvent(), newEvent()] }]);
    await clock.pass(60_000);
    await store.append([{ topic: "t", events: [newEvent()] }]);
    assert.equal(store.seekAgeSync("t", 30_000), 3);
    await store.close();
    const database = new DatabaseSync(path);
    database.exec("UPDATE ages SET at = at - 3600000 WHERE seq = 3");
    database.close();
    store = new SqliteEventStore(path, { clock });
    await clock.pass(1000);
    assert.equal(store.seekAgeSync("t", 30_000), 3);
    await store.close();
  }));
