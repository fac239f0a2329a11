/** Contract row 31: every command reports within seconds that a daemon does not answer. */
import assert from "node:assert/strict";
import { connect } from "../../core/client/broker/connect.ts";
import { NotAnsweringError } from "../../core/base/errors.ts";
import { startDaemon } from "../helpers/daemon.ts";
import { type CommandLine, everyCommand } from "../helpers/every_command.ts";
import { evs, type EvsResult, RunningEvs } from "../helpers/evs.ts";
import { testFolder } from "../helpers/folder.ts";
import { heldInOneOf, type Series } from "../helpers/series.ts";

/**
 * What is promised, ms, behind the runtime's own start, which is measured beside it: the machine
 * may be busy.
 */
const DEADLINE = 6000;
/** How many commands wait concurrently: waiting costs nothing, starting does. */
const BESIDE = 12;

interface Ended extends EvsResult {
  command: CommandLine;
  took: number;
}

/**
 * How long a command takes that asks nobody, ms. One that asks the daemon loads more: on a busy
 * machine it needs up to twice this besides the wait.
 */
async function start(): Promise<number> {
  const began = performance.now();
  await evs(["topic", "list", "--help"]);
  return performance.now() - began;
}

async function runAll(
  commands: readonly CommandLine[],
  at: { socket: string; dataDir: string },
): Promise<Ended[]> {
  const left = [...commands];
  const ended: Ended[] = [];
  await Promise.all(Array.from({ length: BESIDE }, async () => {
    for (let command = left.shift(); command !== undefined; command = left.shift()) {
      const began = performance.now();
      const control = start();
      const result = await evs(command.args, { at, stdin: command.stdin, env: { EDITOR: "true" } });
      const took = performance.now() - began - 2 * await control;
      ended.push({ command, ...result, took });
    }
  }));
  return ended;
}

/** Those that are late, as some are on a busy machine, are run again: one that hangs is always late. */
async function inTime(
  commands: readonly CommandLine[],
  at: { socket: string; dataDir: string },
): Promise<Ended[]> {
  const ended: Ended[] = [];
  let left = commands;
  for (let round = 0; round < 5 && left.length > 0; round++) {
    const results = await runAll(left, at);
    const late = results.filter(({ took }) => took >= DEADLINE);
    const isLast = round === 4;
    ended.push(...isLast ? results : results.filter(({ took }) => took < DEADLINE));
    left = late.map(({ command }) => command);
  }
  return ended;
}

Deno.test("every command says that the daemon does not answer, and ends, when the daemon stands still", async () => {
  const folder = await testFolder("test");
  await using daemon = await startDaemon();
  for (const payload of ["1", "2"]) await evs(["publish", "t", "n", payload], { at: daemon });
  await evs(["schema", "register", "n", "-"], { at: daemon, stdin: '{"type":"integer"}' });
  Deno.kill(daemon.pid, "SIGSTOP");
  let ended: Ended[];
  try {
    // What a stop asks for waits for the process: it comes last.
    const isStop = ({ path }: CommandLine) => /daemon (stop|restart)/.test(path);
    const commands = await everyCommand(`${folder}/file.tar`);
    ended = await inTime(commands.filter((command) => !isStop(command)), daemon);
    ended.push(...await inTime(commands.filter(isStop), daemon));
  } finally {
    Deno.kill(daemon.pid, "SIGCONT");
  }
  for (const { command, code, stdout, stderr, took } of ended) {
    const told = `${command.path}: ${code} after ${Math.round(took)} ms: ${stdout}${stderr}`;
    // Those that ask nobody are only held to ending.
    assert.ok(took < DEADLINE, told);
    if (!command.asks) continue;
    const words = `the daemon (pid ${daemon.pid}) does not answer`;
    if (command.path.startsWith("check")) {
      assert.equal(code, 2, told);
      assert.ok(stdout.startsWith(`CRITICAL - ${words}`), told);
    } else {
      assert.equal(code, 5, told);
      assert.ok(stderr.startsWith(`evs: ${words}`) && stderr.includes("(SIGSTOP)"), told);
    }
  }
  assert.equal((await daemon.exited()).code, 0, "the stop was waiting for it");
  await Deno.remove(folder, { recursive: true });
});

Deno.test("an answer that is long in coming is waited for when the daemon is alive", async () => {
  // What is followed says nothing for seconds on end; neither does a request that waits.
  await using daemon = await startDaemon();
  const expecting = new RunningEvs(["expect", "t", "--timeout", "1m"], { at: daemon });
  const control = evs(["expect", "t", "--timeout", "6s"], { at: daemon });
  const { code } = await control;
  assert.equal(code, 1, "its own time was over, and nobody else's");
  assert.equal((await evs(["publish", "t", "n", "1"], { at: daemon })).code, 0);
  assert.equal((await expecting.end()).code, 0, expecting.stderr);
});

/** Whether what ended now and began then was in time. */
async function inTimeSince(began: number): Promise<Series> {
  const took = performance.now() - began;
  const control = await start();
  return { holds: took < DEADLINE + 2 * control, figures: `${took} ms, a start ${control} ms` };
}

Deno.test("evs publish says what was acknowledged and ends when the daemon stops answering midway", () =>
  heldInOneOf(publishMidway));

async function publishMidway(): Promise<Series> {
  await using daemon = await startDaemon();
  const publishing = new RunningEvs(["publish", "t", "n", "--ndjson"], {
    at: daemon,
    stdin: "kept open",
  });
  const writer = publishing.child.stdin.getWriter();
  await writer.write(new TextEncoder().encode("1\n"));
  const seen = await evs(["expect", "t", "--timeout", "1m"], { at: daemon });
  assert.equal(seen.code, 0);
  Deno.kill(daemon.pid, "SIGSTOP");
  try {
    const began = performance.now();
    await writer.write(new TextEncoder().encode("2\n"));
    assert.equal((await publishing.end()).code, 5, publishing.stderr);
    const series = await inTimeSince(began);
    assert.match(publishing.stderr, /does not answer[^\n]*1 line acknowledged/);
    return series;
  } finally {
    Deno.kill(daemon.pid, "SIGCONT");
  }
}

Deno.test("connect rejects in words when the daemon does not answer", async () => {
  await using daemon = await startDaemon();
  Deno.kill(daemon.pid, "SIGSTOP");
  try {
    await heldInOneOf(async () => {
      const began = performance.now();
      await assert.rejects(connect({ socket: daemon.socket }), (error) => {
        assert.ok(error instanceof NotAnsweringError);
        assert.match(error.message, /does not answer/);
        return true;
      });
      return await inTimeSince(began);
    });
  } finally {
    Deno.kill(daemon.pid, "SIGCONT");
  }
  await using broker = await connect({ socket: daemon.socket });
  await broker.publish("t", "n", 1);
});
