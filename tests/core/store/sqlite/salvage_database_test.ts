/**
 * An event database that SQLite itself cannot read: intact events are served, lost ones are
 * reported, and the old file is kept.
 */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { InternalError } from "../../../../core/base/errors.ts";
import { readQuarantine } from "../../../../core/store/quarantine.ts";
import { SqliteEventStore } from "../../../../core/store/sqlite/sqlite_event_store.ts";
import { dose } from "../../../helpers/dose.ts";
import { randomFrom } from "../../../helpers/flip.ts";
import { inFolder } from "../../../helpers/start.ts";

const PAGE = 16384;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

function event(n: number) {
  return {
    id: n % 5 === 0 ? `given-${n}` : `01a20ef5-54ef-7000-9f31-${String(n).padStart(12, "0")}`,
    idGiven: n % 5 === 0,
    type: "t",
    timestamp: n,
    schemaVersion: "1.0",
    ...(n % 3 === 0 ? { key: "k" } : {}),
    metadata: "{}",
    // Now and then one that overflows its page.
    payload: encoder.encode(JSON.stringify("x".repeat(n % 200 === 0 ? 50_000 : n % 90) + n)),
  };
}

async function makeDatabase(folder: string, { killed }: { killed: boolean }): Promise<void> {
  const store = new SqliteEventStore(`${folder}/made.db`, { durability: "os" });
  for (const topic of ["Alpha", "beta"]) {
    for (let n = 1; n <= 1200; n += 300) {
      const events = Array.from({ length: 300 }, (_, i) => event(n + i));
      await store.append([{ topic, events }]);
    }
  }
  if (!killed) await store.close();
  for (const suffix of killed ? ["", "-wal"] : [""]) {
    await Deno.copyFile(`${folder}/made.db${suffix}`, `${folder}/events.db${suffix}`);
  }
  if (killed) await store.close();
}

function spoil(path: string, at: number, length: number): void {
  const file = Deno.openSync(path, { write: true });
  file.seekSync(at, Deno.SeekMode.Start);
  file.writeSync(new Uint8Array(length).fill(0xe7));
  file.close();
}

/** Everything that is there, checked against what was published. */
function read(store: SqliteEventStore): number {
  let count = 0;
  for (const topic of store.topics()) {
    for (let from = 1; from <= 1200;) {
      const page = store.readPage(topic, { from, to: 1200, limit: 500 });
      for (const { seq, payload, id } of page.events) {
        assert.equal(decoder.decode(payload), decoder.decode(event(seq).payload));
        assert.equal(id, event(seq).id);
        count++;
      }
      from = page.next;
    }
  }
  return count;
}

for (const killed of [false, true]) {
  Deno.test(`SqliteEventStore saves every event when the first page is ruined, ${killed ? "killed" : "closed"}`, async () => {
    await inFolder(async (folder) => {
      await makeDatabase(folder, { killed });
      const path = `${folder}/events.db`;
      if (killed) {
        // The first page lies in the log, too: the file's header alone is not enough to stop
        // SQLite.
        const log = await Deno.readFile(`${path}-wal`);
        assert.ok(log.length > PAGE);
      }
      spoil(path, 0, PAGE);
      const before = await Deno.readFile(path);
      const store = new SqliteEventStore(path);
      assert.equal(read(store), 2400);
      assert.deepEqual(store.topics(), ["Alpha", "beta"]);
      assert.equal(store.find("beta", "given-100")?.seq, 100);
      const [outcome] = await store.append([{ topic: "Alpha", events: [event(1), event(5)] }]);
      assert.ok(outcome?.ok);
      assert.deepEqual([outcome.firstSeq, outcome.duplicates], [1201, [{ index: 1, seq: 5 }]]);
      await store.close();
      const entries = readQuarantine(`${folder}/quarantine`);
      if (killed && entries.length === 0) return;
      assert.match(entries[0]!.what, /2400 intact events were salvaged/);
      assert.deepEqual(await Deno.readFile(`${folder}/quarantine/${entries[0]!.copy}`), before);
    });
  });
}

