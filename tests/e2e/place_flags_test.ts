/** `--socket`, `--data-dir` and `--config` of every command, in place of the environment. */
import assert from "node:assert/strict";
import type { CommandRoute } from "../../commands/cli/define.ts";
import { entriesOf, inputsOf, isGroup } from "../../commands/cli/help_page.ts";
import { verbs } from "../../commands/mod.ts";
import { startDaemon } from "../helpers/daemon.ts";
import { evs } from "../helpers/evs.ts";

Deno.test("--socket and --data-dir find a daemon other than the environment's", async () => {
  await using here = await startDaemon();
  await using other = await startDaemon();
  const ways = [
    ["--socket", other.socket],
    [`--socket=${other.socket}`],
    ["--data-dir", other.dataDir],
    [`--data-dir=${other.dataDir}`, "--json"],
    // As all flags of two words can be spelled.
    ["--dataDir", other.dataDir],
    [`--dataDir=${other.dataDir}`],
    ["--data-dir", here.dataDir, "--socket", other.socket],
  ];
  for (const flags of ways) {
    const { code, stderr } = await evs(["publish", "t", "x", "1", ...flags], { at: here });
    assert.equal(code, 0, stderr);
  }
  assert.equal((await other.replay("t")).length, ways.length);
  assert.equal((await here.http("GET", "/v1/topics/t")).status, 404);
  const folder = await evs(["topic", "list", "--data-dir", "data"], {
    at: here,
    cwd: other.dataDir.slice(0, -"/data".length),
  });
  assert.match(folder.stdout, /"name":"t"/, folder.stderr);
});

Deno.test("a handler of consume --data-dir publishes to the same daemon", async () => {
  await using here = await startDaemon();
  await using other = await startDaemon();
  await evs(["publish", "t", "x", "1", "--socket", other.socket], { at: here });
  const { code, stdout, stderr } = await evs(
    ["consume", "t", "--name", "n", "--until-empty", "--data-dir", other.dataDir, "--"].concat(
      ["sh", "-c", 'echo "$EVS_DATA_DIR ${EVS_SOCKET-none}"', "--socket", "of the command"],
    ),
    { at: here },
  );
  assert.equal(code, 0, stderr);
  assert.equal(stdout, `${other.dataDir} none\n`);
});

Deno.test("daemon start takes the places from its flags", async () => {
  await using here = await startDaemon();
  const data = `${here.folder}/second`;
  const config = `${here.folder}/second.toml`;
  await Deno.writeTextFile(config, "max_event_bytes = 2000\n");
  const places = ["--data-dir", data, "--socket", `${data}.sock`];
  const started = await evs(["daemon", "start", ...places, "--config", config], { at: here });
  assert.equal(started.code, 0, started.stderr);
  try {
    assert.equal(JSON.parse(started.stdout).socket, `${data}.sock`);
    const large = JSON.stringify("x".repeat(3000));
    const refused = await evs(["publish", "t", "x", large, "--data-dir", data], { at: here });
    assert.equal(refused.code, 4);
    assert.match(refused.stderr, /the limit is 2000/);
  } finally {
    const stopped = await evs(["daemon", "stop", ...places], { at: here });
    assert.equal(stopped.code, 0, stopped.stderr);
  }
  assert.equal((await here.http("GET", "/v1/health")).status, 200);
});

Deno.test("an empty place is refused, and so is any for the private daemon of with", async () => {
  for (const flag of ["--socket", "--data-dir", "--config"]) {
    const empty = await evs(["status", `${flag}=`]);
    assert.equal(empty.code, 2);
    assert.match(empty.stderr, new RegExp(`^evs: ${flag} cannot be "": a path is needed\n`));
    const none = await evs(["status", flag]);
    assert.equal(none.code, 2);
    assert.match(none.stderr, new RegExp(`^evs: ${flag} needs a value\n`));
    const own = await evs(["with", flag, "/dev/null", "--", "true"]);
    assert.equal(own.code, 2);
    assert.match(own.stderr, /do not go with evs with: its daemon has places of its own/);
  }
});

Deno.test("a config file that is named and not there is refused, and nothing starts", async () => {
  await using here = await startDaemon();
  const data = `${here.folder}/second`;
  const typo = ["daemon", "start", "--data-dir", data, "--config", `${here.folder}/typo.toml`];
  const { code, stderr } = await evs(typo, { at: here });
  assert.equal(code, 2);
  assert.match(stderr, /^evs: --config cannot be ".*typo\.toml": there is no such file\n/);
  await assert.rejects(Deno.lstat(data), Deno.errors.NotFound);
});

Deno.test("every command has the flags for places", async () => {
  let commands = 0;
  const visit = (route: CommandRoute): void => {
    if (isGroup(route)) return entriesOf(route).forEach((entry) => visit(entry.route));
    commands++;
    const { common } = inputsOf(route);
    for (const words of ["--socket FILE", "--data-dir FOLDER", "--config FILE"]) {
      assert.ok(common.includes(words), `${route.brief}: ${words}`);
    }
    const flags = route.parameters.flags as Record<string, unknown> | undefined;
    for (const name of ["socket", "dataDir", "config"]) assert.ok(flags?.[name], route.brief);
  };
  for (const { load } of verbs.values()) visit((await load()).route);
  assert.ok(commands > 45);
});
