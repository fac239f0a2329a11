/**
 * What is slow, stuck or refused is named by the status, health, the metrics, evs doctor and evs
 * check, while it is so.
 */
import assert from "node:assert/strict";
import { startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { evs, until } from "../helpers/evs.ts";
import { metricsOf } from "../helpers/metrics.ts";

const CONFIG = '[alert]\nage = "1s"\nleased = "1s"\ndisk = 0\n';

function names(alerts: { name: string; subscription?: string }[]): string[] {
  return alerts.map(({ name, subscription }) => `${name} ${subscription ?? ""}`.trim()).sort();
}

async function alerts(at: TestDaemon): Promise<string[]> {
  return names((await at.http("GET", "/v1/status")).json.alerts);
}

/** What each of them tells, without numbers. */
async function told(at: TestDaemon) {
  const status = (await at.http("GET", "/v1/status")).json;
  const health = await at.http("GET", "/v1/health");
  const doctor = await evs(["doctor"], { at });
  assert.equal(doctor.code, 0, doctor.stdout);
  const warned = doctor.stdout.split("\n").filter(Boolean).map((line) => JSON.parse(line))
    .filter(({ check, level }) => check === "alerts" && level === "warning");
  for (const { hint } of warned) assert.ok(hint);
  return {
    status: names(status.alerts),
    refused: status.refused,
    health: [health.status, names(health.json.alerts), health.json.refused],
    doctor: warned.map(({ where }) => where).sort(),
    metric: (await metricsOf(at)).get("evs_alerts"),
  };
}

async function check(at: TestDaemon, ...args: string[]): Promise<[number, string]> {
  const { code, stdout } = await evs(["check", ...args], { at });
  return [
    code,
    stdout.replace(/ \|.*/s, "").trim().replace(/\b(is|for) (\d+[hms])+( old)?$/, "$1 AGE"),
  ];
}

Deno.test("status, health, metrics, doctor and check name a subscription whose events grow old, and a consumer that holds one", async () => {
  await using at = await startDaemon({ config: CONFIG });
  const limits = ["--warn", "1s", "--crit", "1h"];
  assert.deepEqual(await check(at, "age", ...limits), [0, "OK - no events wait"]);
  assert.deepEqual(await told(at), {
    status: [],
    refused: undefined,
    health: [200, [], undefined],
    doctor: [],
    metric: 0,
  });
  await at.publish("t", "n", 1, 2);
  const path = "/v1/subscriptions/s";
  await at.http("PUT", path, { topic: "t" });
  assert.deepEqual((await check(at, "leased", ...limits))[1], "OK - no consumer has an event");
  await until(async () => (await alerts(at)).includes("age s"));
  const old = await told(at);
  assert.deepEqual(old.health, [200, ["age s"], undefined]);
  assert.deepEqual(old.doctor, ["s"]);
  assert.deepEqual(await check(at, "age", ...limits), [
    1,
    "WARNING - the oldest event of s is AGE",
  ]);

  // Its handler hangs, and its consumer goes on extending. On a slow machine the lease may have run
  // out before: then once more.
  let leases: string[] = [];
  await until(async () => {
    if (leases.length === 0) {
      const { json } = await at.http("POST", `${path}/lease`, { max: 1, leaseMs: 1500 });
      leases = json.deliveries.map(({ lease }: { lease: string }) => lease);
    }
    const { json } = await at.http("POST", `${path}/extend`, { leases, leaseMs: 3_600_000 });
    if (json.lost.length > 0) leases = [];
    return (await alerts(at)).includes("leased s");
  });
  const stuck = await told(at);
  assert.deepEqual(stuck.status, ["age s", "leased s"]);
  assert.equal(stuck.metric, 2);
  assert.deepEqual(await check(at, "leased", ...limits), [
    1,
    "WARNING - a consumer of s has held an event for AGE",
  ]);
  const shown = await evs(["status"], { at });
  assert.match(shown.stdout, /a consumer of the subscription s has held an event for (\d+[hms])+/);

  await at.http("DELETE", path);
  assert.deepEqual(await alerts(at), []);
  assert.deepEqual(await check(at, "age", ...limits), [0, "OK - no events wait"]);
  assert.deepEqual(await check(at, "age", "--subscription", "nobody", ...limits), [
    3,
    "UNKNOWN - there is no subscription nobody",
  ]);
});

Deno.test("status, health, doctor and check name what publishers were refused, by code, without conflicts", async () => {
  await using at = await startDaemon({ config: CONFIG });
  const limits = ["--warn", "1", "--crit", "3"];
  assert.deepEqual(await check(at, "refused", ...limits), [
    0,
    "OK - nothing refused in the last 5m",
  ]);
  await at.http("POST", "/v1/topics/t/events?type=n", "{");
  await at.http("POST", "/v1/topics/t/events?type=n", "[");
  await at.http("POST", "/v1/events", "[{}]");
  // Somebody else was faster: a publisher that expects something is told so, and tries again.
  await at.publish("t", "n", 1);
  const late = await at.http("POST", "/v1/topics/t/events?type=n&expected=none", "1");
  assert.equal(late.json.error.code, "event/conflict");
  const refused = [
    { code: "event/invalid-json", count: 2 },
    { code: "event/invalid-envelope", count: 1 },
  ];
  const all = await told(at);
  assert.deepEqual(all.refused, refused);
  assert.deepEqual(all.health, [200, [], refused]);
  assert.deepEqual(all.doctor, ["event/invalid-envelope", "event/invalid-json"]);
  assert.deepEqual(await check(at, "refused", ...limits), [
    2,
    "CRITICAL - 3 refusals in the last 5m: event/invalid-json (2), event/invalid-envelope (1)",
  ]);
});
