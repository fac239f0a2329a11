/** How the database of events is opened: what SQLite is told about syncing, and what it refuses. */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { openEventDatabase, setSynchronous } from "../../../../core/store/sqlite/event_database.ts";
import { pragma } from "../../../../core/store/sqlite/own_database.ts";
import { rowSum, typeTag } from "../../../../core/store/sqlite/row_checksum.ts";
import { openStateDatabase } from "../../../../core/state/migrations.ts";
import { SqliteEventStore } from "../../../../core/store/sqlite/sqlite_event_store.ts";
import { newEvent } from "../../../../testing/new_event.ts";
import { inFolder } from "../../../helpers/start.ts";

/** SQLite's numbers for `synchronous`. */
const [NORMAL, FULL] = [1, 2];

function journalOf(database: DatabaseSync): unknown {
  return Object.values(database.prepare("PRAGMA journal_mode").get()!)[0];
}

Deno.test("openEventDatabase has every commit synced unless another durability is asked for", () =>
  inFolder((folder) => {
    for (const [durability, mode] of [["always", FULL], ["interval:50", NORMAL], ["os", NORMAL]]) {
      const database = openEventDatabase(`${folder}/${mode}.db`, { durability } as never);
      assert.equal(pragma(database, "synchronous"), mode, String(durability));
      assert.equal(journalOf(database), "wal");
      database.close();
    }
    const database = openEventDatabase(`${folder}/default.db`);
    assert.equal(pragma(database, "synchronous"), FULL);
    setSynchronous(database, "os");
    assert.equal(pragma(database, "synchronous"), NORMAL);
    setSynchronous(database, "always");
    assert.equal(pragma(database, "synchronous"), FULL);
    database.close();
  }));

Deno.test("openStateDatabase has every commit synced, however often it is opened", () =>
  inFolder((folder) => {
    for (let round = 0; round < 2; round++) {
      const database = openStateDatabase(`${folder}/state.db`);
      assert.equal(pragma(database, "synchronous"), FULL);
      assert.equal(journalOf(database), "wal");
      database.close();
    }
  }));

Deno.test("rowSum differs when a row's place, its head, its type or any bit of its line does", () => {
  const line = new TextEncoder().encode('{"seq":1,"payload":1}\n');
  const place = { pos: 2 ** 36 + 1, head: 8, tag: typeTag("a") };
  const sum = rowSum(line, place);
  const others = [
    rowSum(line, { ...place, pos: place.pos + 1 }),
    rowSum(line, { ...place, pos: place.pos + 2 ** 36 }),
    rowSum(line, { ...place, head: 9 }),
    rowSum(line, { ...place, tag: typeTag("b") }),
  ];
  for (let bit = 0; bit < line.length * 8; bit++) {
    const changed = line.slice();
    changed[bit >> 3]! ^= 1 << (bit & 7);
    others.push(rowSum(changed, place));
  }
  assert.equal(others.indexOf(sum), -1);
  assert.equal(rowSum(line.slice(), { ...place }), sum);
});

Deno.test("SqliteEventStore syncs each commit, but for appends that are synced by their caller", () =>
  inFolder(async (folder) => {
    const store = new SqliteEventStore(`${folder}/events.db`);
    const append = () => [{ topic: "t", events: [newEvent()] }];
    const modes: number[] = [];
    const watch = watchModes((mode) => modes.push(mode));
    const modeOf = (work: () => void) => {
      modes.length = 0;
      work();
      return modes.at(-1);
    };
    try {
      assert.equal(modeOf(() => store.appendUnsynced(append())), undefined, "the first is synced");
      assert.equal(modeOf(() => store.appendUnsynced(append())), NORMAL);
      assert.equal(modeOf(() => store.appendUnsynced(append())), undefined, "and as it was");
      assert.equal(modeOf(() => store.truncateSync("t", 2)), FULL);
      store.appendUnsynced(append());
      assert.equal(modeOf(() => store.appendSync(append())), FULL);
      assert.equal(modeOf(() => store.appendSync(append(), { durability: "os" })), NORMAL);
      assert.equal(modeOf(() => store.raiseSync("t", 20)), FULL);
      store.appendUnsynced(append());
      assert.equal(modeOf(() => store.acceptDamage()), FULL);
      await store.close();
    } finally {
      watch.restore();
    }
  }));

/** Calls `told` for each change of how commits are synced. */
function watchModes(told: (mode: number) => void): { restore(): void } {
  const { exec } = DatabaseSync.prototype;
  DatabaseSync.prototype.exec = function (sql) {
    for (const [, mode] of sql.matchAll(/synchronous = (\w+)/g)) {
      told(mode === "FULL" ? FULL : NORMAL);
    }
    return exec.call(this, sql);
  };
  return { restore: () => DatabaseSync.prototype.exec = exec };
}
