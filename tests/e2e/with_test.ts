/** `evs with` runs a command with a private daemon. */
import assert from "node:assert/strict";
import { evs, isAlive, RunningEvs, until } from "../helpers/evs.ts";
import { testFolder } from "../helpers/folder.ts";

/** A folder that stands in for /tmp, so that what is left behind can be seen. */
async function inTemporary(work: (env: Record<string, string>, folder: string) => Promise<void>) {
  const folder = await testFolder("test");
  try {
    await work({ TMPDIR: folder, EVS_DENO: Deno.execPath() }, folder);
    assert.deepEqual([...Deno.readDirSync(folder)].map((entry) => entry.name), []);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("with runs a command against a private daemon and leaves nothing behind", async () => {
  await inTemporary(async (env) => {
    const ran = await evs(
      [
        "with",
        "--",
        "sh",
        "-c",
        "evs publish t x 1 >/dev/null && evs replay t && evs daemon status",
      ],
      { env },
    );
    assert.equal(ran.code, 0, ran.stderr);
    const [event, status] = ran.stdout.trim().split("\n").map((line) => JSON.parse(line));
    assert.equal(event.payload, 1);
    assert.equal(await isAlive(status.pid), false);
  });
});

Deno.test("with ends with its command's exit code", async () => {
  await inTemporary(async (env) => {
    const cases: [string[], number][] = [
      [["sh", "-c", "exit 9"], 9],
      [["sh", "-c", "kill -TERM $$"], 143],
      [["/nowhere/at-all"], 127],
      [["/etc/passwd"], 126],
    ];
    for (const [command, code] of cases) {
      const ran = await evs(["with", "--", ...command], { env });
      assert.equal(ran.code, code, `${command}: ${ran.stderr}`);
    }
    const missing = await evs(["with", "--", "/nowhere/at-all"], { env });
    assert.match(missing.stderr, /\/nowhere\/at-all: there is no such command/);
    assert.equal((await evs(["with"], { env })).code, 2);
  });
});

const wait = 'trap "exit 7" TERM INT; evs daemon status; echo go >&2; while :; do sleep 0.05; done';

Deno.test("with passes signals to its command and cleans up after it", async () => {
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    await inTemporary(async (env) => {
      const running = new RunningEvs(["with", "--", "sh", "-c", wait], { env });
      await running.said(/^go$/m);
      running.child.kill(signal);
      assert.equal((await running.end()).code, 7, running.stderr);
      assert.equal(await isAlive(JSON.parse(running.stdout).pid), false);
    });
  }
});

Deno.test("with takes its daemon along when it is killed", async () => {
  const folder = await testFolder("test");
  try {
    const running = new RunningEvs(["with", "--", "sh", "-c", `echo $$; ${wait}`], {
      env: { TMPDIR: folder, EVS_DENO: Deno.execPath() },
    });
    await running.said(/^go$/m);
    await until(() => running.stdout.split("\n").length === 3);
    const [command = "", status = ""] = running.stdout.split("\n");
    running.child.kill("SIGKILL");
    await running.ended;
    const { pid } = JSON.parse(status);
    await until(async () => !await isAlive(pid));
    Deno.kill(Number(command), "SIGKILL");
    await running.end();
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
