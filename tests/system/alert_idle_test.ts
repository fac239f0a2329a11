/** What `evs alert` costs a daemon that has nothing to do: no file is opened, read, written or synced. */
import assert from "node:assert/strict";
import { startDaemon } from "../helpers/daemon.ts";
import { RunningEvs, until } from "../helpers/evs.ts";
import { needTools } from "../helpers/shell.ts";

/** Calls that may reach a disk. */
const DISK =
  "open,openat,creat,pread64,preadv,pwrite64,pwritev,fsync,fdatasync,ftruncate,fallocate," +
  "mkdir,rename,renameat,renameat2,unlink,unlinkat,flock";
/** How many looks are watched. */
const LOOKS = 10;
/** A daemon that has just started has things of its own to do: for so long, */
const DEADLINE = 60_000;
/** and in no more than so many windows, however long each takes here. */
const WINDOWS = 5;

Deno.test("an idle daemon opens, reads, writes and syncs no file when evs alert watches it", async () => {
  needTools("strace");
  await using at = await startDaemon();
  await at.publish("t", "n", 1);
  await at.http("PUT", "/v1/subscriptions/s", { topic: "t" });
  const flags = "--dlq >0 --lag >5 --age >1h --leased >1h --refused >0 --disk <0% --every 100ms";
  const alert = new RunningEvs(["alert", ...flags.split(" "), "--", "false"], {
    at,
    env: { XDG_STATE_HOME: `${at.folder}/state` },
  });
  const deadline = performance.now() + DEADLINE;
  for (let window = 0;; window++) {
    const calls = await callsDuring(at.pid, `${at.folder}/calls-${window}`);
    if (calls.length === 0) break;
    assert.ok(window + 1 < WINDOWS || performance.now() < deadline, calls.join("\n"));
  }
  // That they would be seen.
  let publishes = true;
  const publishing = (async () => {
    while (publishes) await at.publish("another", "n", 1);
  })();
  const control = await callsDuring(at.pid, `${at.folder}/control`);
  publishes = false;
  await publishing;
  assert.ok(control.some((line) => /sync\(/.test(line)), control.slice(0, 20).join("\n"));
  alert.child.kill("SIGTERM");
  assert.equal((await alert.end()).code, 0, alert.stderr);
  assert.equal(alert.stderr + alert.stdout, "");
});

/** The calls of a process to its disk while it is looked at some times. */
async function callsDuring(pid: number, file: string): Promise<string[]> {
  const strace = new Deno.Command("strace", {
    args: ["-f", "-s", "60", "-e", `trace=recvfrom,${DISK}`, "-o", file, "-p", String(pid)],
    stdout: "null",
    stderr: "null",
  }).spawn();
  const lines = async () => (await Deno.readTextFile(file)).split("\n");
  try {
    await until(async () => {
      try {
        return (await lines()).filter((line) => line.includes("GET /v1/subscriptions ")).length >=
          LOOKS;
      } catch (error) {
        if (error instanceof Deno.errors.NotFound) return false;
        throw error;
      }
    });
  } finally {
    strace.kill("SIGINT");
    await strace.status;
  }
  const disk = new RegExp(`^\\d+ +(${DISK.replaceAll(",", "|")})\\(`);
  return (await lines()).filter((line) => disk.test(line));
}
