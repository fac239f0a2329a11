/**
 * Running a handler: input, environment, output, timeouts and process groups, by each way in which
 * one is started.
 */
import assert from "node:assert/strict";
import {
  batchEnv,
  handlerEnv,
  type HandlerRequest,
  startHandler,
} from "../../../commands/consumer/handler.ts";
import { startByDeno, startChild } from "../../../commands/consumer/child.ts";
import { STDERR_KEPT } from "../../../commands/consumer/handler.ts";
import type { HandlerRun } from "../../../commands/consumer/exit_code.ts";
import { isAlive, until } from "../../helpers/evs.ts";
import { FakeClock } from "../../helpers/fake_clock.ts";

const PATH = Deno.env.get("PATH") ?? "/usr/bin:/bin";

interface Run {
  outcome: HandlerRun;
  stderr: string;
}

async function run(script: string, extra: Partial<HandlerRequest>): Promise<Run> {
  const chunks: Uint8Array[] = [];
  const running = startHandler({
    command: ["sh", "-c", script],
    input: new Uint8Array(),
    env: { PATH },
    stderr: (chunk) => void chunks.push(chunk),
    ...extra,
  });
  const outcome = await running.outcome;
  return { outcome, stderr: await new Blob(chunks as BlobPart[]).text() };
}

function ended(outcome: HandlerRun): HandlerRun & { kind: "ended" } {
  assert.equal(outcome.kind, "ended");
  return outcome as HandlerRun & { kind: "ended" };
}

/** A taker that is slower than the handler whose output it takes. */
function slowly(taken: Uint8Array[]): (chunk: Uint8Array) => Promise<void> {
  return async (chunk) => {
    await new Promise((resolve) => setTimeout(resolve, 150));
    taken.push(chunk.slice());
  };
}

/** Both ways of starting one. */
const WAYS = [
  { by: "the C library", start: startChild },
  { by: "Deno", start: startByDeno },
];

for (const { by, start } of WAYS) {
  Deno.test(`startHandler hands over the input byte for byte when the handler reads stdin, by ${by}`, async () => {
    const file = await Deno.makeTempFile();
    try {
      const input = new TextEncoder().encode('{"n":9007199254740993,"x":1.0}\n');
      const { outcome } = await run('cat > "$OUT"', { start, input, env: { PATH, OUT: file } });
      assert.equal(ended(outcome).exitCode, 0);
      assert.equal(await Deno.readTextFile(file), '{"n":9007199254740993,"x":1.0}\n');
    } finally {
      await Deno.remove(file);
    }
  });

  Deno.test(`startHandler reports exit code and stderr when the handler fails, by ${by}`, async () => {
    const { outcome, stderr } = await run("echo oops >&2; exit 3", { start });
    const { exitCode, stderr: kept, signal } = ended(outcome);
    assert.deepEqual({ exitCode, kept, signal }, {
      exitCode: 3,
      kept: "oops\n",
      signal: undefined,
    });
    assert.equal(stderr, "oops\n");
  });

  Deno.test(`startHandler keeps only the end of stderr when there is much of it, by ${by}`, async () => {
    const { outcome, stderr } = await run("seq 1 100000 >&2; exit 1", { start });
    const kept = ended(outcome).stderr;
    assert.equal(kept.length, STDERR_KEPT);
    assert.ok(kept.endsWith("99999\n100000\n"));
    assert.ok(stderr.length > 500_000);
  });

  Deno.test(`startHandler finds the error when the trace below it is longer than what is kept, by ${by}`, async () => {
    const trace = "at com.bank.Charge.deep(Charge.java:6)";
    const script = `echo "java.lang.StackOverflowError: deep" >&2
      yes "	${trace}" | head -n 2000 >&2; exit 1`;
    const { stderr, said } = ended((await run(script, { start })).outcome);
    assert.equal(stderr.length, STDERR_KEPT);
    assert.doesNotMatch(stderr, /StackOverflow/);
    assert.equal(said, "java.lang.StackOverflowError: deep");
  });

  Deno.test(`startHandler goes by the exit code when the handler closes stdin early, by ${by}`, async () => {
    const big = new Uint8Array(4 << 20).fill(0x61);
    for (
      const [script, code] of [["true", 0], ["head -c 1 >/dev/null", 0], ["exit 9", 9]] as const
    ) {
      const { outcome } = await run(script, { start, input: big });
      assert.equal(ended(outcome).exitCode, code);
    }
  });

  Deno.test(`startHandler names the signal when one ended the handler, by ${by}`, async () => {
    const { outcome } = await run("kill -KILL $$", { start });
    assert.equal(ended(outcome).signal, "SIGKILL");
  });

  Deno.test(`startHandler says why when the command cannot be started, by ${by}`, async () => {
    const missing = await run("", { start, command: ["/nowhere/at-all"] });
    assert.deepEqual(missing.outcome, {
      kind: "cannot-start",
      reason: "no such file or directory",
    });
    const file = await Deno.makeTempFile();
    try {
      const denied = await run("", { start, command: [file] });
      assert.deepEqual(denied.outcome, { kind: "cannot-start", reason: "permission denied" });
    } finally {
      await Deno.remove(file);
    }
  });

  Deno.test(`startHandler ends the whole process group when the time is over, by ${by}`, async () => {
    const clock = new FakeClock();
    const said = Promise.withResolvers<string>();
    const running = startHandler({
      start,
      command: ["sh", "-c", "sleep 600 & echo $! >&2; wait"],
      input: new Uint8Array(),
      env: { PATH },
      timeoutMs: 300,
      stderr: (chunk) => said.resolve(new TextDecoder().decode(chunk)),
      clock,
    });
    const pid = Number((await said.promise).trim());
    assert.ok(pid > 1);
    await clock.pass(299);
    assert.ok(await isAlive(pid), "its time is not over");
    await clock.pass(1);
    const { timedOutAfter, signal } = ended(await running.outcome);
    assert.equal(timedOutAfter, 300);
    assert.equal(signal, "SIGTERM");
    await until(async () => !await isAlive(pid));
  });

  Deno.test(`startHandler takes all that a handler says before it is judged, however slow the taker is, by ${by}`, async () => {
    const [stdout, stderr]: Uint8Array[][] = [[], []];
    const script = "seq 1 20000; seq 1 20000 >&2; exit 3";
    const { outcome } = await run(script, {
      start,
      stdout: slowly(stdout!),
      stderr: slowly(stderr!),
    });
    for (const taken of [stdout!, stderr!]) {
      assert.match(await new Blob(taken as BlobPart[]).text(), /\n20000\n$/);
    }
    assert.match(ended(outcome).stderr, /\n20000\n$/);
  });

  Deno.test(`startHandler calls a handler killed, never done, when it is told to stop and what it says is not taken, by ${by}`, async () => {
    const said = Promise.withResolvers<string>();
    const running = startHandler({
      start,
      command: ["sh", "-c", "echo $$"],
      input: new Uint8Array(),
      env: { PATH },
      stdout: (chunk) => (said.resolve(new TextDecoder().decode(chunk)), new Promise(() => {})),
      stderr: () => {},
    });
    const pid = Number((await said.promise).trim());
    await until(async () => !await isAlive(pid));
    let over = false;
    running.outcome.then(() => over = true);
    await until(() => (running.kill("SIGTERM"), over));
    assert.equal(ended(await running.outcome).signal, "SIGTERM");
  });

  Deno.test(`startHandler does not wait when a child of the handler holds stderr and stdin open, by ${by}`, async () => {
    const big = new Uint8Array(1 << 20);
    const { outcome, stderr } = await run("sleep 600 <&0 & echo $! >&2; exit 0", {
      start,
      input: big,
    });
    assert.equal(ended(outcome).exitCode, 0);
    Deno.kill(Number(stderr.trim()), "SIGKILL");
  });

  Deno.test(`kill does nothing when the handler has ended, by ${by}`, async () => {
    const running = startHandler({
      start,
      command: ["true"],
      input: new Uint8Array(),
      env: { PATH },
      stderr: () => {},
    });
    await running.outcome;
    running.kill("SIGTERM");
  });
}

