/** Inserting many rows with one statement, all or none. */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { SqliteEventStore } from "../../../../core/store/sqlite/sqlite_event_store.ts";
import { position } from "../../../../core/store/sqlite/position.ts";
import { inFolder } from "../../../helpers/start.ts";
import { newEvent } from "../conformance.ts";

/** More rows than one statement takes, on both sides of the one that is in the way. */
const EVENTS = 200;
const IN_THE_WAY = 110;

Deno.test("SqliteEventStore stores nothing of an append when one of its rows is in the way, and goes on when it is gone", async () => {
  await inFolder(async (folder) => {
    const path = `${folder}/events.db`;
    const store = new SqliteEventStore(path);
    await store.append([{ topic: "t", events: [newEvent(), newEvent()] }]);
    const pos = position(1, IN_THE_WAY);
    const somebody = new DatabaseSync(path);
    somebody.exec(`INSERT INTO log SELECT ${pos}, type, key, head, sum, line FROM log LIMIT 1`);
    const events = Array.from({ length: EVENTS }, () => newEvent());
    const requests = [{ topic: "new", events: [newEvent()] }, { topic: "t", events }];
    await assert.rejects(store.append(requests), /UNIQUE constraint failed: log\.pos/);
    assert.equal(store.head("t").lastSeq, 2);
    assert.deepEqual(store.topics(), ["t"]);
    const rows = () => somebody.prepare("SELECT count(*) AS n FROM log").get()!["n"];
    assert.equal(rows(), 3);
    somebody.exec(`DELETE FROM log WHERE pos = ${pos}`);
    const outcomes = await store.append(requests);
    assert.deepEqual(outcomes.map((outcome) => outcome.ok && outcome.lastSeq), [1, EVENTS + 2]);
    assert.equal(rows(), EVENTS + 3);
    somebody.close();
    await store.close();
  });
});
