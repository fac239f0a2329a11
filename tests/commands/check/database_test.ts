/** How commands reach the database of a data dir: by the mark in it, and the daemon's config file. */
import assert from "node:assert/strict";
import { databaseOf } from "../../../commands/check/database.ts";
import { writeDatabaseMark } from "../../../core/data_dir/database_mark.ts";
import type { Paths } from "../../../core/protocol/paths.ts";

const URL = "postgres://evs@db.example.com:5432/events";

const CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";

Deno.test("databaseOf reads what the config file names, and says what cannot be read", async () => {
  const dataDir = await Deno.makeTempDir();
  const paths: Paths = {
    dataDir,
    socket: "",
    config: `${dataDir}/config.toml`,
    chosen: "data-dir",
  };
  assert.equal(await databaseOf(paths), undefined, "it has its own files");
  writeDatabaseMark(dataDir, URL);
  const ca = `${dataDir}/ca.pem`;
  await Deno.writeTextFile(paths.config, `[postgres]\npassword = "p"\nca = "${ca}"\n`);
  await assert.rejects(databaseOf(paths), {
    code: "config/invalid",
    hint: "postgres.ca in the config file names them",
  });
  await Deno.writeTextFile(ca, CERTIFICATE);
  assert.deepEqual(await databaseOf(paths), { url: URL, password: "p", ca: CERTIFICATE });
  await Deno.remove(dataDir, { recursive: true });
});
