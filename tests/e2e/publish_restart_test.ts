/**
 * A stream that is published while its daemon is stopped, killed and started: each line is stored
 * once, in order.
 */
import assert from "node:assert/strict";
import { startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { evs, type EvsResult, RunningEvs, until } from "../helpers/evs.ts";
import { LossyProxy } from "../helpers/lossy_proxy.ts";

const encoder = new TextEncoder();
const LINES_A_PIECE = 40;
const STORES = ["sqlite", "file"] as const;
const ENDS = ["SIGTERM", "SIGKILL", "SIGKILL", "SIGTERM", "SIGKILL"] as const;

async function stored(at: TestDaemon): Promise<number> {
  const { status, json } = await at.http("GET", "/v1/topics/t");
  return status === 200 ? json.lastSeq : 0;
}

/**
 * Publishes pieces continuously, and ends the daemon in the middle of them, repeatedly. Returns the
 * number of lines.
 */
async function publishThrough(
  at: TestDaemon,
  running: RunningEvs,
  line: (n: number) => string,
): Promise<number> {
  const writer = running.child.stdin.getWriter();
  let [written, over] = [0, false];
  const writing = (async () => {
    while (!over) {
      const piece = Array.from({ length: LINES_A_PIECE }, () => `${line(++written)}\n`).join("");
      await writer.write(encoder.encode(piece));
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    await writer.close();
  })();
  for (const signal of ENDS) {
    const before = await stored(at);
    await until(async () => await stored(at) > before + LINES_A_PIECE);
    await at.kill(signal);
    await at.start();
  }
  over = true;
  await writing;
  return written;
}

for (const store of STORES) {
  Deno.test(`publish --ndjson stores each line once, in order, when its ${store} daemon is restarted`, async () => {
    await using at = await startDaemon({ store });
    const running = new RunningEvs(["publish", "t", "n", "--ndjson"], { at, stdin: "" });
    const written = await publishThrough(at, running, (n) => String(n));
    const { code } = await running.end();
    assert.equal(code, 0, running.stderr);
    const events = await at.replay("t");
    assert.deepEqual(
      events.map(({ payload }) => payload),
      Array.from({ length: written }, (_, i) => i + 1),
    );
    assert.equal(new Set(events.map(({ id }) => id)).size, written);
    const { count, duplicates, firstSeq, lastSeq, lines, refused } = JSON.parse(running.stdout);
    assert.deepEqual(
      { count, duplicates, firstSeq, lastSeq, lines, refused },
      { count: written, duplicates: 0, firstSeq: 1, lastSeq: written, lines: written, refused: 0 },
    );
  });

  Deno.test(`publish --envelope stores each line once, in order, when its ${store} daemon is restarted`, async () => {
    await using at = await startDaemon({ store });
    const running = new RunningEvs(["publish", "t", "--envelope"], { at, stdin: "" });
    const line = (n: number) => JSON.stringify({ id: `e-${n}`, type: "n", payload: n });
    const written = await publishThrough(at, running, line);
    const { code } = await running.end();
    assert.equal(code, 0, running.stderr);
    const payloads = (await at.replay("t")).map(({ payload }) => payload);
    assert.deepEqual(payloads, Array.from({ length: written }, (_, i) => i + 1));
    const { count, duplicates } = JSON.parse(running.stdout);
    assert.equal(count + duplicates >= written, true, running.stdout);
  });
}

Deno.test("publish --lines stores each line once, in order, when its daemon is restarted", async () => {
  await using at = await startDaemon();
  const running = new RunningEvs(["publish", "t", "n", "--lines"], { at, stdin: "" });
  const line = (n: number) => n % 3 === 0 ? "" : `line "${n}"\t\\`;
  const written = await publishThrough(at, running, line);
  const { code } = await running.end();
  assert.equal(code, 0, running.stderr);
  const payloads = (await at.replay("t")).map(({ payload }) => payload);
  assert.deepEqual(payloads, Array.from({ length: written }, (_, i) => line(i + 1)));
  assert.equal(JSON.parse(running.stdout).count, written);
});

let proxies = 0;

/**
 * Publishes lines; the answers to the first requests are lost, and the daemon is killed and started
 * at those moments.
 */
async function withLostAnswers(
  at: TestDaemon,
  argv: readonly string[],
  { stdin, lose = 1, meanwhile = () => Promise.resolve() }: {
    stdin: string;
    lose?: number;
    meanwhile?: () => Promise<unknown>;
  },
): Promise<EvsResult> {
  await using proxy = new LossyProxy(`${at.folder}/lossy${proxies++}.sock`, at.socket);
  proxy.lose = lose;
  proxy.which = /"count":/;
  let started = Promise.resolve();
  proxy.beforeClose = async () => {
    await started;
    await meanwhile();
    await at.kill("SIGKILL");
    started = at.start();
  };
  const through = { socket: proxy.socket, dataDir: at.dataDir };
  const result = await evs(["publish", "t", ...argv], { at: through, stdin });
  await started;
  assert.equal(proxy.lost, lose, result.stderr);
  return result;
}

async function payloadsOf(at: TestDaemon): Promise<unknown[]> {
  return (await at.replay("t")).map(({ payload }) => payload);
}

for (const store of STORES) {
  Deno.test(`publish --ndjson knows what is stored when a ${store} daemon is killed before it answers`, async () => {
    await using at = await startDaemon({ store });
    await at.publish("t", "n", "before");
    const whole = await withLostAnswers(at, ["n", "--ndjson"], { stdin: "1\n\n2\n3" });
    assert.equal(whole.code, 0, whole.stderr);
    const { count, lines, firstSeq, lastSeq } = JSON.parse(whole.stdout);
    assert.deepEqual([count, lines, firstSeq, lastSeq], [3, 3, 2, 4]);

    const argv = ["n", "--ndjson", "--on-error", "skip"];
    const skipped = await withLostAnswers(at, argv, { stdin: "4\nnope\n5\n" });
    assert.equal(skipped.code, 6, skipped.stderr);
    assert.match(skipped.stderr, /1 more line refused/);
    const { refused } = JSON.parse(skipped.stdout);
    assert.equal(refused, 1);

    const stopped = await withLostAnswers(at, ["n", "--ndjson"], {
      stdin: "6\n \n7\nnope\n8\n",
      lose: 2,
    });
    assert.equal(stopped.code, 4, stopped.stderr);
    assert.match(stopped.stderr, /line 4: .*; 2 events before it were stored, nothing behind it/);
    assert.match(stopped.stderr, /fix line 4, then: evs publish t n --ndjson --skip 3\n$/);
    assert.deepEqual(await payloadsOf(at), ["before", 1, 2, 3, 4, 5, 6, 7]);
  });
}

Deno.test("publish --lines knows what is stored of text, blank lines too, when the daemon is killed before it answers", async () => {
  await using at = await startDaemon();
  const whole = await withLostAnswers(at, ["n", "--lines"], { stdin: '{"id":"1"}\n\n \n"\n' });
  assert.equal(whole.code, 0, whole.stderr);
  const { count, lines, firstSeq, lastSeq } = JSON.parse(whole.stdout);
  assert.deepEqual([count, lines, firstSeq, lastSeq], [4, 4, 1, 4]);
  assert.deepEqual(await payloadsOf(at), ['{"id":"1"}', "", " ", '"']);
});

Deno.test("publish --id-prefix stores each line once when the daemon is killed before it answers", async () => {
  await using at = await startDaemon();
  const argv = ["n", "--ndjson", "--id-prefix", "run"];
  const { code, stderr } = await withLostAnswers(at, argv, { stdin: "1\n2\n", lose: 2 });
  assert.equal(code, 0, stderr);
  assert.deepEqual((await at.replay("t")).map(({ id }) => id), ["run-1", "run-2"]);
});

Deno.test("publish --envelope of lines without ids ends with 5 when it is unknown what is stored", async () => {
  await using at = await startDaemon();
  const stdin = `{"type":"n","payload":1}\n{"type":"n","payload":2}\n`;
  const { code, stderr } = await withLostAnswers(at, ["--envelope"], { stdin });
  assert.equal(code, 5, stderr);
  assert.match(stderr, /0 lines acknowledged, what became of the 2 behind it is unknown/);
  assert.deepEqual(await payloadsOf(at), [1, 2]);
});

Deno.test("publish --ndjson ends with 5 when what it looks for may have been deleted", async () => {
  await using at = await startDaemon();
  await at.publish("t", "n", "before");
  const { code, stderr } = await withLostAnswers(at, ["n", "--ndjson"], {
    stdin: "1\n2\n3\n",
    async meanwhile() {
      assert.equal((await at.http("PATCH", "/v1/topics/t", { maxEvents: 1 })).status, 200);
      await until(async () => (await at.http("GET", "/v1/topics/t")).json.firstSeq === 4);
      // Shown while it is being done; what the same thread stores next comes after it.
      await at.publish("other", "n", "behind the deletion");
    },
  });
  assert.equal(code, 5, stderr);
  assert.match(stderr, /what became of the 3 behind it is unknown/);
  assert.deepEqual(await payloadsOf(at), [3]);
});

Deno.test("publish --ndjson ends with 5 when the connection breaks and the daemon is still there", async () => {
  await using at = await startDaemon();
  await using proxy = new LossyProxy(`${at.folder}/lossy.sock`, at.socket);
  proxy.lose = 1;
  proxy.which = /"count":/;
  const through = { socket: proxy.socket, dataDir: at.dataDir };
  const { code, stderr } = await evs(["publish", "t", "n", "--ndjson"], {
    at: through,
    stdin: "1\n",
  });
  assert.equal(code, 5, stderr);
  assert.match(stderr, /what became of the 1 behind it is unknown/);
});
