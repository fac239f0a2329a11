/** `evs bench` measures the running daemon, and leaves nothing behind. */
import assert from "node:assert/strict";
import { percentile } from "../../commands/bench/steps.ts";
import { startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { evs, RunningEvs, until } from "../helpers/evs.ts";

async function names(at: TestDaemon, what: "topics" | "subscriptions"): Promise<string[]> {
  const { json } = await at.http("GET", `/v1/${what}`);
  return json[what].map(({ name }: { name: string }) => name);
}

async function assertNothingLeft(at: TestDaemon): Promise<void> {
  assert.deepEqual(await names(at, "topics"), []);
  assert.deepEqual(await names(at, "subscriptions"), []);
  const files = (await Array.fromAsync(Deno.readDir(at.dataDir))).map(({ name }) => name);
  assert.deepEqual(files.filter((name) => name.startsWith("bench")), []);
}

for (const store of ["sqlite", "file"]) {
  Deno.test(`bench measures all steps with their control, and removes its topic (${store})`, async () => {
    await using at = await startDaemon({ store });
    const flags = ["--events", "3000", "--singles", "5", "--size", "300"];
    const { code, stdout, stderr } = await evs(["bench", ...flags], { at });
    assert.equal(code, 0, stderr);
    const rows = stdout.split("\n").filter(Boolean).map((line) => JSON.parse(line));
    assert.deepEqual(rows.map(({ step, events }) => [step, events]), [
      ["fdatasync", rows[0].events],
      ["publish one", 5],
      ["publish to tail", 5],
      ["publish", 3000],
      ["read", 3005],
      ["consume", 3005],
    ]);
    const [control, one, seen, ...rates] = rows;
    assert.ok(control.events > 0);
    for (const { p50Ms, p99Ms } of [control, one, seen]) {
      assert.ok(0 < p50Ms && p50Ms <= p99Ms, `${p50Ms} and ${p99Ms}`);
    }
    for (const { perSecond } of rates) assert.ok(Number.isInteger(perSecond) && perSecond > 0);
    await assertNothingLeft(at);
  });
}

Deno.test("bench removes its topic when it is interrupted", async () => {
  await using at = await startDaemon();
  const running = new RunningEvs(["bench", "--events", "100000000", "--singles", "1"], { at });
  await until(async () => {
    const [name] = await names(at, "topics");
    return name !== undefined && (await at.http("GET", `/v1/topics/${name}`)).json.events > 1000;
  });
  running.child.kill("SIGINT");
  assert.equal((await running.end()).code, 130, running.stderr);
  assert.equal(running.stdout, "");
  await assertNothingLeft(at);
});

Deno.test("bench publishes nothing when a subscription of a pattern would get it", async () => {
  await using at = await startDaemon();
  const made = await evs(["subscription", "create", "all", "**"], { at });
  assert.equal(made.code, 0, made.stderr);
  const { code, stderr } = await evs(["bench", "--events", "10"], { at });
  assert.equal(code, 3, stderr);
  assert.match(
    stderr,
    /the subscription all of \*\* would get the events\n {2}try: evs with -- evs bench/,
  );
  assert.deepEqual(await names(at, "topics"), []);
});

Deno.test("bench says why when it cannot measure", async () => {
  await using at = await startDaemon();
  const large = await evs(["bench", "--events", "1", "--size", "2000000"], { at });
  assert.equal(large.code, 4, large.stderr);
  await assertNothingLeft(at);
  await at.stop();
  assert.equal((await evs(["bench"], { at })).code, 5);
});

Deno.test("percentile is one of the numbers, and 0 when there are none", () => {
  assert.equal(percentile([3, 1, 2], 0.5), 2);
  assert.equal(percentile([3, 1, 2], 1), 3);
  assert.equal(percentile([7], 0.99), 7);
  assert.equal(percentile([], 0.5), 0);
});
