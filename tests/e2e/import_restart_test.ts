/**
 * evs import and replay --into while their daemon is stopped, killed and started: they go on, and
 * each event is stored once, in order; where it stays away they say what was kept.
 */
import assert from "node:assert/strict";
import { startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { evs, type EvsResult, RunningEvs, until } from "../helpers/evs.ts";
import { LossyProxy } from "../helpers/lossy_proxy.ts";
import { STORES } from "../helpers/stores.ts";

const encoder = new TextEncoder();
const TOPICS = ["a", "b"] as const;
const topicOf = (n: number) => TOPICS[Math.floor(n / 5) % 2]!;

/** Events as evs export prints them, of both topics in turns. */
function exported(from: number, to: number): string {
  return Array.from({ length: to - from }, (_, i) => {
    const n = from + i;
    const event = { seq: 7, id: `e-${n}`, type: "x", topic: topicOf(n), timestamp: n };
    return `${JSON.stringify({ ...event, schemaVersion: "1.0", metadata: {}, payload: n })}\n`;
  }).join("");
}

/** Each of the first `count` events is there once, in its order. */
async function assertStored(at: TestDaemon, count: number): Promise<void> {
  for (const topic of TOPICS) {
    const expected = Array.from({ length: count }, (_, n) => n).filter((n) => topicOf(n) === topic);
    const payloads = (await at.replay(topic)).map(({ payload }) => payload);
    assert.deepEqual(payloads, expected, topic);
  }
}

async function lastSeq(at: TestDaemon, topic: string): Promise<number> {
  const { status, json } = await at.http("GET", `/v1/topics/${topic}`);
  return status === 200 ? json.lastSeq : 0;
}

for (const store of STORES) {
  Deno.test(`evs import stores each event once, in order, when its ${store} daemon is restarted`, async () => {
    await using at = await startDaemon({ store });
    const running = new RunningEvs(["import"], { at, stdin: "" });
    const writer = running.child.stdin.getWriter();
    let [written, over] = [0, false];
    const writing = (async () => {
      while (!over) {
        await writer.write(encoder.encode(exported(written, written + 40)));
        written += 40;
        await new Promise((resolve) => setTimeout(resolve, 0));
      }
      await writer.close();
    })();
    for (const signal of ["SIGTERM", "SIGKILL", "SIGKILL"] as const) {
      const before = await lastSeq(at, "b");
      await until(async () => await lastSeq(at, "b") > before + 20);
      await at.kill(signal);
      await at.start();
    }
    over = true;
    await writing;
    assert.equal((await running.end()).code, 0, running.stderr);
    await assertStored(at, written);
    const { topics, count, duplicates, lines } = JSON.parse(running.stdout);
    assert.deepEqual([topics, count, duplicates, lines], [2, written, 0, written]);
    assert.match(running.stderr, /the daemon went away.*\n.*the import goes on/);
  });
}

/** Runs it; the answers to some publishes are lost, and the daemon is killed and started then. */
async function withLostAnswers(
  at: TestDaemon,
  argv: readonly string[],
  { lose, stdin, comesBack = true }: { lose: number; stdin?: string; comesBack?: boolean },
): Promise<EvsResult> {
  await using proxy = new LossyProxy(`${at.folder}/lossy.sock`, at.socket);
  proxy.lose = lose;
  proxy.which = /"count":/;
  let started = Promise.resolve();
  proxy.beforeClose = async () => {
    await started;
    await at.kill("SIGKILL");
    if (comesBack) started = at.start();
  };
  const through = { socket: proxy.socket, dataDir: at.dataDir };
  const result = await evs(argv, { at: through, ...(stdin === undefined ? {} : { stdin }) });
  await started;
  assert.equal(proxy.lost, lose, result.stderr);
  return result;
}

for (const store of STORES) {
  Deno.test(`evs import knows what is stored when a ${store} daemon is killed before it answers`, async () => {
    await using at = await startDaemon({ store });
    await at.publish("a", "x", "before");
    const whole = await withLostAnswers(at, ["import"], { lose: 2, stdin: exported(0, 8) });
    assert.equal(whole.code, 0, whole.stderr);
    const { count, duplicates } = JSON.parse(whole.stdout);
    assert.deepEqual([count, duplicates], [8, 0]);
    assert.deepEqual((await at.replay("a")).map(({ payload }) => payload), [
      "before",
      0,
      1,
      2,
      3,
      4,
    ]);
    assert.deepEqual((await at.replay("b")).map(({ payload }) => payload), [5, 6, 7]);

    // A line that is refused is named by its number, though its request was sent again.
    const lines = exported(8, 14).split("\n");
    lines[2] = lines[2]!.replace(/"payload":\d+/, `"payload":${"[".repeat(70)}${"]".repeat(70)}`);
    const ofOne = lines.map((line) => line.replace('"topic":"b"', '"topic":"a"')).join("\n");
    const skip = ["import", "--on-error", "skip"];
    const skipped = await withLostAnswers(at, skip, { lose: 1, stdin: ofOne });
    assert.equal(skipped.code, 6, skipped.stderr);
    assert.match(skipped.stderr, /^line 3: /m);
    const payloads = (await at.replay("a")).map(({ payload }) => payload);
    assert.deepEqual(payloads, ["before", 0, 1, 2, 3, 4, 8, 9, 11, 12, 13]);
  });

  Deno.test(`evs replay --into goes on and stores nothing twice when its ${store} daemon is killed before it answers`, async () => {
    await using at = await startDaemon({ store });
    const payloads = Array.from({ length: 400 }, (_, n) => `${n} ${"x".repeat(10_000)}`);
    for (let n = 0; n < payloads.length; n += 50) {
      await at.publish("from", "x", ...payloads.slice(n, n + 50));
    }
    const { code, stdout, stderr } = await withLostAnswers(
      at,
      ["replay", "from", "--into", "to"],
      { lose: 2 },
    );
    assert.equal(code, 0, stderr);
    const [from, to] = [await at.replay("from"), await at.replay("to")];
    assert.deepEqual(
      to.map(({ id, payload }) => [id, payload]),
      from.map(({ id, payload }) => [
        id,
        payload,
      ]),
    );
    const { count, duplicates } = JSON.parse(stdout);
    assert.ok(count + duplicates >= payloads.length, stdout);
  });
}

Deno.test("evs import and replay --into say what was kept and what to type when the daemon stays away", async () => {
  {
    await using at = await startDaemon();
    const stdin = exported(0, 300);
    const argv = ["import", "--wait", "100ms"];
    const { code, stderr } = await withLostAnswers(at, argv, { lose: 1, stdin, comesBack: false });
    assert.equal(code, 5, stderr);
    assert.match(
      stderr,
      /: 0 events were stored, 0 were there; of the 5 sent last it is unknown\n.*the same import again/,
    );
    await at.start();
    const again = await evs(["import"], { at, stdin });
    assert.equal(again.code, 0, again.stderr);
    await assertStored(at, 300);
  }
  {
    await using at = await startDaemon();
    const payloads = Array.from({ length: 500 }, (_, n) => `${n} ${"x".repeat(10_000)}`);
    for (let n = 0; n < payloads.length; n += 50) {
      await at.publish("from", "x", ...payloads.slice(n, n + 50));
    }
    const argv = ["replay", "from", "--into", "to", "--wait", "100ms"];
    const { code, stderr } = await withLostAnswers(at, argv, { lose: 1, comesBack: false });
    assert.equal(code, 5, stderr);
    assert.match(stderr, /\d+ lines? acknowledged.*\n.*the same command again/);
    await at.start();
    const again = await evs(["replay", "from", "--into", "to"], { at });
    assert.equal(again.code, 0, again.stderr);
    assert.deepEqual((await at.replay("to")).map(({ payload }) => payload), payloads);
  }
});

Deno.test("evs import ends at once when there is no daemon to begin with", async () => {
  await using at = await startDaemon();
  await at.stop();
  const { code, stderr } = await evs(["import"], { at, stdin: exported(0, 2) });
  assert.equal(code, 5, stderr);
  assert.match(stderr, /no daemon answers/);
  await at.start();
});
