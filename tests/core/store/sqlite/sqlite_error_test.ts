/** What SQLite refuses, in our words. */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { CannotStoreError, DataDirError } from "../../../../core/base/errors.ts";
import { asSqliteStoreError, asUnreadable } from "../../../../core/store/sqlite/sqlite_error.ts";

Deno.test("asSqliteStoreError says that a database cannot be written to when it is read-only", async () => {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/events.db`;
  try {
    const writable = new DatabaseSync(path);
    writable.exec("CREATE TABLE t (n INTEGER)");
    writable.close();
    const database = new DatabaseSync(path, { readOnly: true });
    let refused: unknown;
    try {
      database.prepare("INSERT INTO t VALUES (1)").run();
    } catch (error) {
      refused = error;
    }
    database.close();
    const error = asSqliteStoreError(refused, { path });
    assert.ok(error instanceof CannotStoreError, String(error));
    assert.deepEqual([error.code, error.exit], ["system/refused", 7]);
    assert.ok(error.message.startsWith(`the event database ${path} cannot be written to: `));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("asUnreadable blames the machine, not the file, when reading failed", () => {
  const withCode = (errcode: number) => Object.assign(new Error("it failed"), { errcode });
  const ofMachine = [
    withCode(7), // SQLITE_NOMEM
    withCode(10 | (1 << 8)), // SQLITE_IOERR_READ
    new Error("disk I/O error"),
    new Error("Input/output error (os error 5): open '/data/events.db-wal'"),
  ];
  for (const error of ofMachine) {
    const found = asUnreadable(error, "/data/events.db");
    assert.ok(found instanceof DataDirError, error.message);
    assert.equal(found.code, "datadir/unreadable");
    assert.match(found.message, /left untouched/);
  }
  const others = [
    withCode(11), // SQLITE_CORRUPT
    withCode(26), // SQLITE_NOTADB
    withCode(10 | (19 << 8)), // SQLITE_IOERR_SHMSIZE: a full disk
    new Error("No such file or directory (os error 2)"),
  ];
  for (const error of others) assert.equal(asUnreadable(error, "/data/events.db"), undefined);
});