Deno.test("handlerEnv gives the facts and hides those of an outer delivery", () => {
  const facts = {
    topic: "t",
    type: "x",
    id: "i",
    seq: 7,
    attempt: 2,
    delivery: 3,
    subscription: "s",
  };
  const outer = {
    HOME: "/h",
    EVS_EPOCH: "9",
    EVS_KEY: "outer",
    EVS_BATCH: "9",
    EVS_ID: "outer",
    EVS_SOCKET: "/s",
  };
  const env = handlerEnv(outer, facts);
  assert.deepEqual(env, {
    HOME: "/h",
    EVS_SOCKET: "/s",
    EVS_TOPIC: "t",
    EVS_TYPE: "x",
    EVS_ID: "i",
    EVS_SEQ: "7",
    EVS_ATTEMPT: "2",
    EVS_DELIVERY: "3",
    EVS_SUBSCRIPTION: "s",
    EVS_CORRELATION_ID: "i",
  });
  assert.equal(handlerEnv({}, { ...facts, key: "k" }).EVS_KEY, "k");
  assert.equal(handlerEnv(outer, { ...facts, epoch: 4 }).EVS_EPOCH, "4");
  const correlated = (correlationId: string) =>
    handlerEnv({ EVS_CORRELATION_ID: "outer" }, { ...facts, correlationId }).EVS_CORRELATION_ID;
  assert.equal(correlated("c"), "c");
  assert.equal(correlated("x".repeat(1024)), "x".repeat(1024));
  for (const unusable of ["", "x".repeat(1025)]) assert.equal(correlated(unusable), "i");
  assert.equal(correlated("a\0b"), undefined);
  assert.equal("EVS_KEY" in handlerEnv({}, { ...facts, key: "a\0b" }), false);
});

Deno.test("batchEnv gives what the events have in common, and hides the facts of an outer delivery", () => {
  const outer = Object.fromEntries(
    ["ID", "SEQ", "ATTEMPT", "DELIVERY", "EPOCH", "KEY", "TYPE", "TOPIC"].map((
      name,
    ) => [`EVS_${name}`, "outer"]),
  );
  const of = (id: string, type: string) => ({ topic: "t", type, id, seq: 1, correlationId: "c" });
  const env = batchEnv({ HOME: "/h", ...outer }, {
    subscription: "s",
    facts: [of("a", "x"), of("b", "y")],
  });
  assert.deepEqual(env, {
    HOME: "/h",
    EVS_TOPIC: "t",
    EVS_SUBSCRIPTION: "s",
    EVS_BATCH: "2",
    EVS_CORRELATION_ID: "c",
  });
});
