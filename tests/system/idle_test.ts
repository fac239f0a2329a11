/** Contract row 20: an idle daemon does nothing: no polling, whatever is connected and waiting. */
import assert from "node:assert/strict";
import { startDaemon } from "../helpers/daemon.ts";
import { dose } from "../helpers/dose.ts";
import { until } from "../helpers/evs.ts";
import { mebibytes, MIB, processorTime, residentMemory } from "../helpers/measure.ts";
import { head, RawConnection } from "../helpers/raw_connection.ts";
import { needTools } from "../helpers/shell.ts";
import { STORES } from "../helpers/stores.ts";

/** The promise is 60 s, which the nightly run reaches. */
const SECONDS = dose(6, 60);
/** Half of it is the runtime's own program text, which all its processes share. */
const LIMIT = 80 * MIB;
/** An idle daemon comes to rest within this time, ms. */
const REST_DEADLINE = 60_000;
/** Ticks are 10 ms: no fewer can be told apart. */
const MOST = Math.max(30, SECONDS * 1000 * 0.005);

for (const store of STORES) {
  Deno.test(`an idle daemon takes under 0.5 % of a processor and under ${LIMIT / MIB} MiB over ${SECONDS} s (${store})`, async () => {
    await using daemon = await startDaemon({ store });
    await daemon.publish("t", "n", 1);
    await daemon.http("PUT", "/v1/subscriptions/s", { topic: "t", from: "end" });
    await settled(daemon.pid);
    await atRest(async () => {
      const before = processorTime(daemon.pid);
      const began = performance.now();
      await new Promise((resolve) => setTimeout(resolve, SECONDS * 1000)); // the promise is about time that passes
      const busy = processorTime(daemon.pid) - before;
      const took = performance.now() - began;
      assert.ok(busy <= MOST, `${busy} ms of processor time in ${took} ms`);
    });
    const deadline = AbortSignal.timeout(REST_DEADLINE);
    await until(() => deadline.aborted || residentMemory(daemon.pid) < LIMIT);
    const memory = residentMemory(daemon.pid);
    assert.ok(memory < LIMIT, `it takes ${mebibytes(memory)}`);
    await daemon.stop();
  });

  Deno.test(`an idle daemon makes no system call but waiting, with a follower and a consumer connected (${store})`, async () => {
    needTools("strace");
    await using daemon = await startDaemon({ store });
    await daemon.publish("t", "n", 1);
    await daemon.http("PUT", "/v1/subscriptions/s", { topic: "t", from: "end" });
    const tail = await RawConnection.open(daemon.socket);
    await tail.send(head("GET /v1/topics/t/events?follow=1"));
    await tail.until(/\r\n\r\n/);
    const lease = await RawConnection.open(daemon.socket);
    const body = '{"waitMs":600000}';
    await lease.send(
      head("POST /v1/subscriptions/s/lease", `content-length: ${body.length}`) + body,
    );
    await until(async () => (await daemon.http("GET", "/v1/status")).json.tails === 1);
    await settled(daemon.pid);
    await atRest(async () => {
      const { stderr } = await new Deno.Command("timeout", {
        args: ["-s", "INT", String(SECONDS), "strace", "-f", "-qq", "-p", String(daemon.pid)],
        stdout: "null",
        stderr: "piped",
      }).output();
      const calls = new TextDecoder().decode(stderr).split("\n").filter((line) =>
        /^(\[pid +\d+\] )?\w+\(/.test(line) && !/restart_syscall|<unfinished|\bexit\(/.test(line)
      );
      // Half-open requests are looked for once a second while there are connections: a few calls
      // each time.
      assert.ok(
        calls.length < SECONDS * 40,
        `${calls.length} calls:\n${calls.slice(0, 40).join("\n")}`,
      );
    });
    for (const connection of [tail, lease]) connection.close();
    await daemon.stop();
  });
}

Deno.test("an idle daemon to which nobody is connected makes no system call at all", async () => {
  needTools("strace");
  await using daemon = await startDaemon();
  const connection = await RawConnection.open(daemon.socket);
  await connection.send(head("GET /v1/health", "connection: close"));
  await connection.untilEnd();
  connection.close();
  await settled(daemon.pid);
  await atRest(async () => {
    const { stderr } = await new Deno.Command("timeout", {
      args: ["-s", "INT", String(SECONDS), "strace", "-f", "-qq", "-p", String(daemon.pid)],
      stdout: "null",
      stderr: "piped",
    }).output();
    // Each thread waits in one call; the runtime's own threads end when they had nothing to do for
    // ten seconds.
    const calls = new TextDecoder().decode(stderr).split("\n").filter((line) =>
      /^(\[pid +\d+\] )?\w+\(/.test(line) &&
      !/restart_syscall|<unfinished|<detached|\bexit\(/.test(line)
    );
    assert.ok(calls.length <= 20, `${calls.length} calls:\n${calls.slice(0, 40).join("\n")}`);
  });
  await daemon.stop();
});

/**
 * Watches for a while, and again if it was not yet at rest: ten seconds after the last work it
 * releases memory, and V8 checks its heap once more eight seconds later
 * (docs/adr/0019-idle-memory.md); within a minute the history has its last row. Three of the checks
 * may see that, a fourth sees nothing.
 */
async function atRest(look: () => Promise<void>): Promise<void> {
  for (let looks = 1;; looks++) {
    try {
      return await look();
    } catch (error) {
      if (looks === 4) throw error;
    }
  }
}

/**
 * Waits until a process has come to rest: a second without work, after whatever it did at first.
 */
async function settled(pid: number): Promise<void> {
  let last = -1;
  await until(async () => {
    const now = processorTime(pid);
    const rests = now === last;
    last = now;
    if (!rests) await new Promise((resolve) => setTimeout(resolve, 500));
    return rests;
  });
}
