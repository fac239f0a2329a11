/** Handlers of a killed consumer do not overlap with the next delivery of their event. */
import assert from "node:assert/strict";
import { startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { isAlive, RunningEvs, until } from "../helpers/evs.ts";
import { processesNaming } from "../helpers/shell.ts";

/** What a handler wrote down: its process, and which of those before it still ran then. */
interface Run {
  pid: number;
  beside: number[];
}

/**
 * A handler that records in a file in the daemon's folder what runs beside it, and then continues
 * with `rest`.
 */
function noting(daemon: TestDaemon, rest: string): string[] {
  // One that has ended is still there until its parent, the first process, has looked after it.
  const runs = `kill -0 $pid 2>/dev/null && ! grep -qs '^State:.Z' /proc/$pid/status`;
  const script = `for pid in $(cat pids 2>/dev/null); do ${runs} && b="$b $pid"; done
echo $$ >> pids; echo "$$:$b" >> runs; ${rest}`;
  return ["sh", "-c", `cd ${daemon.folder} && ${script}`];
}

async function runs(daemon: TestDaemon): Promise<Run[]> {
  const text = await Deno.readTextFile(`${daemon.folder}/runs`).catch(() => "");
  return text.split("\n").filter(Boolean).map((line) => {
    const [pid, beside = ""] = line.split(":");
    return { pid: Number(pid), beside: beside.split(" ").filter(Boolean).map(Number) };
  });
}

const HANDLERS: Record<string, string> = {
  "sleeps": "sleep 60",
  "waits for children of its own": "sleep 60 & sleep 60 & wait",
  "ignores SIGTERM": "trap '' TERM; while :; do sleep 0.2; done",
};

for (const [what, rest] of Object.entries(HANDLERS)) {
  Deno.test(`consume delivers an event of a key anew only when the handler of a killed consumer has ended that ${what}`, async () => {
    await using daemon = await startDaemon();
    for (const payload of [1, 2]) {
      await daemon.http("POST", "/v1/topics/t/events", { type: "n", payload, key: "k" });
    }
    const args = ["consume", "t", "--name", "s", "--", ...noting(daemon, rest)];
    const first = new RunningEvs(args, { at: daemon });
    await until(async () => (await runs(daemon)).length === 1);
    const [before] = await runs(daemon);
    const second = new RunningEvs(args, { at: daemon });
    first.child.kill("SIGKILL");
    await first.ended;
    await until(async () => (await runs(daemon)).length === 2);
    assert.deepEqual((await runs(daemon))[1]!.beside, []);
    assert.equal(await isAlive(before!.pid), false);
    second.child.kill("SIGKILL");
    await second.ended;
    // All that the handlers began ends, too, and what ended them.
    const left = () => processesNaming(daemon.folder).filter(({ pid }) => pid !== daemon.pid);
    await until(() => left().length === 0);
  });
}

Deno.test("consume leaves alone what is not its handler any more, and nothing behind, when it ends in order", async () => {
  await using daemon = await startDaemon();
  const count = 40;
  await daemon.publish("t", "n", ...Array.from({ length: count }, (_, i) => i));
  const args = ["consume", "t", "--name", "s", "--concurrency", "4", "--until-empty", "--"];
  const consumer = new RunningEvs([...args, "true"], { at: daemon });
  assert.equal((await consumer.end()).code, 0, consumer.stderr);
  assert.match(consumer.stderr, new RegExp(`^${count} done, 0 retried, 0 dead`, "m"));
  const left = processesNaming(daemon.folder).filter(({ pid }) => pid !== daemon.pid);
  assert.deepEqual(left, []);
});

Deno.test("consume ends all handlers that run beside each other when it is killed, in batches too", async () => {
  await using daemon = await startDaemon();
  await daemon.publish("t", "n", ...Array.from({ length: 8 }, (_, i) => i));
  const args = ["consume", "t", "--name", "s", "--concurrency", "4", "--batch", "2", "--"];
  const consumer = new RunningEvs([...args, ...noting(daemon, "exec sleep 60")], { at: daemon });
  await until(async () => (await runs(daemon)).length === 4);
  consumer.child.kill("SIGKILL");
  await consumer.ended;
  for (const { pid } of await runs(daemon)) await until(async () => !await isAlive(pid));
});
