/**
 * Contract row 31: clients find the daemon whatever their environment, and a socket that was
 * removed is recreated.
 */
import assert from "node:assert/strict";
import { connect } from "../../core/client/broker/connect.ts";
import { type CommandLine, everyCommand } from "../helpers/every_command.ts";
import { evsCommand } from "../helpers/evs.ts";
import { denoDir, Place } from "../helpers/shell.ts";

/** As cron, sudo and ssh have it: a home and a path, and no runtime folder. */
function cronEnvironment(place: Place): Record<string, string> {
  return { HOME: place.env["HOME"]!, PATH: "/usr/bin:/bin", NO_COLOR: "1", DENO_DIR: denoDir() };
}

async function asCron(place: Place, command: Pick<CommandLine, "args" | "stdin">): Promise<
  { code: number; stdout: string; stderr: string }
> {
  const { program, options } = evsCommand(command.args, { stdin: command.stdin });
  const env = { ...cronEnvironment(place), EDITOR: "true" };
  const child = new Deno.Command(program, { ...options, env, clearEnv: true }).spawn();
  if (command.stdin !== undefined) {
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(command.stdin));
    await writer.close();
  }
  const { code, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

async function started(place: Place): Promise<{ pid: number; socket: string; dataDir: string }> {
  return JSON.parse(await place.run("evs daemon start 2>/dev/null"));
}

Deno.test("every command finds the daemon that a login started when cron runs it", async () => {
  await using place = await Place.make();
  const daemon = await started(place);
  assert.equal(daemon.socket, `${place.env["XDG_RUNTIME_DIR"]}/evs/evs.sock`);
  for (const payload of ["1", "2"]) {
    assert.equal((await asCron(place, { args: ["publish", "t", "n", payload] })).code, 0);
  }
  const commands = await everyCommand(`${place.folder}/file.tar`);
  // Those that end the daemon come last, in an order in which each finds one.
  const ending = ["daemon restart", "daemon stop"];
  const last = commands.filter(({ path }) => ending.includes(path)).sort((a, b) =>
    ending.indexOf(a.path) - ending.indexOf(b.path)
  );
  const asking = commands.filter(({ path, asks }) => asks && !ending.includes(path));
  for (const command of [...asking, ...last]) {
    const { code, stdout, stderr } = await asCron(place, command);
    const told = `${command.path}: ${code}: ${stdout}${stderr}`;
    // What they say of what they ask for is another thing: there may be none of it.
    assert.notEqual(code, 5, told);
    assert.doesNotMatch(stdout + stderr, /no daemon|not answer|bug in evs/, told);
    if (command.path === "daemon start") assert.equal(JSON.parse(stdout).pid, daemon.pid, told);
  }
  const { stdout } = await asCron(place, { args: ["daemon", "stop"] });
  assert.equal(JSON.parse(stdout).stopped, false, "nothing of it is left");
});

Deno.test("a login finds the daemon that cron started", async () => {
  await using place = await Place.make();
  const { stdout } = await asCron(place, { args: ["daemon", "start"] });
  const { pid, socket, dataDir } = JSON.parse(stdout);
  assert.equal(socket, `${dataDir}/evs.sock`);
  assert.equal(JSON.parse(await place.run("evs status")).pid, pid);
  assert.equal(JSON.parse(await place.run("evs daemon start 2>/dev/null")).started, false);
  assert.equal(JSON.parse(await place.run("evs daemon stop 2>/dev/null")).pid, pid);
});

const REMOVED = {
  "its file is removed": "rm $XDG_RUNTIME_DIR/evs/evs.sock",
  "its folder is removed": "rm -r $XDG_RUNTIME_DIR/evs",
  "the runtime folder is removed": "rm -r $XDG_RUNTIME_DIR",
  "somebody replaces it by a socket of nobody":
    "cd $XDG_RUNTIME_DIR/evs && rm evs.sock && perl -MSocket -e 'socket(S,PF_UNIX,SOCK_STREAM,0);bind(S,pack_sockaddr_un(shift))' evs.sock",
};

for (const [what, script] of Object.entries(REMOVED)) {
  Deno.test(`the daemon is found at a socket made anew when ${what}`, async () => {
    await using place = await Place.make();
    const { pid } = await started(place);
    await place.run(script);
    assert.match(await place.run("evs publish t n 1"), /"seq":1/);
    const { code, stdout } = await asCron(place, { args: ["status"] });
    assert.equal(code, 0);
    const status = JSON.parse(stdout);
    assert.equal(status.pid, pid);
    assert.equal((await Deno.lstat(status.socket)).mode! & 0o7777, 0o600);
    // The library finds it as the command does.
    await using broker = await connect({ socket: status.socket });
    assert.equal((await broker.publish("t", "n", 2)).seq, 2);
    assert.equal(JSON.parse(await place.run("evs daemon stop 2>/dev/null")).pid, pid);
  });
}

const IMPOSSIBLE = {
  "the folder cannot be made again": "rm -r $XDG_RUNTIME_DIR && : >$XDG_RUNTIME_DIR",
  "a file is in its place":
    "rm $XDG_RUNTIME_DIR/evs/evs.sock && echo mine >$XDG_RUNTIME_DIR/evs/evs.sock",
};

for (const [what, script] of Object.entries(IMPOSSIBLE)) {
  Deno.test(`what can be done is said, and helps, when the socket is gone and ${what}`, async () => {
    await using place = await Place.make();
    const { pid } = await started(place);
    await place.run(script);
    const { code, stderr } = await place.sh("evs publish t n 1");
    assert.equal(code, 5, stderr);
    assert.match(stderr, new RegExp(`the daemon \\(pid ${pid}\\) `));
    const mine = `${place.env["XDG_RUNTIME_DIR"]}/evs/evs.sock`;
    if (what.startsWith("a file")) {
      assert.match(stderr, /move away what is in its place: ls -l .*evs\.sock\n/);
      assert.equal(await Deno.readTextFile(mine), "mine\n");
      assert.equal(JSON.parse(await place.run("evs daemon stop 2>/dev/null")).pid, pid);
      assert.equal(await Deno.readTextFile(mine), "mine\n");
      assert.equal(JSON.parse(await place.run("evs daemon stop 2>/dev/null")).stopped, false);
      return;
    }
    assert.match(stderr, /evs daemon restart/);
    const restarted = await asCron(place, { args: ["daemon", "restart"] });
    assert.equal(restarted.code, 0, restarted.stderr);
    assert.equal(JSON.parse(restarted.stdout).previousPid, pid, restarted.stderr);
    assert.match(await place.run("evs publish t n 1"), /"seq":1/);
    await place.run("evs daemon stop 2>/dev/null");
  });
}

Deno.test("what a killed daemon left of itself misleads nobody", async () => {
  await using place = await Place.make();
  const { pid, dataDir } = await started(place);
  const left = await Deno.readTextFile(`${dataDir}/daemon.json`);
  await place.run("evs daemon stop 2>/dev/null");
  // The process of that number is somebody else's by now: no signal may reach it.
  const stranger = new Deno.Command("sleep", { args: ["3600"] }).spawn();
  await Deno.writeTextFile(`${dataDir}/daemon.json`, left.replace(`${pid}`, `${stranger.pid}`));
  assert.equal((await place.sh("evs publish t n 1")).code, 5);
  assert.equal(JSON.parse(await place.run("evs daemon stop 2>/dev/null")).stopped, false);
  assert.notEqual(JSON.parse(await place.run("evs daemon start 2>/dev/null")).pid, stranger.pid);
  Deno.kill(stranger.pid, "SIGTERM");
  assert.equal((await stranger.status).signal, "SIGTERM");
  await place.run("evs daemon stop 2>/dev/null");
});

for (
  const text of ["", "{", "[]", "null", '{"pid":"x"}', '{"pid":1,"socket":"evs.sock"}', "\0\xff"]
) {
  Deno.test(`the environment leads to the daemon when daemon.json says ${JSON.stringify(text)}`, async () => {
    await using place = await Place.make();
    const { dataDir } = await started(place);
    await Deno.writeTextFile(`${dataDir}/daemon.json`, text);
    assert.equal(await place.run("evs publish t n 1 | wc -l"), "1\n");
    await place.run("evs daemon stop 2>/dev/null");
  });
}

Deno.test("--wait waits for a daemon that is not there yet, and no longer than it says", async () => {
  await using place = await Place.make();
  const early = place.sh("evs publish t n 1 --wait 10m");
  const control = await place.sh("evs publish t n 1 --wait 300ms");
  assert.equal(control.code, 5);
  assert.match(control.stderr, /no daemon answers/);
  await started(place);
  const { code, stdout, stderr } = await early;
  assert.equal(code, 0, stderr);
  assert.match(stdout, /"seq":1/);
  const { code: wrong, stderr: words } = await place.sh("evs topic list --wait soon");
  assert.equal(wrong, 2);
  assert.match(words, /--wait/);
  await place.run("evs daemon stop 2>/dev/null");
});

Deno.test("every command that asks a daemon takes --wait", async () => {
  const { evs } = await import("../helpers/evs.ts");
  for (const { path, asks } of await everyCommand("/file.tar")) {
    if (!asks || /^daemon (start|stop|restart)$/.test(path)) continue;
    assert.match((await evs([...path.split(" "), "--help"])).stdout, /--wait DURATION/, path);
  }
});
