/**
 * A backup in process: what is in it, in which order it was copied, what makes it worthless, and
 * what a restore refuses or takes back. End to end: tests/e2e/backup_test.ts.
 */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { makeBackup } from "../../../core/backup/backup.ts";
import { restoreBackup } from "../../../core/backup/restore.ts";
import { EventBroker } from "../../../core/broker/event_broker.ts";
import { SqliteState } from "../../../core/state/sqlite.ts";
import { FileEventStore } from "../../../core/store/file/file_event_store.ts";
import { SqliteEventStore } from "../../../core/store/sqlite/sqlite_event_store.ts";
import type { JournalStore } from "../../../core/store/store.ts";
import { flipBit } from "../../helpers/flip.ts";
import { inFolder, modeOf } from "../../helpers/start.ts";

const NOW = Date.UTC(2026, 0, 1);
const KINDS = ["sqlite", "file"] as const;

function open(dataDir: string, kind: "sqlite" | "file"): EventBroker {
  const eventStore: JournalStore = kind === "sqlite"
    ? new SqliteEventStore(`${dataDir}/events.db`)
    : new FileEventStore(`${dataDir}/events`);
  return new EventBroker({ eventStore, state: new SqliteState(`${dataDir}/state.db`) });
}

/** A data dir with three events of a topic, and a subscription. */
async function fill(dataDir: string, kind: "sqlite" | "file"): Promise<void> {
  Deno.mkdirSync(dataDir, { mode: 0o700 });
  const broker = open(dataDir, kind);
  broker.createTopic("orders").subscribe(() => {}, { name: "s" });
  for (let n = 1; n <= 3; n++) await broker.publish("orders", "placed", n);
  await broker.idle();
  await broker.close();
}

async function payloads(dataDir: string, kind: "sqlite" | "file"): Promise<unknown[]> {
  await using broker = open(dataDir, kind);
  await broker.ready;
  return (await broker.store.getEvents("orders")).map(({ payload }) => payload);
}

const backUp = (dataDir: string, file: string, force = false) =>
  makeBackup({ dataDir, file, force, now: NOW });
const restore = (file: string, dataDir: string, force = false) =>
  restoreBackup({ file, dataDir, force, now: NOW });

for (const kind of KINDS) {
  Deno.test(`makeBackup and restoreBackup bring everything back: ${kind}`, () =>
    inFolder(async (folder) => {
      await fill(`${folder}/data`, kind);
      const manifest = await backUp(`${folder}/data`, `${folder}/b.tar`);
      assert.deepEqual([manifest.topics, manifest.events, manifest.createdAt], [1, 3, NOW]);
      assert.equal(manifest.files[0]?.path, "state.db", "no cursor is ahead of the events");
      assert.equal(modeOf(`${folder}/b.tar`), "600");
      assert.equal((await restore(`${folder}/b.tar`, `${folder}/other`)).keptAt, undefined);
      assert.deepEqual(await payloads(`${folder}/other`, kind), [1, 2, 3]);
      assert.equal(modeOf(`${folder}/other`), "700");
      assert.equal(modeOf(`${folder}/other/state.db`), "600");
      const left = Array.from(Deno.readDirSync(folder), ({ name }) => name).toSorted();
      assert.deepEqual(left, ["b.tar", "data", "other"]);
    }));

  Deno.test(`restoreBackup changes nothing when any byte of a backup's content has changed: ${kind}`, () =>
    inFolder(async (folder) => {
      await fill(`${folder}/data`, kind);
      const file = `${folder}/b.tar`;
      const { files } = await backUp(`${folder}/data`, file);
      // What follows the header of its first file.
      const bytes = Deno.readFileSync(file);
      const sizeOf = (size: number) => Math.ceil(size / 512) * 512;
      const manifest = parseInt(new TextDecoder().decode(bytes.subarray(124, 135)), 8);
      const begin = 512 + sizeOf(manifest) + 512;
      for (const at of [0, files[0]!.size >> 1, files[0]!.size - 1]) {
        flipBit(file, { byte: begin + at, bit: 3 });
        await assert.rejects(restore(file, `${folder}/other`), {
          code: "datadir/damaged",
          message: /state\.db does not match its checksum/,
        });
        flipBit(file, { byte: begin + at, bit: 3 });
      }
      Deno.truncateSync(file, begin + sizeOf(files[0]!.size));
      await assert.rejects(restore(file, `${folder}/other`), { code: "datadir/damaged" });
      const left = Array.from(Deno.readDirSync(folder), ({ name }) => name).toSorted();
      assert.deepEqual(left, ["b.tar", "data"]);
    }));
}

Deno.test("restoreBackup refuses a backup that ends before the last file of its manifest", () =>
  inFolder(async (folder) => {
    await fill(`${folder}/data`, "sqlite");
    const file = `${folder}/b.tar`;
    const { files } = await backUp(`${folder}/data`, file);
    const bytes = Deno.readFileSync(file);
    const block = (size: number) => Math.ceil(size / 512) * 512;
    const manifest = parseInt(new TextDecoder().decode(bytes.subarray(124, 135)), 8);
    const first = 512 + block(manifest) + 512 + block(files[0]!.size);
    // An archive as tar ends it, of the first file only.
    Deno.writeFileSync(
      file,
      new Uint8Array([...bytes.subarray(0, first), ...new Uint8Array(1024)]),
    );
    await assert.rejects(restore(file, `${folder}/other`), { message: /events\.db is missing/ });
    assert.throws(() => Deno.lstatSync(`${folder}/other`), Deno.errors.NotFound);
  }));

