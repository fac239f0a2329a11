/** `GET /v1/history` of a daemon: over restarts, kills and damage, and what it refuses. */
import assert from "node:assert/strict";
import { Client } from "../../core/client/client.ts";
import { readHistory } from "../../core/client/history.ts";
import type { HistoryColumn } from "../../core/protocol/history.ts";
import { startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { evs, until } from "../helpers/evs.ts";
import { flipBit } from "../helpers/flip.ts";

/** The sum of what is known of a column. */
function sum(column: HistoryColumn): number {
  return column.reduce((sum: number, value) => sum + (value ?? 0), 0);
}

async function acknowledge(at: TestDaemon, name: string, max: number): Promise<void> {
  const { json } = await at.http("POST", `/v1/subscriptions/${name}/lease`, { max });
  const leases = json.deliveries.map(({ lease }: { lease: string }) => lease);
  assert.equal(leases.length, max);
  await at.http("POST", `/v1/subscriptions/${name}/ack`, { leases });
}

Deno.test("GET /v1/history tells what happened in this run and the ones before, each thing once", async () => {
  await using at = await startDaemon();
  await at.publish("orders", "made", 1, 2, 3, 4, 5);
  await at.http("PUT", "/v1/subscriptions/mail", { topic: "orders", from: "start" });
  await acknowledge(at, "mail", 2);
  await at.stop();
  for (const expected of [7, 9]) {
    await at.start();
    await at.publish("orders", "made", 6, 7);
    await acknowledge(at, "mail", 1);
    using client = new Client({ socket: at.socket });
    const of = { topics: ["orders"], subscriptions: ["mail"], from: "@-10m" };
    const { topics, subscriptions, covered, step, at: now, until } = await readHistory(client, of);
    const [orders, mail] = [topics![0]!, subscriptions![0]!];
    assert.equal(sum(orders.published), expected);
    assert.equal(orders.lastSeq.at(-1), expected);
    assert.equal(sum(mail.acknowledged), expected === 7 ? 3 : 4);
    // It is the greatest of the step: a row may have been due between the publish and the lease.
    const pending = expected === 7 ? 4 : 5;
    assert.ok([pending, pending + 1].includes(mail.pending.at(-1)!), String(mail.pending.at(-1)));
    assert.ok(mail.oldestPendingMs.at(-1)! > 0);
    assert.equal(orders.published[0], null, "there was no daemon ten minutes ago");
    assert.ok(covered.every((ms) => 0 <= ms && ms <= step));
    assert.ok(until - step <= now && now < until, `${until} ${now}`);
    const { daemon } = await readHistory(client, { from: "@-10m" });
    assert.equal(sum(daemon!.published), expected);
    assert.equal(sum(daemon!.acknowledged), sum(mail.acknowledged));
    assert.ok(daemon!.memory.at(-1)! > 1_000_000);
    // A minute may have ended since: what is measured of one is not there in the next.
    assert.ok(daemon!.publishP99Ms.slice(-2).some((ms) => ms !== null && ms > 0));
    client.close();
    await at.stop();
  }
});

Deno.test("a daemon that was killed has the history up to its last row, and goes on with it", async () => {
  await using at = await startDaemon();
  await at.publish("t", "n", 1, 2, 3);
  await at.stop();
  await at.start();
  await at.publish("t", "n", 4);
  await at.kill();
  await at.start();
  await at.publish("t", "n", 5, 6);
  const { json } = await at.http("GET", "/v1/history?topic=t&from=@-10m");
  const [topic] = json.topics;
  // What came after the last row is not known to have happened; a row may have been due meanwhile.
  const published = sum(topic.published);
  assert.ok(published === 3 + 2 || published === 3 + 1 + 2, String(published));
  assert.equal(topic.lastSeq.at(-1), 6);
});

Deno.test("GET /v1/history refuses what is too much, unknown or no time, by code", async () => {
  await using at = await startDaemon();
  await at.publish("t", "n", 1);
  const refused = async (query: string) => {
    const { status, json } = await at.http("GET", `/v1/history?${query}`);
    return `${status} ${json.error?.code}`;
  };
  assert.equal(await refused("topic=none"), "404 topic/not-found");
  assert.equal(await refused("subscription=none"), "404 subscription/not-found");
  assert.equal(await refused("from=@-3d&step=1m&topic=t"), "200 undefined");
  for (let i = 0; i < 5; i++) await at.publish(`t${i}`, "n", 1);
  const names = (count: number) => Array.from({ length: count }, (_, i) => `topic=t${i}`).join("&");
  assert.equal(await refused(`from=@-3d&step=1m&${names(5)}`), "400 history/too-many-points");
  assert.equal(await refused(`from=@-3d&step=2m&${names(5)}`), "200 undefined");
  assert.equal(await refused("from=5"), "400 argument/invalid");
  assert.equal(await refused("step=30s"), "400 argument/invalid");
  assert.equal(await refused(names(101)), "400 argument/invalid");
  // There is nothing before the last 72 hours, nor in the future.
  const { json } = await at.http(
    "GET",
    "/v1/history?from=@2020-01-01T00:00Z&until=@2100-01-01T00:00Z",
  );
  const steps = json.daemon.published.length;
  assert.equal((json.until - json.from) / json.step, steps);
  assert.ok(steps === 72 * 6 + 1, String(steps));
  const { json: none } = await at.http("GET", "/v1/history?from=@-1h&until=@-2h");
  assert.deepEqual(none.daemon.published, [null]);
});

Deno.test("evs history prints a line of JSON for each step, of the daemon, a topic or a subscription", async () => {
  await using at = await startDaemon();
  await at.publish("orders", "made", 1, 2, 3);
  await at.http("PUT", "/v1/subscriptions/mail", { topic: "orders", from: "start" });
  await acknowledge(at, "mail", 2);
  const history = async (...args: string[]) => {
    const { code, stdout, stderr } = await evs(["history", "--from", "@-10m", ...args], { at });
    assert.equal(code, 0, stderr);
    return stdout.trim().split("\n").map((line) => JSON.parse(line));
  };
  const total = (steps: Record<string, number | null>[], name: string) =>
    steps.reduce((sum, one) => sum + (one[name] ?? 0), 0);
  const daemon = await history();
  assert.equal(total(daemon, "published"), 3);
  for (const { from, until } of daemon) assert.equal(until - from, 60_000);
  assert.equal(total(await history("--topic", "orders"), "published"), 3);
  assert.equal(total(await history("--subscription", "mail"), "acknowledged"), 2);
  assert.ok((await history("--step", "1h")).length <= 2);
  for (
    const [args, code] of [
      [["--topic", "orders", "--subscription", "mail"], 2],
      [["--topic", "none"], 1],
      [["--from", "start"], 2],
      [["--step", "10s"], 2],
    ] as const
  ) {
    const refused = await evs(["history", ...args], { at });
    assert.equal(refused.code, code, `${args}: ${refused.stderr}`);
  }
});

Deno.test("a daemon starts on a damaged history, and the log and evs doctor say what is left out", async () => {
  await using at = await startDaemon();
  await at.publish("t", "n", 1, 2, 3);
  await at.stop();
  const path = `${at.dataDir}/history`;
  assert.equal((await Deno.stat(path)).mode! & 0o777, 0o600);
  const { size } = await Deno.stat(path);
  flipBit(path, { byte: size - 1, bit: 0 });
  const { code, stdout } = await evs(["doctor", "--json"], { at });
  assert.equal(code, 0, stdout);
  const findings = stdout.trim().split("\n").map((line) => JSON.parse(line));
  const about = findings.filter(({ where }) => where === "history");
  assert.deepEqual(about.map(({ check, level }) => `${check} ${level}`), ["history warning"]);
  await at.start();
  await at.publish("t", "n", 4);
  const { json } = await at.http("GET", "/v1/history?topic=t&from=@-10m");
  assert.equal(sum(json.topics[0].published), 4);
  flipBit(path, { byte: 0, bit: 0 });
  await until(async () => {
    await at.http("GET", "/v1/history");
    const log = await Deno.readTextFile(`${at.dataDir}/log/daemon.log`);
    return log.includes("the history is damaged");
  });
  const { json: health } = await at.http("GET", "/v1/health");
  assert.equal(health.health, "ok");
});

Deno.test("a backup has no history, and with history = false there is none", async () => {
  await using at = await startDaemon({ config: "history = false\n" });
  await at.publish("t", "n", 1);
  const { json } = await at.http("GET", "/v1/history?topic=t&from=@-10m");
  assert.deepEqual([json.topics[0].kept, json.topics[0].lastSeq.at(-1)], [false, 1]);
  await at.stop();
  const names = () => [...Deno.readDirSync(at.dataDir)].map(({ name }) => name);
  assert.ok(!names().includes("history"), names().join(" "));
  await Deno.writeTextFile(at.config, "");
  await at.start();
  await at.publish("t", "n", 2);
  await at.stop();
  assert.ok(names().includes("history"), names().join(" "));
  const backup = `${at.folder}/backup.tar`;
  assert.equal((await evs(["backup", backup], { at })).code, 0);
  assert.equal((await evs(["restore", backup, "--force"], { at })).code, 0);
  assert.ok(!names().includes("history"), names().join(" "));
});
