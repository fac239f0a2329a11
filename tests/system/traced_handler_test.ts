/** A handler that somebody traces: its tracer is told of its end before its parent is. */
import assert from "node:assert/strict";
import { startByLibc } from "../../commands/consumer/child.ts";
import { until } from "../helpers/evs.ts";
import { needTools } from "../helpers/shell.ts";

/** One in five ends between the two. */
const RUNS = 20;

Deno.test("startByLibc tells how each handler ended when they are traced", async () => {
  needTools("strace");
  const env = { PATH: Deno.env.get("PATH") ?? "/usr/bin:/bin" };
  for (let run = 0; run < RUNS; run++) {
    const command = ["sh", "-c", `read line; exit ${run}`];
    const child = startByLibc({ command, env, stdout: "inherit", stderr: "inherit" })!;
    const status = child.status();
    const tracer = new Deno.Command("strace", {
      args: ["-o", "/dev/null", "-p", String(child.pid)],
      stdin: "null",
      stderr: "null",
    }).spawn();
    const facts = () => Deno.readTextFile(`/proc/${child.pid}/status`);
    await until(async () => /^TracerPid:\s+[1-9]/m.test(await facts()));
    child.stdin.end();
    assert.deepEqual(await status, { code: run, signal: null });
    await tracer.status;
  }
});
