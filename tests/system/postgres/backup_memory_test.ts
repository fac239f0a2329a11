/**
 * A backup of a database and a restore into one need no more memory for many events than for few:
 * both are read and written a page at a time.
 */
import assert from "node:assert/strict";
import { testFolder } from "../../helpers/folder.ts";
import { startPostgres } from "../../helpers/postgres.ts";
import { PostgresEventStore, PostgresState } from "../../../mod.ts";
import { newEvent } from "../../../testing/new_event.ts";

/** Each of some 4 KiB, so that all of them are more than a process may grow by. */
const [FEW, MANY] = [1000, 40_000];
const PAYLOAD = JSON.stringify("x".repeat(4000));

const project = new URL("../../..", import.meta.url).pathname;
/** Copies a database into another one by way of a file, and says how much memory that took, KiB. */
const SCRIPT = `
  import { makeBackup } from "${project}core/backup/backup.ts";
  import { copyDatabaseInto } from "${project}core/backup/postgres/backup_database.ts";
  import { restoreDatabase } from "${project}core/backup/postgres/restore_database.ts";
  const [from, to, folder] = Deno.args;
  const [file, now] = [folder + "/backup.tar", Date.now()];
  const copy = (staging) =>
    copyDatabaseInto(staging, { database: { url: from }, dataDir: folder, now });
  const peak = () => {
    const [, kib] = /^VmHWM:\\s+(\\d+) kB/m.exec(Deno.readTextFileSync("/proc/self/status"));
    return Number(kib);
  };
  await makeBackup({ dataDir: folder, file, force: true, now, copy });
  const backup = peak();
  await restoreDatabase({ file, database: { url: to }, folder, force: false, now });
  console.log(JSON.stringify({ backup, restore: peak() }));
`;

Deno.test("evs backup and evs restore --store need no more memory for many events than for few", async () => {
  await using server = await startPostgres({ settings: { fsync: "off" } });
  const folder = await testFolder("test");
  const peaks = async (count: number) => {
    const [from, to] = [await server.database(), await server.database()];
    const store = await PostgresEventStore.open(from);
    for (let at = 0; at < count; at += 1000) {
      const events = Array.from({ length: 1000 }, () => newEvent({ payload: PAYLOAD }));
      await store.append([{ topic: "t", events }]);
    }
    await store.close();
    await (await PostgresState.open(from)).close();
    const script = `${folder}/copy.ts`;
    await Deno.writeTextFile(script, SCRIPT);
    const flags = ["run", "-A", "--quiet", "--no-check", `--lock=${project}tests/deno.lock`];
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      // Nothing is to be collected late: what is held is what is needed.
      args: [...flags, "--frozen", `--config=${project}deno.json`, script, from, to, folder],
      env: { DENO_V8_FLAGS: "--max-old-space-size=64" },
    }).output();
    const decoder = new TextDecoder();
    assert.equal(code, 0, decoder.decode(stderr));
    return JSON.parse(decoder.decode(stdout)) as { backup: number; restore: number };
  };
  const [few, many] = [await peaks(FEW), await peaks(MANY)];
  const told = JSON.stringify({ few, many });
  const all = MANY * PAYLOAD.length / 1024;
  for (const act of ["backup", "restore"] as const) {
    assert.ok(many[act] - few[act] < all / 2, `${act}: ${told} for ${all} KiB of events`);
  }
  await Deno.remove(folder, { recursive: true });
});
