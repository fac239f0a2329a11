/** What SqliteEventStore delivers of rows that were changed below it, and of files that are gone. */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { position } from "../../../../core/store/sqlite/position.ts";
import { SqliteEventStore } from "../../../../core/store/sqlite/sqlite_event_store.ts";
import { newEvent } from "../../../../testing/new_event.ts";
import { inFolder } from "../../../helpers/start.ts";

const ALL = { from: 1, to: 9, limit: 9 };

async function fill(path: string): Promise<SqliteEventStore> {
  const store = new SqliteEventStore(path);
  await store.append([{ topic: "t", events: [1, 2, 3].map(() => newEvent({ payload: '"abc"' })) }]);
  return store;
}

/** The seqs that are read, and those that are told of as lost. */
function seqs(store: SqliteEventStore): { read: number[]; lost: number[] } {
  const read = store.readPage("t", ALL).events.map(({ seq }) => seq);
  const lost = store.damage().filter((damage) => damage.lost).map(({ firstSeq }) => firstSeq);
  return { read, lost };
}

for (
  const [what, sql] of [
    ["line", `UPDATE log SET line = CAST(replace(line, 'abc', 'abd') AS BLOB)`],
    ["head", "UPDATE log SET head = head + 1"],
    ["checksum", "UPDATE log SET sum = sum + 1"],
    ["line, to a text", "UPDATE log SET line = CAST(line AS TEXT)"],
  ] as const
) {
  Deno.test(`SqliteEventStore delivers no row with another ${what}, names it, and delivers the rest`, () =>
    inFolder(async (folder) => {
      const path = `${folder}/events.db`;
      await (await fill(path)).close();
      const database = new DatabaseSync(path);
      database.exec(`${sql} WHERE pos = ${position(1, 2)}`);
      database.close();
      const store = new SqliteEventStore(path);
      assert.deepEqual(seqs(store), { read: [1, 3], lost: [2] });
      // The sum over a block vouches for a line whose other columns have changed.
      const lines = new TextDecoder().decode(store.readLines("t", ALL).bytes).split("\n");
      assert.ok(lines.slice(0, -1).every((line) => line.includes('"abc"')), lines.join("\n"));
      assert.equal(lines.length - 1, what === "line" ? 2 : 3);
      await store.close();
    }));
}

Deno.test("SqliteEventStore delivers no row in the place of another", () =>
  inFolder(async (folder) => {
    const path = `${folder}/events.db`;
    await (await fill(path)).close();
    const database = new DatabaseSync(path);
    database.exec(`DELETE FROM log WHERE pos = ${position(1, 2)}`);
    database.exec(`UPDATE log SET pos = ${position(1, 2)} WHERE pos = ${position(1, 3)}`);
    database.close();
    const store = new SqliteEventStore(path);
    assert.deepEqual(seqs(store).read, [1]);
    await store.close();
  }));

Deno.test("SqliteEventStore names an event whose number became one of no topic", () =>
  inFolder(async (folder) => {
    const path = `${folder}/events.db`;
    const whole = new SqliteEventStore(path);
    await whole.append([{ topic: "t", events: [1, 2, 3, 4, 5, 6, 7].map(() => newEvent()) }]);
    await whole.close();
    // The number of its row, as SQLite writes it: with the topic in the first byte. It is none of
    // those that SQLite compares on its way to the others.
    const number = [0x82, 0x80, 0x80, 0x80, 0x80, 0x03];
    const bytes = Deno.readFileSync(path);
    const at = bytes.findIndex((_, at) => number.every((byte, n) => bytes[at + n] === byte));
    bytes[at]! ^= 2;
    Deno.writeFileSync(path, bytes);
    const store = new SqliteEventStore(path);
    assert.deepEqual(seqs(store), { read: [1, 2, 4, 5, 6, 7], lost: [3] });
    await store.close();
  }));

Deno.test("SqliteEventStore acknowledges nothing when its file or its log was removed or replaced", () =>
  inFolder(async (folder) => {
    for (const suffix of ["", "-wal"]) {
      const path = `${folder}/events${suffix}.db`;
      const store = await fill(path);
      const append = () => store.append([{ topic: "t", events: [newEvent()] }]);
      await append();
      Deno.renameSync(`${path}${suffix}`, `${path}${suffix}.aside`);
      await assert.rejects(append(), { code: "datadir/taken-away" });
      Deno.writeTextFileSync(`${path}${suffix}`, "another");
      await assert.rejects(append(), { code: "datadir/taken-away" });
      await store.close();
    }
  }));
