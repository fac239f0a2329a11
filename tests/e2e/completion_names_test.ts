/**
 * `evs completions names`, which shells run at each Tab: quick and silent if no daemon answers, and
 * it never starts one.
 */
import assert from "node:assert/strict";
import { nameKinds } from "../../commands/completion/names.ts";
import { startDaemon } from "../helpers/daemon.ts";
import { completedNames } from "../helpers/completed_names.ts";
import { evs } from "../helpers/evs.ts";
import { heldInOneOf } from "../helpers/series.ts";
import { Place } from "../helpers/shell.ts";
import { staticGraph } from "../helpers/source.ts";

/** The result of a command, and how long it took, ms. */
async function timed(args: string[], at: { socket: string; dataDir: string }) {
  const began = performance.now();
  return { ...await evs(args, { at }), took: performance.now() - began };
}

Deno.test("completions names gives up within a second when the daemon stands still", async () => {
  await using daemon = await startDaemon();
  await evs(["publish", "orders", "order.placed", "1"], { at: daemon });
  Deno.kill(daemon.pid, "SIGSTOP");
  try {
    await heldInOneOf(async () => {
      const waits: number[] = [];
      await Promise.all(nameKinds.map(async (kind) => {
        // The machine may be busy: subtract a start that asks no daemon.
        const [{ took, ...ended }, control] = await Promise.all([
          timed(["completions", "names", kind, "", "orders"], daemon),
          timed(["completions", "names", "--help"], daemon),
        ]);
        assert.deepEqual(ended, { code: 0, stdout: "", stderr: "" }, kind);
        waits.push(took - control.took);
      }));
      // Other commands wait 3.5 s. One start may be late; half of them are not.
      const sorted = waits.toSorted((a, b) => a - b);
      const figures = `ms beyond a start: ${sorted.join(" ")}`;
      return { holds: sorted[nameKinds.length >> 1]! < 2000, figures };
    });
  } finally {
    Deno.kill(daemon.pid, "SIGCONT");
  }
});

Deno.test("completions names says nothing and starts nothing when no daemon runs", async () => {
  await using place = await Place.make();
  for (const kind of nameKinds) {
    const ended = await place.sh(`evs completions names ${kind} '' orders`);
    assert.deepEqual(ended, { code: 0, stdout: "", stderr: "" }, kind);
  }
  assert.deepEqual(place.processes(), []);
  assert.deepEqual([...Deno.readDirSync(`${place.folder}/run`)], []);
});

Deno.test("completions names says nothing when what listens ends the connection", async () => {
  await using place = await Place.make();
  const listener = Deno.listen({ transport: "unix", path: `${place.folder}/run/odd.sock` });
  const serving = (async () => {
    for await (const connection of listener) connection.close();
  })();
  const ended = await place.sh("evs completions names topics", {
    EVS_SOCKET: `${place.folder}/run/odd.sock`,
  });
  assert.deepEqual(ended, { code: 0, stdout: "", stderr: "" });
  listener.close();
  await serving;
});

Deno.test("completions names refuses a kind when there is none of that name", async () => {
  const ended = await evs(["completions", "names", "planets"]);
  assert.equal(ended.code, 2);
  assert.match(ended.stderr, /^evs: there are no names of planets\n {2}try: one of topics, /);
});

Deno.test("completions names offers a topic's newest types when there are many, none that a terminal obeys", async () => {
  await using daemon = await startDaemon();
  const lines = Array.from({ length: 300 }, (_, n) => `{"type":"type-${n}","payload":${n}}\n`);
  await evs(["publish", "orders", "--envelope"], { at: daemon, stdin: lines.join("") });
  const odd = ["next\u0085line", "bidi\u202e", "--all", "ok é ✓"];
  await evs(["publish", "orders", "--envelope"], {
    at: daemon,
    stdin: odd.map((type) => JSON.stringify({ type, payload: 1 }) + "\n").join(""),
  });
  const names = async (...query: string[]) => {
    const { code, stdout, stderr } = await evs(["completions", "names", ...query], { at: daemon });
    assert.deepEqual([code, stderr], [0, ""]);
    return stdout.split("\n").slice(0, -1);
  };
  const types = await completedNames(["types", "", "orders"], daemon);
  assert.deepEqual(types.filter((type) => !type.startsWith("type-")), ["ok é ✓"]);
  assert.ok(types.includes("type-299") && !types.includes("type-0"), types.join());
  assert.deepEqual(await names("types", "", "nosuch"), []);
  assert.deepEqual(await names("types", "", "no name", "or*"), []);
  assert.deepEqual(await completedNames(["types", "", "or*", "**"], daemon), types);
  assert.deepEqual(await completedNames(["topics"], daemon), ["orders"]);
});

Deno.test("completions names offers SUBSCRIPTION:ID when the id alone would mean two dead letters", async () => {
  await using daemon = await startDaemon();
  for (const id of ["a:1", "b"]) {
    const published = await evs(["publish", "t", "n", "1", "--id", id], { at: daemon });
    assert.equal(published.code, 0, published.stderr);
  }
  for (const [name, from] of [["one", "start"], ["two", "2"]] as const) {
    const flags = ["--name", name, "--from", from, "--max-retries", "0", "--until-empty"];
    const consumed = await evs(["consume", "t", ...flags, "--", "false"], { at: daemon });
    assert.equal(consumed.code, 6, consumed.stderr);
  }
  const ids = async (typed: string) =>
    (await completedNames(["dead-letters", typed], daemon)).sort();
  assert.deepEqual(await ids(""), ["a:1", "b", "one:b", "two:b"]);
  assert.deepEqual(await ids("one:"), ["a:1", "b", "one:a:1", "one:b", "two:b"]);
});

Deno.test("completions names loads little more than a plain publish when Tab is pressed", async () => {
  const asked = await staticGraph("commands/completion/names.ts");
  const plain = await staticGraph("cli.ts");
  assert.deepEqual(asked.others, []);
  const more = asked.ours.filter((file) => !plain.ours.includes(file));
  // It waits for a daemon that is being replaced, which a plain publish leaves to the normal path.
  assert.deepEqual(more.map((file) => file.split("/").at(-1)), [
    "names.ts",
    "clock.ts",
    "daemon_address.ts",
    "watched_socket.ts",
    "contexts.ts",
    "escape.ts",
  ]);
});
