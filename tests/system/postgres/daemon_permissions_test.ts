/**
 * Contract row 23 of a daemon on PostgreSQL: beside what every daemon may, its flags let it reach one
 * address and read one variable, and no daemon without a database has any of that.
 */
import assert from "node:assert/strict";
import { addressOf, readTarget } from "../../../core/postgres/url.ts";
import { permissionFlags } from "../../../core/client/launch.ts";
import { startPostgres } from "../../helpers/postgres.ts";
import { DaemonPlace } from "./daemon_place.ts";

/** What such a daemon may and may not, as code that tries it. */
const PROBE = `
  const [port, dataDir] = Deno.args;
  const hostname = "127.0.0.1";
  const tries = {
    database: async () => (await Deno.connect({ hostname, port: Number(port) })).close(),
    otherPort: () => Deno.connect({ hostname, port: 9 }),
    otherHost: () => Deno.connect({ hostname: "127.0.0.2", port: Number(port) }),
    listen: () => Deno.listen({ hostname, port: 0 }).close(),
    run: () => new Deno.Command("true").outputSync(),
    readOutside: () => Deno.readTextFileSync("/etc/passwd"),
    password: () => Deno.env.get("EVS_POSTGRES_PASSWORD") === "secret" || nothing(),
    home: () => Deno.env.get("HOME") ?? nothing(),
    writeOwn: () => Deno.writeTextFileSync(dataDir + "/probe", ""),
  };
  function nothing() { throw Object.assign(new Error(), { name: "nothing" }); }
  for (const [name, attempt] of Object.entries(tries)) {
    try {
      await attempt();
      console.log(name, "allowed");
    } catch (error) {
      console.log(name, error.name);
    }
  }
`;

Deno.test("a daemon on PostgreSQL reaches its database and nothing else", async () => {
  await using server = await startPostgres({ settings: { fsync: "off" } });
  await using place = await DaemonPlace.make({ EVS_POSTGRES_PASSWORD: "secret" });
  await place.ok(["daemon", "start", "--store", server.url]);
  const [status] = await place.json(["daemon", "status", "--json"]);
  const database = addressOf(readTarget(server.url));
  const expected = permissionFlags({ ...place, database });
  const cmdline = (await Deno.readTextFile(`/proc/${status.pid}/cmdline`)).split("\0");
  const flags = cmdline.slice(0, cmdline.findIndex((word) => word.endsWith("daemon/main.ts")))
    .filter((word) => /^(-[A-Z]|--allow|--deny|--ignore|--no-prompt)/.test(word));
  assert.deepEqual(flags, expected);
  // The variable was given up by the time that it serves.
  assert.deepEqual(status.permissions, expected.filter((flag) => !/prompt|env/.test(flag)));
  assert.ok(flags.includes(`--allow-net=unix:${place.socket},127.0.0.1:${server.port}`));

  const probe = `${place.dataDir}/probe.ts`;
  await Deno.writeTextFile(probe, PROBE);
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", ...flags, probe, String(server.port), place.dataDir],
    env: { EVS_POSTGRES_PASSWORD: "secret", HOME: place.folder },
    stdin: "null",
  }).output();
  assert.deepEqual(new TextDecoder().decode(stdout).trim().split("\n"), [
    "database allowed",
    "otherPort NotCapable",
    "otherHost NotCapable",
    "listen NotCapable",
    "run NotCapable",
    "readOutside NotCapable",
    "password allowed",
    "home nothing",
    "writeOwn allowed",
  ], new TextDecoder().decode(stderr));
});

Deno.test("a daemon whose store is none of a database has no such permission, whatever the environment says", async () => {
  await using place = await DaemonPlace.make({ EVS_POSTGRES_PASSWORD: "secret", PGPASSFILE: "/p" });
  await Deno.writeTextFile(place.config, '[postgres]\nca = "/etc/ssl/ca.pem"\n');
  await place.ok(["daemon", "start"]);
  const [status] = await place.json(["daemon", "status", "--json"]);
  assert.deepEqual(status.permissions, permissionFlags(place).slice(1));
});
