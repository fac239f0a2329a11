/** Which values `evs alert` takes from what it has seen, and what it knows nothing of. */
import assert from "node:assert/strict";
import { type Measure, MEASURES, parseLimit } from "../../../commands/alerting/limit.ts";
import { lookOf, type Sightings } from "../../../commands/alerting/look.ts";
import { NoDaemonError } from "../../../core/base/errors.ts";
import type { SubscriptionInfo } from "../../../core/protocol/protocol.ts";

const LEAST: { [measure in Measure]?: string } = { disk: "<1%", nodes: "<3" };
const LIMITS = Object.fromEntries(
  MEASURES.map((measure) => [measure, parseLimit(measure, LEAST[measure] ?? ">0")]),
);
const NOW = { wall: 100_000, monotonic: 500 };

function look(seen: Sightings, measures: readonly Measure[] = MEASURES) {
  const limits = Object.fromEntries(measures.map((measure) => [measure, LIMITS[measure]]));
  const { readings, unseen } = lookOf(seen, { limits, now: NOW });
  return {
    values: readings.map(({ measure, subscription, value }) =>
      [measure, subscription, value].filter((part) => part !== undefined).join(" ")
    ),
    unseen: unseen.map(({ measure, subscription }) => `${measure} ${subscription}`),
  };
}

const INFO = {
  name: "s",
  pending: 3,
  leased: 2,
  scheduled: 1,
  dead: 4,
  cursors: [{ topic: "t", next: 1, lastSeq: 6, lag: 6 }],
  leasedSince: 99_000,
} as unknown as SubscriptionInfo;

Deno.test("lookOf measures what evs check measures", () => {
  const seen = {
    subscriptions: [{ ...INFO, oldestPendingAt: 90_000 }],
    refused: [{ code: "a", count: 2 }, { code: "b", count: 3 }],
    disk: { folder: "/d", free: 25, size: 100 },
  };
  assert.deepEqual(look(seen), {
    values: [
      ...["dlq s 4", "lag s 6", "age s 10000", "leased s 1000"],
      ...["refused 5", "disk 25", "down 0"],
    ],
    unseen: ["nodes *", "snapshot *", "degraded *"],
  });
});

Deno.test("lookOf measures the nodes of a database, its oldest transaction, and the daemon's health", () => {
  const nodes = [{ node: "web1-3f9a02c1", alive: true }, { node: "web2-11111111", alive: false }];
  const cluster = { node: "web1-3f9a02c1", database: "db:5432/events", oldestSnapshotMs: 700_000 };
  const status = {
    health: "degraded",
    problems: ["PostgreSQL at db:5432/events has no synchronous standby any more"],
    cluster: { ...cluster, nodes },
  } as unknown as Sightings["status"];
  const measures = ["nodes", "snapshot", "degraded"] as const;
  const seen = lookOf({ status }, { limits: LIMITS, now: NOW });
  const said = seen.readings.filter(({ measure }) => measures.some((one) => one === measure))
    .map(({ measure, value, words }) => [measure, value, words()]);
  assert.deepEqual(said, [
    ["nodes", 1, "1 node alive, as web1-3f9a02c1 sees it; gone: web2-11111111"],
    ["snapshot", 700_000, "a transaction of the database db:5432/events is open for 11m40s"],
    ["degraded", 1, "PostgreSQL at db:5432/events has no synchronous standby any more"],
  ]);
  // A daemon with files of its own has no nodes to tell of.
  const alone = { health: "ok", problems: [] } as unknown as Sightings["status"];
  const { values, unseen } = look({ status: alone }, measures);
  assert.deepEqual(values, ["degraded 0", "down 0"]);
  assert.ok(unseen.includes("nodes *") && unseen.includes("snapshot *"));
});

Deno.test("lookOf counts the dead letters of open groups, as evs check does", () => {
  const other = { ...INFO, name: "other" };
  const { values } = look({ subscriptions: [INFO, other], open: new Map([["s", 1]]) }, ["dlq"]);
  assert.deepEqual(values, ["dlq s 1", "dlq other 4", "down 0"]);
});

Deno.test("lookOf knows nothing of an age that the daemon does not know, and 0 where nothing waits", () => {
  const empty = { ...INFO, name: "e", cursors: [], leasedSince: undefined };
  const { values, unseen } = look({ subscriptions: [INFO, empty] }, ["age", "leased"]);
  assert.deepEqual(values, ["age e 0", "leased s 1000", "leased e 0", "down 0"]);
  assert.ok(unseen.includes("age s"));
});

Deno.test("lookOf knows nothing but that when the daemon does not answer", () => {
  const silent = { error: new NoDaemonError("nobody"), from: 400 };
  const { values, unseen } = look({ silent });
  assert.deepEqual(values, ["down 1"]);
  const all = MEASURES.filter((one) => one !== "down").map((measure) => `${measure} *`);
  assert.deepEqual(unseen, all);
});

Deno.test("lookOf never takes a clock that is behind for a negative age", () => {
  const seen = { subscriptions: [{ ...INFO, oldestPendingAt: 200_000, leasedSince: 200_000 }] };
  const { values } = look(seen, ["age", "leased"]);
  assert.deepEqual(values, ["age s 0", "leased s 0", "down 0"]);
});