Deno.test("restoreBackup replaces a data dir only with force, and keeps the one that was there", () =>
  inFolder(async (folder) => {
    await fill(`${folder}/data`, "sqlite");
    await backUp(`${folder}/data`, `${folder}/b.tar`);
    await using broker = open(`${folder}/data`, "sqlite");
    await broker.publish("orders", "placed", 4);
    await broker.close();
    await assert.rejects(restore(`${folder}/b.tar`, `${folder}/data`), {
      code: "datadir/not-empty",
    });
    assert.deepEqual(await payloads(`${folder}/data`, "sqlite"), [1, 2, 3, 4]);
    const { keptAt } = await restore(`${folder}/b.tar`, `${folder}/data`, true);
    assert.deepEqual(await payloads(`${folder}/data`, "sqlite"), [1, 2, 3]);
    assert.deepEqual(await payloads(keptAt!, "sqlite"), [1, 2, 3, 4]);
  }));

Deno.test("restoreBackup refuses a data dir that a daemon has locked, with force, too", () =>
  inFolder(async (folder) => {
    await fill(`${folder}/data`, "sqlite");
    await backUp(`${folder}/data`, `${folder}/b.tar`);
    using lock = Deno.openSync(`${folder}/data`, { read: true });
    lock.lockSync(true);
    for (const force of [false, true]) {
      await assert.rejects(restore(`${folder}/b.tar`, `${folder}/data`, force), {
        code: "datadir/locked",
      });
    }
  }));

Deno.test("restoreBackup puts the data dir back when the new one cannot take its place", () =>
  inFolder(async (folder) => {
    await fill(`${folder}/data`, "sqlite");
    await backUp(`${folder}/data`, `${folder}/b.tar`);
    const { renameSync } = Deno;
    let renames = 0;
    Deno.renameSync = (from, to) => {
      if (/\.restoring-[^/]*$/.test(String(from))) {
        renames++;
        throw new Error("planted");
      }
      renameSync(from, to);
    };
    try {
      await assert.rejects(restore(`${folder}/b.tar`, `${folder}/data`, true), /planted/);
    } finally {
      Deno.renameSync = renameSync;
    }
    assert.equal(renames, 1);
    assert.deepEqual(await payloads(`${folder}/data`, "sqlite"), [1, 2, 3]);
    const left = Array.from(Deno.readDirSync(folder), ({ name }) => name).toSorted();
    assert.deepEqual(left, ["b.tar", "data"]);
  }));

/** Runs `work`; returns the renames and syncs of folders meanwhile, in order. */
async function namesMade(
  work: () => Promise<unknown>,
  { fails }: { fails?: { code: string } } = {},
): Promise<string[]> {
  const { openSync, renameSync } = Deno;
  const calls: string[] = [];
  Deno.renameSync = (from, to) => {
    renameSync(from, to);
    calls.push(`rename ${to}`);
  };
  Deno.openSync = (path, options) => {
    const file = openSync(path, options);
    const { syncSync } = file;
    file.syncSync = () => {
      if (!file.statSync().isDirectory) return syncSync.call(file);
      calls.push(`sync ${path}`);
      if (fails) throw Object.assign(new Error("planted"), fails);
      syncSync.call(file);
    };
    return file;
  };
  try {
    await work();
  } finally {
    Object.assign(Deno, { openSync, renameSync });
  }
  return calls;
}

Deno.test("makeBackup returns only when the name of the backup would survive a power cut", () =>
  inFolder(async (folder) => {
    await fill(`${folder}/data`, "sqlite");
    const file = `${folder}/b.tar`;
    const calls = await namesMade(() => backUp(`${folder}/data`, file));
    assert.deepEqual(calls.slice(-2), [`rename ${file}`, `sync ${folder}`]);
    await assert.rejects(
      namesMade(() => backUp(`${folder}/data`, `${folder}/c.tar`), { fails: { code: "EIO" } }),
      /planted/,
    );
  }));

Deno.test("makeBackup makes one where no name of a file can be synced", () =>
  inFolder(async (folder) => {
    await fill(`${folder}/data`, "sqlite");
    const make = () => backUp(`${folder}/data`, `${folder}/b.tar`);
    const calls = await namesMade(make, { fails: { code: "EINVAL" } });
    assert.equal(calls.at(-1), `sync ${folder}`);
    await restore(`${folder}/b.tar`, `${folder}/other`);
  }));

Deno.test("makeBackup makes none of a damaged database, of nothing, or in the place of a file", () =>
  inFolder(async (folder) => {
    const file = `${folder}/b.tar`;
    Deno.mkdirSync(`${folder}/empty`);
    await assert.rejects(backUp(`${folder}/empty`, file), { code: "datadir/missing" });
    await fill(`${folder}/data`, "sqlite");
    Deno.writeTextFileSync(file, "mine");
    await assert.rejects(backUp(`${folder}/data`, file), { code: "backup/exists" });
    assert.equal(Deno.readTextFileSync(file), "mine");
    await backUp(`${folder}/data`, file, true);
    assert.ok(Deno.statSync(file).size > 10_000);

    // SQLite copies it without a word.
    const database = new DatabaseSync(`${folder}/data/state.db`);
    database.exec(
      "INSERT INTO dead_letters (subscription, topic, id, seq, type, reason, died_at, attempts, line) " +
        "VALUES ('s', 'orders', 'x', 1, 'placed', 'no', 1, '[]', CAST('{}' AS BLOB))",
    );
    database.close();
    await assert.rejects(backUp(`${folder}/data`, `${folder}/c.tar`), {
      code: "datadir/damaged",
      message: /no backup was made: state\.db: the event of the dead letter x of orders is damaged/,
    });
    const left = Array.from(Deno.readDirSync(folder), ({ name }) => name).toSorted();
    assert.deepEqual(left, ["b.tar", "data", "empty"]);
  }));
