/** A log in which a bit has flipped: it is repaired before SQLite drops its end, and a copy is kept. */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { repairWal } from "../../../../core/store/sqlite/salvage/repair_wal.ts";
import { readQuarantine } from "../../../../core/store/quarantine.ts";
import { flipBit } from "../../../helpers/flip.ts";
import { inFolder } from "../../../helpers/start.ts";

const NOW = Date.UTC(2026, 0, 1);
const clock = { now: () => NOW, monotonic: () => 0, setTimer: () => () => {} };

/** A database of five commits in its log, as a kill leaves it. */
async function withDatabase(work: (path: string, folder: string) => void): Promise<void> {
  await inFolder((folder) => {
    const path = `${folder}/x.db`;
    const database = new DatabaseSync(`${folder}/made.db`);
    database.exec("PRAGMA page_size = 4096; PRAGMA journal_mode = WAL; CREATE TABLE t (x)");
    database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    for (let i = 1; i <= 5; i++) database.exec(`INSERT INTO t VALUES (${i})`);
    for (const suffix of ["", "-wal"]) {
      Deno.copyFileSync(`${folder}/made.db${suffix}`, path + suffix);
    }
    database.close();
    work(path, folder);
  });
}

function rows(path: string): number {
  const database = new DatabaseSync(path);
  const { n } = database.prepare("SELECT count(*) AS n FROM t").get() as { n: number };
  database.close();
  return n;
}

/** Into the page of the second commit. */
const FLIP = { byte: 32 + 24 + 4096 + 24 + 2000, bit: 0 };

Deno.test("repairWal brings back what SQLite would have dropped, and keeps the log as it was", () =>
  withDatabase((path, folder) => {
    flipBit(`${path}-wal`, FLIP);
    const before = Deno.readFileSync(`${path}-wal`);
    Deno.copyFileSync(path, `${folder}/control.db`);
    Deno.writeFileSync(`${folder}/control.db-wal`, before);
    assert.equal(rows(`${folder}/control.db`), 1, "SQLite by itself");

    repairWal(path, { clock });
    const [entry, ...others] = readQuarantine(`${folder}/quarantine`);
    assert.deepEqual(others, []);
    assert.deepEqual([entry?.file, entry?.foundAt, entry?.accepted], ["x.db-wal", NOW, false]);
    assert.match(entry!.what, /flipped bits at byte .*SQLite would have dropped 4 of 5 frames/);
    assert.deepEqual(Deno.readFileSync(`${folder}/quarantine/${entry!.copy}`), before);
    assert.equal(rows(path), 5);
  }));

Deno.test("repairWal leaves a log alone that is whole, torn, empty or not there", () =>
  withDatabase((path, folder) => {
    const log = `${path}-wal`;
    const whole = Deno.readFileSync(log);
    for (const bytes of [whole, whole.subarray(0, whole.length - 7), new Uint8Array(0)]) {
      Deno.writeFileSync(log, bytes);
      repairWal(path, { clock });
      assert.deepEqual(Deno.readFileSync(log), bytes);
    }
    Deno.removeSync(log);
    repairWal(path, { clock });
    assert.throws(() => Deno.lstatSync(log), Deno.errors.NotFound);
    assert.throws(() => Deno.lstatSync(`${folder}/quarantine`), Deno.errors.NotFound);
  }));