/** A closed database of ten events, changed by a statement, whose first page is then ruined. */
async function ruined(folder: string, sql: string): Promise<SqliteEventStore> {
  const path = `${folder}/events.db`;
  const made = new SqliteEventStore(path);
  const events = Array.from({ length: 10 }, (_, i) => event(i + 1));
  await made.append([{ topic: "beta", events }]);
  await made.close();
  const database = new DatabaseSync(path);
  database.exec(sql);
  database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  database.close();
  spoil(path, 0, 1024);
  return new SqliteEventStore(path);
}

Deno.test("SqliteEventStore salvages no row whose checksum does not match", () =>
  inFolder(async (folder) => {
    const line = "CAST(replace(CAST(line AS TEXT), 'xxx', 'xyx') AS BLOB)";
    const store = await ruined(folder, `UPDATE log SET line = ${line} WHERE pos % 1024 = 7`);
    assert.equal(read(store), 9);
    assert.deepEqual(store.damage().map(({ firstSeq, lastSeq }) => [firstSeq, lastSeq]), [[7, 7]]);
    await store.close();
  }));

Deno.test("SqliteEventStore gives no number of a lost event again when it was salvaged", () =>
  inFolder(async (folder) => {
    const store = await ruined(folder, "DELETE FROM log WHERE pos % 1024 > 6");
    assert.equal(store.head("beta").lastSeq, 10);
    const [outcome] = await store.append([{ topic: "beta", events: [event(11)] }]);
    assert.ok(outcome?.ok && outcome.firstSeq === 11);
    await store.close();
  }));

Deno.test("SqliteEventStore hands out what is intact and nothing else when any page of its file is ruined", async () => {
  await inFolder(async (folder) => {
    await makeDatabase(folder, { killed: false });
    const made = await Deno.readFile(`${folder}/events.db`);
    const random = randomFrom(11);
    for (let round = 0; round < dose(12); round++) {
      const trial = `${folder}/${round}`;
      await Deno.mkdir(trial);
      const path = `${trial}/events.db`;
      await Deno.writeFile(path, made);
      const page = random(made.length / PAGE);
      spoil(path, page * PAGE, PAGE);
      const store = new SqliteEventStore(path, { durability: "os" });
      const count = read(store);
      assert.ok(count > 2400 - 1000, `page ${page}: ${count} events are left`);
      const known = store.damage().length + readQuarantine(`${trial}/quarantine`).length;
      if (count < 2400) {
        assert.ok(known > 0, `page ${page}: ${2400 - count} are missing in silence`);
      }
      const added = { topic: "Alpha", events: [event(1201)] };
      try {
        const [outcome] = await store.append([added]);
        assert.equal(
          outcome?.ok && outcome.firstSeq,
          1201,
          `page ${page}: no number is used twice`,
        );
      } catch (error) {
        // A page that only writes need: nothing was stored, and the next open rebuilds the file.
        if (!(error instanceof InternalError)) throw error;
        assert.match(error.message, /malformed/);
        const again = new SqliteEventStore(path, { durability: "os" });
        const [outcome] = await again.append([added]);
        assert.equal(outcome?.ok && outcome.firstSeq, 1201, `page ${page}: after the salvage`);
        assert.equal(read(again) >= count, true);
        await again.close();
      }
      await store.close();
    }
  });
});

Deno.test("SqliteEventStore says in words that it cannot read a database, and leaves it, when no event in it is intact", () =>
  inFolder(async (folder) => {
    await makeDatabase(folder, { killed: false });
    const path = `${folder}/events.db`;
    // What the first page says of the tables is still there.
    spoil(path, PAGE, Deno.statSync(path).size - PAGE);
    const before = Deno.readFileSync(path);
    assert.throws(() => new SqliteEventStore(path), { code: "datadir/damaged" });
    assert.deepEqual(Deno.readFileSync(path), before);
    assert.deepEqual(readQuarantine(`${folder}/quarantine`), []);
  }));
