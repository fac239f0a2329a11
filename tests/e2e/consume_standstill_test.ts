/**
 * A consumer whose daemon stands still, or whose connection is dead, says so and goes on: with the
 * leases that it had if the daemon goes on, and otherwise with new ones. Each event is handled once.
 */
import assert from "node:assert/strict";
import { connect } from "../../mod.ts";
import { startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { DeadProxy } from "../helpers/dead_proxy.ts";
import { RunningEvs, until } from "../helpers/evs.ts";

const STANDS_STILL = /nothing came from the daemon for \d+ s; waiting for it/;
const IS_BACK = /the daemon is back; going on/;
const IS_DEAD = /nothing came from the daemon for \d+ s, though it answers; connecting again/;

/** A consumer that handles each event once its gate is open, and logs it. */
function consume(at: TestDaemon, socket: string, ...flags: string[]): RunningEvs {
  const handler =
    `echo began >&2; read -r n; until [ -e ${at.folder}/gate$n ]; do sleep 0.05; done; ` +
    `echo "$n $EVS_ATTEMPT" >>${at.folder}/log`;
  return new RunningEvs(
    ["consume", "t", "--name", "s", ...flags, "--", "sh", "-c", handler],
    { at: { socket, dataDir: at.dataDir } },
  );
}

async function open(at: TestDaemon, ...gates: number[]): Promise<void> {
  for (const gate of gates) await Deno.writeTextFile(`${at.folder}/gate${gate}`, "");
}

async function handled(at: TestDaemon): Promise<string[]> {
  try {
    return (await Deno.readTextFile(`${at.folder}/log`)).split("\n").filter(Boolean);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

async function subscription(at: TestDaemon) {
  return (await at.http("GET", "/v1/subscriptions/s")).json;
}

/** Waits until the consumer has handled these, and the daemon knows. */
async function settled(at: TestDaemon, seqs: readonly number[]): Promise<void> {
  await until(async () => (await subscription(at)).cursors?.[0]?.next === seqs.length + 1);
  assert.deepEqual((await handled(at)).toSorted(), seqs.map((seq) => `${seq} 1`), "each once");
}

async function end(running: RunningEvs): Promise<void> {
  running.child.kill("SIGINT");
  assert.equal((await running.end()).code, 130, running.stderr);
}

Deno.test("evs consume tells of a daemon that stands still, and keeps its leases", async () => {
  await using at = await startDaemon();
  await at.publish("t", "x", 1, 2);
  await open(at, 1);
  // A second handler could run: leases are asked for all the time.
  const running = consume(at, at.socket, "--concurrency", "2");
  await settled(at, [1]);
  Deno.kill(at.pid, "SIGSTOP");
  try {
    await running.said(STANDS_STILL);
    await open(at, 2);
    await until(async () => (await handled(at)).length === 2);
  } finally {
    Deno.kill(at.pid, "SIGCONT");
  }
  await running.said(IS_BACK);
  await open(at, 3);
  await at.publish("t", "x", 3);
  await settled(at, [1, 2, 3]);
  assert.doesNotMatch(running.stderr, /lost the daemon|connecting again|redelivered/);
  await end(running);
  assert.match(running.stderr, /3 done, 0 retried, 0 dead/);
});

Deno.test("evs consume connects again when its connections are dead, and handles nothing twice", async () => {
  await using at = await startDaemon();
  await using proxy = new DeadProxy(`${at.folder}/proxy.sock`, at.socket);
  await at.publish("t", "x", 1);
  const running = consume(at, proxy.socket, "--concurrency", "2");
  await running.said(/began/);
  proxy.cut({ told: true });
  await running.said(IS_DEAD);
  await running.said(IS_BACK);
  await open(at, 1, 2);
  await at.publish("t", "x", 2);
  await settled(at, [1, 2]);
  await end(running);
});

Deno.test("evs consume waits for its network when all of it is dead, and goes on when that is back", async () => {
  await using at = await startDaemon();
  await using proxy = new DeadProxy(`${at.folder}/proxy.sock`, at.socket);
  // The daemon, which is not told either, leases the second event to the dead connection first.
  proxy.asks = (text) => text.replace('"leaseMs":30000', '"leaseMs":  900');
  await open(at, 1, 2);
  await at.publish("t", "x", 1);
  const running = consume(at, proxy.socket);
  await settled(at, [1]);
  proxy.isDown = true;
  proxy.cut({ told: false });
  proxy.asks = (text) => text;
  await running.said(STANDS_STILL);
  proxy.isDown = false;
  await running.said(IS_DEAD);
  await running.said(IS_BACK);
  await at.publish("t", "x", 2);
  await settled(at, [1, 2]);
  await end(running);
});

Deno.test("a subscription behind connect() tells of a standstill, and handles each event once", async () => {
  await using at = await startDaemon();
  await using proxy = new DeadProxy(`${at.folder}/proxy.sock`, at.socket);
  const told: string[] = [];
  const seen: number[] = [];
  const said = (pattern: RegExp) => until(() => told.some((text) => pattern.test(text)));
  await using broker = await connect({
    socket: proxy.socket,
    onNotice: (text) => told.push(text),
  });
  broker.subscribe("t", (event) => void seen.push(event.payload), { name: "s" });
  await at.publish("t", "x", 1);
  await until(() => seen.length === 1);
  Deno.kill(at.pid, "SIGSTOP");
  try {
    await said(STANDS_STILL);
  } finally {
    Deno.kill(at.pid, "SIGCONT");
  }
  await said(IS_BACK);
  await at.publish("t", "x", 2);
  await until(() => seen.length === 2);
  assert.ok(!told.some((text) => IS_DEAD.test(text)), told.join("\n"));
  // Now the connection, when nothing is under way.
  await until(async () => (await subscription(at)).cursors[0].next === 3);
  proxy.cut({ told: true });
  await said(IS_DEAD);
  await at.publish("t", "x", 3);
  await until(async () => (await subscription(at)).cursors[0].next === 4);
  assert.deepEqual(seen, [1, 2, 3]);
});

Deno.test("evs consume goes on as before beside an older daemon, which refuses heartbeats or leaves them out", async () => {
  await using at = await startDaemon();
  await open(at, 1, 2);
  const older = {
    // It names the field that it does not know.
    refuses: (text: string) => text.replace('"heartbeatMs":1000', '"heartbeatMs":"no"'),
    ignores: (text: string) => text.replace(',"heartbeatMs":1000', " ".repeat(19)),
  };
  for (const [seq, [what, asks]] of Object.entries(older).entries()) {
    await using proxy = new DeadProxy(`${at.folder}/${what}.sock`, at.socket);
    const asked: string[] = [];
    proxy.asks = (text) => {
      if (text.includes("/s/lease ")) asked.push(text);
      return asks(text);
    };
    const running = consume(at, proxy.socket);
    await until(() => asked.length > 0);
    await at.publish("t", "x", seq + 1);
    await settled(at, [1, 2].slice(0, seq + 1));
    await end(running);
    assert.match(asked[0]!, /"heartbeatMs":1000/);
    const isAskedOnce = asked.slice(1).every((text) => !text.includes("heartbeatMs"));
    assert.equal(isAskedOnce, what === "refuses", asked.join("\n"));
    // Where nothing is refused, a slow machine may make the daemon seem silent.
    if (isAskedOnce) assert.doesNotMatch(running.stderr, /connecting again|lost the daemon/);
  }
});
