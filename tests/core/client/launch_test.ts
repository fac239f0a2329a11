/**
 * Contract rows 22 and 23: what a daemon is started with, word for word, so that nobody adds a
 * permission by the way. tests/system/permissions_test.ts shows what these flags leave it.
 */
import assert from "node:assert/strict";
import { daemonCommand, permissionFlags } from "../../../core/client/launch.ts";
import { programFolder } from "../../../core/base/program.ts";

const places = { dataDir: "/d/data", socket: "/r/run/evs.sock", config: "/c/config.toml" };

Deno.test("permissionFlags has the socket, the data dir, the config and the program, and nothing else", () => {
  assert.deepEqual(permissionFlags(places), [
    "--no-prompt",
    "--allow-net=unix:/r/run/evs.sock",
    `--allow-read=/d/data,/r/run,/c/config.toml,${programFolder()}`,
    "--allow-write=/d/data,/r/run",
    "--allow-sys=uid,statfs",
  ]);
});

Deno.test("permissionFlags adds the folder of a spool that the config names, and refuses commas", () => {
  const flags = permissionFlags({ ...places, spoolFolder: "/s/spool" });
  assert.deepEqual(flags.slice(2, 4), [
    `--allow-read=/d/data,/r/run,/c/config.toml,${programFolder()},/s/spool`,
    "--allow-write=/d/data,/r/run,/s/spool",
  ]);
  for (const name of ["dataDir", "socket", "config", "spoolFolder"]) {
    assert.throws(() => permissionFlags({ ...places, [name]: "/a,/etc/evs" }), {
      code: "argument/unusable-path",
    }, name);
  }
});

Deno.test("permissionFlags adds the address of a database, its files and one variable, and only with a database", () => {
  const database = { net: "db.example.com:5432", passfile: "/p/pass", ca: "/p/ca.pem" };
  assert.deepEqual(permissionFlags({ ...places, database }), [
    "--no-prompt",
    "--allow-net=unix:/r/run/evs.sock,db.example.com:5432",
    `--allow-read=/d/data,/r/run,/c/config.toml,${programFolder()},/p/pass,/p/ca.pem`,
    "--allow-write=/d/data,/r/run",
    "--allow-sys=uid,statfs",
    "--allow-env=EVS_POSTGRES_PASSWORD",
    "--ignore-env",
  ]);
  const socket = "/run/postgresql/.s.PGSQL.5432";
  const flags = permissionFlags({ ...places, database: { net: `unix:${socket}`, socket } });
  assert.equal(flags[1], `--allow-net=unix:/r/run/evs.sock,unix:${socket}`);
  assert.ok(flags[2]!.endsWith(`,${socket}`) && flags[3]!.endsWith(`,${socket}`), flags.join(" "));
  assert.ok(permissionFlags(places).every((flag) => !/env|db\./.test(flag)));
  assert.throws(() => permissionFlags({ ...places, database: { net: "h:1,example.com:2" } }), {
    code: "argument/unusable-path",
  });
});

Deno.test("daemonCommand asks nobody for a newer version, and sends no telemetry", () => {
  const { args, env } = daemonCommand(places);
  assert.deepEqual(env, { DENO_NO_UPDATE_CHECK: "1", OTEL_DENO: "false" });
  assert.equal(args[0], "run");
  const allowed = args.filter((word) => /^(-A$|--allow|--unstable|--location|--env)/.test(word));
  assert.deepEqual(allowed, permissionFlags(places).slice(1));
  assert.ok(args.includes("--no-prompt"));
  assert.ok(args.includes("--frozen") || args.includes("--no-lock"), "nothing is downloaded");
});
