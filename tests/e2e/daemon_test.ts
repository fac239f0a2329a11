/** Starting and stopping a real daemon, and asking for its status. */
import assert from "node:assert/strict";
import { notTaken } from "../../commands/daemon/start.ts";
import { completedNames } from "../helpers/completed_names.ts";
import { evs, isAlive, RunningEvs, until } from "../helpers/evs.ts";
import { testFolder } from "../helpers/folder.ts";

async function inFolder(work: (at: { socket: string; dataDir: string }) => Promise<void>) {
  const folder = await testFolder("test");
  const at = { socket: `${folder}/evs.sock`, dataDir: `${folder}/data` };
  try {
    await work(at);
  } finally {
    await evs(["daemon", "stop"], { at });
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("daemon start returns although its output is captured, and stop waits for the end", async () => {
  await inFolder(async (at) => {
    const none = await evs(["daemon", "stop"], { at });
    assert.equal(none.code, 0);
    assert.match(none.stderr, /no daemon/);
    assert.equal((await evs(["daemon", "status"], { at })).code, 5);

    const started = await evs(["daemon", "start"], { at });
    assert.equal(started.code, 0, started.stderr);
    const { pid, socket } = JSON.parse(started.stdout);
    assert.equal(socket, at.socket);
    const again = await evs(["daemon", "start"], { at });
    assert.deepEqual([again.code, JSON.parse(again.stdout)], [
      0,
      { started: false, pid, socket, dataDir: at.dataDir },
    ]);
    assert.equal(again.stderr, `the daemon runs already (pid ${pid}) at ${socket}\n`);
    const same = ["--store", "sqlite", "--durability", "always"];
    assert.equal((await evs(["daemon", "start", ...same], { at })).stderr, again.stderr);
    const other = await evs(["daemon", "start", "--store", "file"], { at });
    assert.deepEqual([other.code, other.stderr], [
      0,
      `${again.stderr}--store file was not taken over: it runs with sqlite; evs daemon stop ends it\n`,
    ]);
    assert.equal(JSON.parse((await evs(["daemon", "status"], { at })).stdout).pid, pid);

    const logs = await evs(["daemon", "logs", "-n", "5"], { at });
    assert.match(logs.stdout, /ready/);
    const stopped = await evs(["daemon", "stop"], { at });
    assert.equal(stopped.code, 0, stopped.stderr);
    await assert.rejects(Deno.lstat(at.socket), Deno.errors.NotFound);
    // It has closed all files by now; the kernel, or a tracer, may still have the rest to do.
    await until(async () => !(await isAlive(pid)));
  });
});

Deno.test("notTaken names only what a running daemon was not started with, however it was written", () => {
  const running = { store: "file", durability: "interval:1000" } as const;
  assert.deepEqual(notTaken({}, running), []);
  assert.deepEqual(notTaken({ store: "file", durability: "interval:1s" }, running), []);
  assert.deepEqual(notTaken({ durability: "os" }, running), [
    "--durability os was not taken over: it runs with interval:1000; evs daemon stop ends it",
  ]);
  assert.throws(() => notTaken({ durability: "often" }, running), /durability is always, os or/);
});

Deno.test("daemon start says why in the daemon's own words when it cannot", async () => {
  await inFolder(async (at) => {
    await Deno.writeTextFile(at.socket, "mine");
    const started = await evs(["daemon", "start"], { at });
    assert.notEqual(started.code, 0);
    assert.match(started.stderr, /evs\.sock/);
    assert.equal(await Deno.readTextFile(at.socket), "mine");
  });
});

Deno.test("daemon run passes SIGTERM and Ctrl-C on and ends with the daemon's code", async () => {
  await inFolder(async (at) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      const running = new RunningEvs(["daemon", "run"], { at });
      await running.said(/serves/);
      await until(() => running.stdout.endsWith("\n")); // another pipe
      const { pid } = JSON.parse(running.stdout);
      running.child.kill(signal);
      assert.equal((await running.end()).code, 0, running.stderr);
      assert.equal(await isAlive(pid), false);
    }
  });
});

Deno.test("daemon logs says so when there is no log", async () => {
  await inFolder(async (at) => {
    const logs = await evs(["daemon", "logs"], { at });
    assert.equal(logs.code, 1);
    assert.match(logs.stderr, /there is no log at/);
  });
});

Deno.test("completions names asks the daemon, and is silent when there is none", async () => {
  await inFolder(async (at) => {
    const none = await evs(["completions", "names", "topics"], { at });
    assert.deepEqual(none, { code: 0, stdout: "", stderr: "" });
    await evs(["daemon", "start"], { at });
    await evs(["topic", "create", "users"], { at });
    assert.deepEqual(await completedNames(["topics"], at), ["users"]);
  });
});

Deno.test("completions bash completes from the running daemon in a real bash", async () => {
  const bin = decodeURIComponent(new URL("../../bin", import.meta.url).pathname);
  const script = `
    source <(evs completions bash)
    evs topic create users >/dev/null
    COMP_WORDS=(evs tail us); COMP_CWORD=2
    for again in 1 2 3 4 5 6 7 8 9; do _evs; test -z "\${COMPREPLY[*]}" || break; done
    echo "\${COMPREPLY[*]}"
    COMP_WORDS=(evs dlq ""); COMP_CWORD=2; _evs; echo "\${COMPREPLY[*]}"
    COMP_WORDS=(evs consume users --until); COMP_CWORD=3; _evs; echo "\${COMPREPLY[*]}"
  `;
  const ran = await evs(["with", "--", "bash", "--norc", "-c", script], {
    env: { PATH: `${bin}:${Deno.env.get("PATH")}`, EVS_DENO: Deno.execPath() },
  });
  assert.deepEqual(
    ran.stdout,
    "users\nlist groups group note dismiss resolve reopen show retry edit export import remove purge jobs\n--until-empty\n",
    ran.stderr,
  );
});
