/**
 * The program as packages have it, on PostgreSQL: the driver is in the daemon's file, with what is
 * built into the runtime, and works with a daemon's permissions. So it is in those of `evs backup` and
 * `evs restore`.
 */
import assert from "node:assert/strict";
import { writeTree } from "../../../packaging/tree.ts";
import { program } from "../../helpers/built_program.ts";
import { certificate } from "../../helpers/certificate.ts";
import { startPostgres } from "../../helpers/postgres.ts";
import { DaemonPlace } from "./daemon_place.ts";

const PASSWORD = "correct-horse/battery@staple";

Deno.test("the bundle's daemon keeps its events in PostgreSQL, by TLS and with a password", async () => {
  const { cert, key } = await certificate("DNS:localhost");
  await using server = await startPostgres({
    settings: { fsync: "off", ssl: "on" },
    files: { "server.crt": cert, "server.key": key },
    hba: ["local all all trust", "hostssl all all 127.0.0.1/32 scram-sha-256"]
      .concat("hostssl all all ::1/128 scram-sha-256"),
  });
  await server.sql(`ALTER ROLE evs PASSWORD '${PASSWORD}'`);
  await using place = await DaemonPlace.make();
  const root = `${place.folder}/program`;
  await writeTree((await program()).tree, root);
  await Deno.writeTextFile(`${place.folder}/ca.pem`, cert);
  await Deno.writeTextFile(place.config, `[postgres]\nca = "${place.folder}/ca.pem"\n`);
  const env = {
    ...place.env,
    EVS_DATA_DIR: place.dataDir,
    EVS_SOCKET: place.socket,
    EVS_POSTGRES_PASSWORD: PASSWORD,
    EVS_DENO: Deno.execPath(),
  };
  const run = async (...args: string[]) => {
    const { code, stdout, stderr } = await new Deno.Command(`${root}/bin/evs`, { args, env })
      .output();
    assert.equal(code, 0, `evs ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
    return new TextDecoder().decode(stdout);
  };
  const url = `postgres://evs@localhost:${server.port}/postgres?sslmode=verify-full`;
  await run("daemon", "start", "--store", url);
  await run("publish", "t", "n", "1");
  assert.equal(JSON.parse(await run("replay", "t")).payload, 1);
  assert.match(await run("node", "list"), /"self":true/);
  const file = `${place.folder}/backup.tar`;
  await run("backup", file);
  await run("daemon", "stop");
  const copy = url.replace("/postgres?", "/copy?");
  await server.database({ name: "copy" });
  assert.match(await run("restore", file, "--store", copy), /"events":1/);
  assert.equal((await server.sql("SELECT count(*) FROM evs.events", "copy")).trim(), "1");
});
