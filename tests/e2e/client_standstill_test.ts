/**
 * A client that stands still for longer than its leases (evs consume and connect()): nothing that
 * it handled becomes a dead letter, each event comes once, in order, and it goes on.
 */
import assert from "node:assert/strict";
import { startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { dose } from "../helpers/dose.ts";
import { RunningEvs, until } from "../helpers/evs.ts";
import { LossyProxy } from "../helpers/lossy_proxy.ts";

const LEASE = '"leaseMs":30000';
/** The same length: a lease that is over within the standstill. */
const SHORT_LEASE = '"leaseMs":  900';
/** At the full dose with the leases as they are. */
const isWhole = dose(1) >= 10;
const STOOD_MS = isWhole ? 45_000 : 2500;
/** How late a busy machine may be with it, ms. */
const LATE_MS = 60_000;

/** The daemon's socket for clients that ask for shorter leases than they know. */
function shortLeases(at: TestDaemon): LossyProxy {
  const proxy = new LossyProxy(`${at.folder}/short.sock`, at.socket);
  if (!isWhole) proxy.asks = (text) => text.replaceAll(LEASE, SHORT_LEASE);
  return proxy;
}

/** The process does nothing until its leases have run out and `meanwhile` is over. */
async function standStill(
  { pid, at, meanwhile = () => Promise.resolve() }: {
    pid: number;
    at: TestDaemon;
    meanwhile?: () => Promise<unknown>;
  },
): Promise<void> {
  Deno.kill(pid, "SIGSTOP");
  try {
    const since = performance.now();
    await until(async () => {
      assert.ok(performance.now() - since < STOOD_MS + LATE_MS, "the leases run out");
      return (await subscription(at)).leased === 0;
    });
    await meanwhile();
    // At the full dose as long as promised, however soon the leases have run out.
    const left = isWhole ? STOOD_MS - (performance.now() - since) : 0;
    if (left > 0) await new Promise((resolve) => setTimeout(resolve, left));
  } finally {
    Deno.kill(pid, "SIGCONT");
  }
}

async function subscription(at: TestDaemon) {
  return (await at.http("GET", "/v1/subscriptions/s")).json;
}

async function linesOf(path: string): Promise<string[]> {
  try {
    return (await Deno.readTextFile(path)).split("\n").filter(Boolean);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

const NUMBERS = Array.from({ length: 12 }, (_, i) => i + 1);

for (const flags of [[], ["--concurrency", "3"], ["--batch", "3"]]) {
  Deno.test(`evs consume goes on and loses nothing when it stands still beyond its leases: ${flags.join(" ") || "one at a time"}`, async () => {
    await using at = await startDaemon();
    await using proxy = shortLeases(at);
    await at.publish("t", "x", ...NUMBERS);
    const [log, gate] = [`${at.folder}/log`, `${at.folder}/gate`];
    // The first ones end while consume stands still.
    const each = `until [ -e ${gate} ]; do sleep 0.02; done; echo "$n \${EVS_ATTEMPT:-1}" >>${log}`;
    const handler = flags[0] === "--batch"
      ? `while read -r line; do n=\${line#*'"payload":'}; n=\${n%%\\}*}; ${each}; done`
      : `read -r n; ${each}`;
    const running = new RunningEvs(
      ["consume", "t", "--name", "s", "--max-retries", "0", ...flags, "--", "sh", "-c"]
        .concat(`echo began >&2; ${handler}`),
      { at: { socket: proxy.socket, dataDir: at.dataDir } },
    );
    // A handler that has not begun by then begins only after the standstill.
    const handlers = flags[0] === "--concurrency" ? 3 : 1;
    await running.said(new RegExp(`(began[^]*){${handlers}}`));
    const atWork = flags.length === 0 ? 1 : 3;
    await standStill({
      pid: running.child.pid,
      at,
      async meanwhile() {
        await Deno.writeTextFile(gate, "");
        await until(async () => (await linesOf(log)).length >= atWork);
      },
    });
    await until(async () => (await subscription(at)).cursors[0].next === NUMBERS.length + 1);
    running.child.kill("SIGINT");
    assert.equal((await running.end()).code, 130, running.stderr);
    assert.equal((await subscription(at)).dead, 0);
    assert.match(running.stderr, /12 done, 0 retried, 0 dead/);
    const lines = await linesOf(log);
    assert.ok(lines.every((line) => line.endsWith(" 1")), lines.join(", "));
    const seen = lines.map((line) => Number(line.split(" ")[0]));
    if (flags[0] === "--concurrency") seen.sort((a, b) => a - b);
    assert.deepEqual(seen, NUMBERS, "each once, in order");
  });
}

Deno.test("connect() goes on and loses nothing when its process stands still beyond its leases", async () => {
  await using at = await startDaemon();
  await using proxy = shortLeases(at);
  await at.http("PUT", "/v1/subscriptions/s", { topic: "t", settings: { maxRetries: 0 } });
  await at.publish("t", "x", ...NUMBERS);
  const log = `${at.folder}/log`;
  const options = { maxDeliveries: 10, maxRetries: 0, slow: NUMBERS };
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      "-A",
      new URL("../helpers/dying_consumer.ts", import.meta.url).pathname,
    ]
      .concat("socket", proxy.socket, log, JSON.stringify(options)),
    stdin: "null",
  }).spawn();
  for (const seq of [2, 5]) {
    await until(async () => (await linesOf(log)).length >= seq);
    await standStill({ pid: child.pid, at });
  }
  assert.equal((await child.status).code, 0);
  const { dead, cursors } = await subscription(at);
  assert.deepEqual([dead, cursors[0].next], [0, NUMBERS.length + 1]);
  assert.deepEqual(await linesOf(log), NUMBERS.map((n) => `${n} 1 1`));
});

Deno.test("others get the events of an evs consume that stands still, and what it had handled is done once more at most", async () => {
  await using at = await startDaemon();
  await using proxy = shortLeases(at);
  await at.publish("t", "x", ...NUMBERS);
  const [log, gate] = [`${at.folder}/log`, `${at.folder}/gate`];
  const consume = (handler: string, socket: string, ...flags: string[]) =>
    new RunningEvs(
      ["consume", "t", "--name", "s", "--max-retries", "0", ...flags, "--", "sh", "-c", handler],
      { at: { socket, dataDir: at.dataDir } },
    );
  const slow = consume(
    `echo began >&2; read -r n; until [ -e ${gate} ]; do sleep 0.02; done; echo "$n first" >>${log}`,
    proxy.socket,
  );
  await slow.said(/began/);
  await standStill({
    pid: slow.child.pid,
    at,
    async meanwhile() {
      const other = consume(`read -r n; echo "$n other" >>${log}`, at.socket, "--until-empty");
      assert.equal((await other.end()).code, 0, other.stderr);
      const lines = await linesOf(log);
      assert.deepEqual(lines, NUMBERS.map((n) => `${n} other`), "all, in order");
      await Deno.writeTextFile(gate, "");
      await until(async () => (await linesOf(log)).length === NUMBERS.length + 1);
    },
  });
  await at.publish("t", "x", 13);
  await until(async () => (await subscription(at)).cursors[0].next === 14);
  slow.child.kill("SIGINT");
  await slow.end();
  assert.equal((await subscription(at)).dead, 0);
  assert.deepEqual((await linesOf(log)).slice(NUMBERS.length), ["1 first", "13 first"]);
});
