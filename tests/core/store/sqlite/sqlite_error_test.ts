/** What SQLite refuses, in our words. */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { CannotStoreError } from "../../../../core/base/errors.ts";
import { asSqliteStoreError } from "../../../../core/store/sqlite/sqlite_error.ts";

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
