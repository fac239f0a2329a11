/**
 * A reader that goes away (`evs consume … -- cat | head -1`) costs no attempt, creates no dead
 * letter, and is not an error.
 */
import assert from "node:assert/strict";
import { startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { evs, evsCommand } from "../helpers/evs.ts";

/**
 * Reads a line, closes its end of the pipe, and then says so: what is written after that meets a
 * closed pipe.
 */
const READER = `head -n 1; exec <&-; : >"$GONE"`;
const WAIT = `until [ -e "$GONE" ]; do sleep 0.01; done`;
/** Passes the first event on at once, the others when the reader has gone. */
const EACH = `[ "$EVS_SEQ" = 1 ] || ${WAIT}; exec cat`;

/** Runs `evs consume` in a shell's pipe before the reader; its exit code and what it said. */
async function consumeInto(
  reader: string,
  of: { at: TestDaemon; handler: string; flags?: readonly string[]; redirect?: string },
): Promise<{ code: string; stdout: string; stderr: string }> {
  const { at, handler, flags = [], redirect = "" } = of;
  const { program, options } = evsCommand(
    ["consume", "t", "--name", "s", "--max-retries", "0", ...flags, "--", "sh", "-c", handler],
    { at, env: { GONE: `${at.folder}/gone`, CODE: `${at.folder}/code` } },
  );
  const script =
    `{ { code=0; "$@" ${redirect} || code=$?; echo "$code" >"$CODE"; } | { ${reader}; }; }`;
  const { stdout, stderr } = await new Deno.Command("sh", {
    ...options,
    args: ["-c", script, "sh", program, ...options.args!],
  }).output();
  const code = (await Deno.readTextFile(`${at.folder}/code`)).trim();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** What is left goes to the next consumer, in its order, as its first attempt and delivery. */
async function assertGivenBack(at: TestDaemon, payloads: readonly number[]): Promise<void> {
  const shown = await evs(["subscription", "show", "s", "--json"], { at });
  const info = JSON.parse(shown.stdout);
  assert.deepEqual([info.dead, info.scheduled, info.paused], [0, 0, false]);
  const rest = await evs(
    ["consume", "t", "--name", "s", "--until-empty", "--"]
      .concat("sh", "-c", `echo "$EVS_ATTEMPT $EVS_DELIVERY $(cat)"`),
    { at },
  );
  assert.equal(rest.code, 0, rest.stderr);
  assert.deepEqual(rest.stdout.trim().split("\n"), payloads.map((one) => `1 1 ${one}`));
}

for (
  const [what, flags] of [
    ["one at a time", []],
    ["four at a time", ["--concurrency", "4"]],
  ] as const
) {
  Deno.test(`consume ends with 0 and counts nothing when the reader of its output goes, ${what}`, async () => {
    await using at = await startDaemon();
    await at.publish("t", "x", 1, 2, 3, 4, 5, 6);
    const ended = await consumeInto(READER, { at, flags, handler: EACH });
    assert.deepEqual([ended.code, ended.stdout], ["0", "1\n"], ended.stderr);
    assert.match(ended.stderr, /nobody reads the output any more/);
    assert.match(ended.stderr, /1 done, 0 retried, 0 dead/);
    await assertGivenBack(at, [2, 3, 4, 5, 6]);
  });
}

Deno.test("consume gives back what a handler failed of that met the closed pipe in its own way", async () => {
  await using at = await startDaemon();
  await at.publish("t", "x", 1, 2, 3);
  const handler = `trap '' PIPE; ${EACH.replace("exec cat", "cat 2>/dev/null || exit 65")}`;
  const ended = await consumeInto(READER, { at, handler });
  assert.deepEqual([ended.code, ended.stdout], ["0", "1\n"], ended.stderr);
  await assertGivenBack(at, [2, 3]);
});

Deno.test("consume --batch gives a batch back whose output nobody took, but for what it answered", async () => {
  await using at = await startDaemon();
  await at.publish("t", "x", 1, 2, 3);
  const handler = [
    `read -r event; echo "$event"`,
    WAIT,
    `id=\${event#*'"id":"'}`,
    `echo "{\\"id\\":\\"\${id%%'"'*}\\",\\"outcome\\":\\"ack\\"}"`,
    `cat`,
  ].join("; ");
  const ended = await consumeInto(READER, { at, handler, flags: ["--batch", "3"] });
  assert.equal(ended.code, "0", ended.stderr);
  assert.equal(JSON.parse(ended.stdout).payload, 1);
  assert.match(ended.stderr, /1 done, 0 retried, 0 dead/);
  await assertGivenBack(at, [2, 3]);
});

Deno.test("consume goes on when only its standard error is read no more, and when nothing is written", async () => {
  await using at = await startDaemon();
  await at.publish("t", "x", 1, 2, 3);
  const noisy = await consumeInto("cat", {
    at,
    redirect: "2>&-",
    flags: ["--until-empty"],
    handler: "echo words >&2; cat",
  });
  assert.deepEqual([noisy.code, noisy.stdout], ["0", "1\n2\n3\n"]);
  await at.publish("t", "x", 4, 5);
  const silent = await consumeInto(`exec <&-; : >"$GONE"`, {
    at,
    flags: ["--until-empty"],
    handler: `${WAIT}; cat >/dev/null`,
  });
  assert.equal(silent.code, "0", silent.stderr);
  assert.match(silent.stderr, /2 done, 0 retried, 0 dead/);
});

Deno.test("consume counts a failed attempt as before where its output is read", async () => {
  await using at = await startDaemon();
  await at.publish("t", "x", 1);
  const failed = await consumeInto("cat", {
    at,
    flags: ["--until-empty"],
    handler: "kill -PIPE $$",
  });
  assert.equal(failed.code, "6", failed.stderr);
  assert.match(failed.stderr, /dead letter: .*killed by SIGPIPE/);
});
