/**
 * evs dlq import while its daemon is killed and started, before and after it has answered: it goes
 * on, each dead letter is taken in once, and the counts are those of all of it.
 */
import assert from "node:assert/strict";
import { startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { settleAll } from "../helpers/dead_letters.ts";
import { evs, type EvsResult } from "../helpers/evs.ts";
import { LossyProxy } from "../helpers/lossy_proxy.ts";

/** More than one request: each has 64 KiB. */
const COUNT = 300;

/** Dead letters of the payloads `{"n": "0"}` to `{"n": "299"}`; returns them as exported. */
async function withDead(at: TestDaemon): Promise<string[]> {
  await at.http("PUT", "/v1/subscriptions/s", { topic: "t", settings: { maxRetries: 0 } });
  await at.publish("t", "x", ...Array.from({ length: COUNT }, (_, n) => ({ n: String(n) })));
  await settleAll(at, { subscription: "s", judge: () => ({ error: "not a number", dead: true }) });
  const { stdout, code, stderr } = await evs(["dlq", "export"], { at });
  assert.equal(code, 0, stderr);
  const lines = stdout.trimEnd().split("\n");
  assert.equal(lines.length, COUNT);
  return lines;
}

/** Acknowledges all that is there to deliver; adds the payloads. */
async function handle(at: TestDaemon, seen: string[]): Promise<void> {
  for (;;) {
    const { json } = await at.http("POST", "/v1/subscriptions/s/lease", { max: 1000 });
    if (json.deliveries.length === 0) return;
    const leases = [];
    for (const { lease, event } of json.deliveries) {
      leases.push(lease);
      seen.push(JSON.stringify(event.payload));
    }
    await at.http("POST", "/v1/subscriptions/s/ack", { leases });
  }
}

/** Runs the import; some replies are lost, and `meanwhile` is done then. */
async function withLostReplies(
  at: TestDaemon,
  args: readonly string[],
  { stdin, lose, meanwhile }: { stdin: string; lose: number; meanwhile: () => Promise<unknown> },
): Promise<EvsResult> {
  await using proxy = new LossyProxy(`${at.folder}/lossy.sock`, at.socket);
  proxy.lose = lose;
  proxy.which = /"mended":/;
  // One after the other: evs does not wait for a connection whose daemon is away for seconds.
  let turn: Promise<unknown> = Promise.resolve();
  proxy.beforeClose = () => turn = turn.then(meanwhile);
  const through = { socket: proxy.socket, dataDir: at.dataDir };
  const result = await evs(["dlq", "import", ...args], { at: through, stdin });
  await turn;
  assert.equal(proxy.lost, lose, result.stderr);
  return result;
}

const MEANWHILE: Record<string, (at: TestDaemon) => Promise<void>> = {
  "its daemon is killed before it answers": async (at) => {
    await at.kill("SIGKILL");
    await at.start();
  },
  "its daemon is stopped before it answers": async (at) => {
    await at.stop();
    await at.start();
  },
  "the connection breaks and the daemon is still there": () => Promise.resolve(),
};

for (const [what, meanwhile] of Object.entries(MEANWHILE)) {
  Deno.test(`evs dlq import --retry delivers each dead letter once when ${what}`, async () => {
    await using at = await startDaemon();
    const lines = await withDead(at);
    // Every other one is edited; the others are sent as they were.
    const edited = lines.map((line) =>
      line.replace(/"payload":\{"n":"(\d*[02468])"\}/, '"payload":{"n":$1}')
    );
    const seen: string[] = [];
    const result = await withLostReplies(at, ["--retry"], {
      stdin: edited.join("\n"),
      lose: 2,
      meanwhile: async () => {
        await meanwhile(at);
        // What was sent is handled, and nothing of it is left to be known by.
        await handle(at, seen);
      },
    });
    assert.equal(result.code, 0, result.stderr);
    await handle(at, seen);
    const expected = Array.from(
      { length: COUNT },
      (_, n) => JSON.stringify({ n: n % 2 === 0 ? n : String(n) }),
    );
    assert.deepEqual(seen.toSorted(), expected.toSorted(), "each once");
    const { count, mended, unchanged, present, refused } = JSON.parse(result.stdout);
    assert.deepEqual([count, mended, unchanged, present, refused], [
      COUNT,
      COUNT / 2,
      COUNT / 2,
      0,
      0,
    ]);
    assert.equal((await at.http("GET", "/v1/subscriptions/s")).json.dead, 0);
  });
}

Deno.test("evs dlq import counts what it added when its daemon is killed before it answers", async () => {
  await using at = await startDaemon();
  const lines = await withDead(at);
  // Some are still there.
  await at.http("POST", "/v1/dead-letters/remove", {
    ids: lines.slice(0, 250).map((line) => JSON.parse(line).event.id),
  });
  const lossy = {
    stdin: ["no dead letter", ...lines].join("\n"),
    lose: 2,
    meanwhile: () => MEANWHILE["its daemon is killed before it answers"]!(at),
  };
  const { code, stdout, stderr } = await withLostReplies(at, [], lossy);
  assert.equal(code, 6, stderr);
  const { count, added, present, refused } = JSON.parse(stdout);
  assert.deepEqual([count, added, present, refused], [COUNT, 250, 50, 1]);
  assert.equal(stderr.split("evs: line 1: ").length, 2, stderr);
  assert.match(stderr, /the daemon went away.*\n.*the daemon is back; the import goes on/);
  assert.equal((await at.http("GET", "/v1/subscriptions/s")).json.dead, COUNT);
});

Deno.test("evs dlq import says which lines are done and what to type when the daemon stays away", async () => {
  await using at = await startDaemon();
  const lines = await withDead(at);
  const lossy = { stdin: lines.join("\n"), lose: 1, meanwhile: () => at.kill("SIGKILL") };
  const { code, stderr } = await withLostReplies(at, ["--retry", "--wait", "100ms"], lossy);
  assert.equal(code, 5, stderr);
  const [, to] =
    /: 0 dead letters of the lines before line 1 are done; of lines 1 to (\d+) it is unknown\n/
      .exec(stderr) ?? [];
  assert.ok(Number(to) > 1 && Number(to) < COUNT, stderr);
  assert.match(stderr, new RegExp(`tail -n \\+${Number(to) + 1} FILE \\| evs dlq import --retry`));
  await at.start();
});

Deno.test("evs dlq import ends at once when there is no daemon to begin with", async () => {
  await using at = await startDaemon();
  await at.stop();
  const { code, stderr } = await evs(["dlq", "import"], { at, stdin: "{}\n" });
  assert.equal(code, 5);
  assert.match(stderr, /no daemon answers/);
  await at.start();
});
