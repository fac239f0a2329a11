/** Named contexts: every command finds the daemon of the context that is used. */
import assert from "node:assert/strict";
import { completedBy } from "../helpers/completed_names.ts";
import { startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { evs, type EvsResult } from "../helpers/evs.ts";
import { testFolder } from "../helpers/folder.ts";
import { denoDir, project } from "../helpers/shell.ts";

/** A home without anything else that says where a daemon is. */
async function withHome(
  work: (
    run: (args: string[], env?: Record<string, string>) => Promise<EvsResult>,
  ) => Promise<void>,
): Promise<void> {
  const home = await testFolder("test");
  const nothing = ["EVS_SOCKET", "EVS_DATA_DIR", "EVS_CONFIG", "EVS_CONTEXT", "EVS_SUBSCRIPTION"]
    .concat("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR").map((name) => [name, ""]);
  const base = { ...Object.fromEntries(nothing), HOME: home, DENO_DIR: denoDir() };
  try {
    await work((args, env = {}) => evs(args, { env: { ...base, ...env } }));
  } finally {
    await Deno.remove(home, { recursive: true });
  }
}

function ok({ code, stdout, stderr }: EvsResult): string {
  assert.equal(code, 0, stderr);
  return stdout;
}

const named = async (at: TestDaemon, topic: string) =>
  (await at.http("GET", `/v1/topics/${topic}`)).status === 200;

Deno.test("commands use the current context, and what is said more exactly before it", async () => {
  await using a = await startDaemon();
  await using b = await startDaemon();
  await withHome(async (run) => {
    ok(await run(["context", "set", "a", "--data-dir", a.dataDir, "--socket", a.socket]));
    ok(await run(["context", "set", "b", "--socket", b.socket]));
    const before = await run(["context", "show"]);
    assert.equal(before.code, 1);
    assert.match(before.stderr, /no context is used: none was chosen/);
    ok(await run(["context", "use", "a"]));
    const ways: [topic: string, at: TestDaemon, flags: string[], env?: Record<string, string>][] = [
      ["plain", a, []],
      ["flagged", a, ["--key", "k"]],
      ["variable", b, [], { EVS_CONTEXT: "b" }],
      ["flag", b, ["--context", "b"]],
      ["spelled", b, ["--context=b"]],
      ["before-variable", b, ["--context", "b"], { EVS_CONTEXT: "a" }],
      ["before-places", b, ["--context", "b"], { EVS_SOCKET: a.socket, EVS_DATA_DIR: a.dataDir }],
      ["socket", b, [], { EVS_SOCKET: b.socket }],
      ["socket-before", b, [], { EVS_SOCKET: b.socket, EVS_CONTEXT: "a" }],
      ["socket-flag", b, ["--socket", b.socket], { EVS_CONTEXT: "a" }],
      ["both-flags", b, ["--context", "a", "--socket", b.socket]],
    ];
    for (const [topic, at, flags, env] of ways) {
      ok(await run(["publish", topic, "n", "1", ...flags], env));
      assert.ok(await named(at, topic), `${topic} is at the right daemon`);
      assert.ok(!await named(at === a ? b : a, topic), `${topic} is at no other`);
    }
  });
});

Deno.test("status says which context is used, and handlers of consume use its daemon", async () => {
  await using a = await startDaemon();
  await withHome(async (run) => {
    ok(await run(["context", "set", "a", "--data-dir", a.dataDir, "--socket", a.socket]));
    const status = async (args: string[] = [], env = {}) =>
      JSON.parse(ok(await run(["status", ...args], env))).context;
    assert.equal(await status(["--context", "a"]), "a");
    assert.equal(await status([], { EVS_SOCKET: a.socket }), undefined);
    ok(await run(["context", "use", "a"]));
    assert.equal(await status(), "a");
    const shown = JSON.parse(ok(await run(["context", "show"])));
    assert.deepEqual([shown.name, shown.by, shown.dataDir], ["a", "evs context use", a.dataDir]);
    await a.publish("t", "n", 1);
    const handler = ["sh", "-c", 'echo "$EVS_SOCKET"'];
    const out = ok(await run(["consume", "t", "--name", "c", "--until-empty", "--", ...handler]));
    assert.equal(out, `${a.socket}\n`);
    assert.deepEqual(await completedBy(run, ["topics"]), ["t"]);
    assert.equal(ok(await run(["completions", "names", "contexts"])), "a\n");
  });
});

Deno.test("a context that is not there, or a broken file, is refused in words, and can be repaired", async () => {
  await withHome(async (run) => {
    const env = { EVS_CONTEXT: "typo" };
    for (
      const args of [["publish", "t", "n", "1"], ["publish", "t", "n", "1", "--key", "k"], [
        "status",
      ]]
    ) {
      const { code, stderr } = await run(args, env);
      assert.equal(code, 1, stderr);
      assert.match(stderr, /^evs: there is no context "typo"\n {2}try: evs context set NAME /);
    }
    for (const args of [["context", "list"], ["docs"], ["--help"], ["publish", "--help"]]) {
      ok(await run(args, env));
    }
    const set = await run(["context", "set", "a", "--socket", "s"]);
    const { socket } = JSON.parse(ok(set));
    assert.match(socket, /^\/.*\/s$/);
    for (
      const [args, code] of [
        [["use", "typo"], 1],
        [["remove", "typo"], 1],
        [["show", "typo"], 1],
        [["use"], 2],
        [["use", "a", "--none"], 2],
        [["set", "b"], 2],
        [["set", "no name", "--socket", "/s"], 2],
      ] as const
    ) {
      assert.equal((await run(["context", ...args])).code, code, args.join(" "));
    }
    ok(await run(["context", "use", "a"]));
    const removed = await run(["context", "remove", "a"]);
    assert.match(removed.stderr, /a was the current context; none is used now/);
    assert.equal(ok(await run(["context", "list"])), "");
    const own = await run(["with", "--context", "a", "--", "true"]);
    assert.equal(own.code, 2);
    const empty = await run(["status", "--context="]);
    assert.equal(empty.code, 2, empty.stderr);
  });
});

Deno.test("context set of several at the same time keeps all of them", async () => {
  await withHome(async (run) => {
    const names = ["a", "b", "c", "d", "e"];
    await Promise.all(
      names.map(async (name) => ok(await run(["context", "set", name, "--socket", "/s"]))),
    );
    const listed = ok(await run(["context", "list"])).split("\n").filter(Boolean);
    assert.deepEqual(listed.map((line) => JSON.parse(line).name), names);
  });
});

Deno.test("handlers stay with their consumer's daemon when another context becomes the current one", async () => {
  await using a = await startDaemon();
  await using b = await startDaemon();
  await withHome(async (run) => {
    for (const [name, at] of [["a", a], ["b", b]] as const) {
      ok(await run(["context", "set", name, "--data-dir", at.dataDir, "--socket", at.socket]));
    }
    const handler = `PATH="${project}/bin:$PATH"; ` +
      'evs context use b >/dev/null && evs publish nested n 1 && echo "$EVS_CONTEXT"';
    ok(await run(["context", "use", "a"]));
    ok(await run(["publish", "in", "n", "1"]));
    const said = ok(
      await run(["consume", "in", "--name", "s", "--until-empty", "--", "sh", "-c", handler]),
    );
    assert.match(said, /^a$/m);
    assert.deepEqual([await named(a, "nested"), await named(b, "nested")], [true, false]);
    const unnamed = await run(["publish", "x", "n", "1"], { EVS_CONTEXT: "none" });
    assert.equal(unnamed.code, 5, "no context, and no daemon where there is none");
    assert.equal((await run(["context", "set", "none", "--socket", "/x"])).code, 2);
  });
});

Deno.test("evs check is UNKNOWN, and evs service has a system's places, whatever the context", async () => {
  await withHome(async (run) => {
    assert.equal((await run(["check", "dlq"], { EVS_CONTEXT: "nobody" })).code, 3);
    ok(await run(["context", "set", "own", "--data-dir", "/srv/own"]));
    ok(await run(["context", "use", "own"]));
    const unit = ok(await run(["service", "print", "--system"]));
    assert.doesNotMatch(unit, /srv\/own/);
  });
});
