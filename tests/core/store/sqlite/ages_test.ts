/**
 * The rows that tell when events were stored: a damaged one takes no event away before its time, nor
 * does a step of the clock that was first seen by a transaction that failed.
 */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { SqliteAges } from "../../../../core/store/sqlite/ages.ts";
import { openEventDatabase } from "../../../../core/store/sqlite/event_database.ts";
import { SqliteEventStore } from "../../../../core/store/sqlite/sqlite_event_store.ts";
import { statementsOf } from "../../../../core/store/sqlite/statements.ts";
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

Deno.test("SqliteEventStore.seekAge knows of a step of the clock after a restart when it failed as it saw it", () =>
  inFolder(async (folder) => {
    const path = `${folder}/events.db`;
    const clock = new FakeClock();
    const first = new SqliteEventStore(path, { clock });
    await first.append([{ topic: "t", events: [newEvent({ timestamp: clock.now() })] }]);
    await first.close();
    using database = new DatabaseSync(path);
    // It is estimated anew then, which fails.
    database.exec("DELETE FROM ages");
    database.exec("CREATE TRIGGER no BEFORE INSERT ON ages BEGIN SELECT RAISE(ABORT, 'no'); END");
    const failing = new SqliteEventStore(path, { clock });
    clock.jump(1000 * 3_600_000);
    assert.throws(() => failing.seekAgeSync("t", 3_600_000), /no/);
    database.exec("DROP TRIGGER no");
    assert.equal(failing.seekAgeSync("t", 3_600_000), 1);
    await failing.close();
    const last = new SqliteEventStore(path, { clock });
    assert.equal(last.seekAgeSync("t", 3_600_000), 1, "it is not old");
    await last.close();
  }));

Deno.test("SqliteAges.now writes a step of the clock down in no transaction, but when it is over", () =>
  inFolder((folder) => {
    const clock = new FakeClock();
    using database = openEventDatabase(`${folder}/events.db`, {});
    const prepare = statementsOf(database);
    const isInTransaction = () => database.isTransaction;
    const ages = new SqliteAges(prepare, { clock, isInTransaction });
    const written = () => prepare("SELECT skew FROM age_clock").all().length;
    database.exec("BEGIN");
    clock.jump(3_600_000);
    const now = ages.now();
    assert.equal(written(), 0);
    database.exec("ROLLBACK");
    assert.equal(ages.now(), now);
    assert.equal(written(), 1);
    return Promise.resolve();
  }));
