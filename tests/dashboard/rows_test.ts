/** What the dashboard says about subscriptions, dead letters, jobs, schemas, logs and acts. */
import assert from "node:assert/strict";
import type { SubscriptionInfo } from "../../core/protocol/protocol.ts";
import type { SchemaInfo } from "../../core/protocol/schemas.ts";
import { actorText, detailsText } from "../../dashboard/view/audit_rows.ts";
import { barHeights, trendOf } from "../../dashboard/view/dead_letter_groups.ts";
import { doctorSummary, readDiagnosis } from "../../dashboard/view/diagnosis.ts";
import { rateField } from "../../dashboard/view/duration_field.ts";
import { EventLine, sampledEvents, tallyOf, withNewest } from "../../dashboard/view/event_line.ts";
import { jobPercent, jobState, jobWords, type ShownJob } from "../../dashboard/view/job_words.ts";
import { isAtLeast, readLogEntry } from "../../dashboard/view/log_entry.ts";
import { concerns, healthBadge } from "../../dashboard/view/overview.ts";
import { comparedVersions, schemaTypes, topicsOfType } from "../../dashboard/view/schema_rows.ts";
import { seekEffect } from "../../dashboard/view/seek_words.ts";
import { nextSorting, sortedBy } from "../../dashboard/view/sorting.ts";
import { busiest, matching, subscriptionState } from "../../dashboard/view/subscription_rows.ts";
import { holderWords } from "../../dashboard/view/subscription_words.ts";

Deno.test("a subscription that paused by itself is worse than one that a person paused", () => {
  assert.deepEqual(subscriptionState({ paused: false }), { tone: "good", text: "active" });
  assert.equal(subscriptionState({ paused: true, pausedBy: "person" }).tone, "warn");
  assert.deepEqual(subscriptionState({ paused: true, pausedBy: "breaker" }), {
    tone: "bad",
    text: "paused by its breaker",
  });
});

Deno.test("busiest lists paused ones and those with work, the most work first", () => {
  const info = (name: string, pending: number, paused = false) =>
    ({ name, pending, leased: 0, scheduled: 0, paused }) as SubscriptionInfo;
  const names = busiest([info("a", 1), info("b", 0), info("c", 0, true), info("d", 9)], 3)
    .map(({ name }) => name);
  assert.deepEqual(names, ["d", "a", "c"]);
});

Deno.test("tables are filtered by name or topic, and sorted by a column, then by name", () => {
  const rows = [{ name: "b", n: 1 }, { name: "a", n: 1 }, { name: "c", n: 2, topic: "Orders" }];
  assert.deepEqual(matching(rows, " ORDER ").map(({ name }) => name), ["c"]);
  const value = ({ n }: { n: number }) => n;
  const sorted = (isDescending: boolean) =>
    sortedBy(rows, { value, isDescending }).map(({ name }) => name);
  assert.deepEqual(sorted(true), ["c", "a", "b"]);
  assert.deepEqual(sorted(false), ["a", "b", "c"]);
  const byName = { by: "name", isDescending: false };
  assert.deepEqual(nextSorting(byName, { name: "n", isNumber: true }), {
    by: "n",
    isDescending: true,
  });
  assert.deepEqual(nextSorting(byName, { name: "name", isNumber: false }), {
    by: "name",
    isDescending: true,
  });
});

Deno.test("the health, alerts and refusals are concerns, problems first", () => {
  const health = {
    health: "ok" as const,
    problems: [],
    alerts: [{
      name: "lag" as const,
      subscription: "a",
      value: 9,
      limit: 1,
      message: "a is behind",
    }],
    refused: [{ code: "event/too-large", count: 2 }],
  };
  assert.deepEqual(healthBadge(health), { tone: "warn", text: "1 alert" });
  assert.equal(healthBadge({ ...health, health: "degraded" }).tone, "bad");
  assert.deepEqual(
    concerns({ ...health, problems: ["the disk is full"] }).map(({ tone }) => tone),
    ["bad", "warn", "warn"],
  );
});

Deno.test("seekEffect and holderWords say it in words", () => {
  assert.equal(
    seekEffect({ redo: 1, skip: 2 }),
    "delivers 1 event again and skips 2 events for good",
  );
  assert.equal(seekEffect({ redo: 0, skip: 0 }), "moves nothing");
  assert.equal(holderWords({ pid: 5, host: "box", command: "./bill" }), "pid 5 on box: ./bill");
  assert.equal(holderWords({ command: "./a\u202eb" }), "./a\\u202eb");
  assert.equal(holderWords({}), "not known");
});

Deno.test("trendOf sees a cause that rises, and one that is over", () => {
  const hours = [...Array(23).fill(1), 9];
  assert.equal(trendOf({ hours })?.tone, "bad");
  assert.equal(trendOf({ hours: [5, 5, 5] })?.tone, "warn");
  assert.equal(trendOf({ hours: [5, 5, 0] })?.tone, "good");
  assert.equal(trendOf({}), undefined);
  assert.deepEqual(barHeights([0, 2, 4]), [0, 0.5, 1]);
  assert.deepEqual(barHeights([0, 0]), [0, 0]);
});

Deno.test("a job says how far it is, and what it could not do", () => {
  const job: ShownJob = {
    job: "retry-1",
    action: "retry",
    state: "running",
    total: 10,
    done: 3,
    gone: 1,
    failed: [{ reason: "gone", count: 2 }],
    left: 4,
    startedAt: 0,
    way: "cli",
  };
  assert.equal(jobPercent(job), 60);
  assert.equal(jobPercent({ total: 0, left: 0 }), 100);
  assert.equal(jobWords(job), "3 of 10 sent again, 1 was gone, 2 failed");
  assert.equal(jobState(job).text, "running");
  assert.equal(jobState({ ...job, waiting: "the disk is full" }).text, "waiting");
  assert.equal(jobState({ ...job, state: "done" }).tone, "bad");
  assert.equal(jobState({ ...job, state: "done", failed: [] }).tone, "good");
});

Deno.test("schemas are listed by type, with the topics that use them", () => {
  const version = (type: string, version: string, latest: boolean): SchemaInfo => ({
    type,
    version,
    latest,
    registeredAt: 0,
    bytes: 2,
    compatibility: "backward",
  });
  const [a] = schemaTypes([
    version("b", "1", true),
    version("a", "1", false),
    version("a", "2", true),
  ]);
  assert.deepEqual([a!.name, a!.latest, a!.versions.length, a!.compatibility], [
    "a",
    "2",
    2,
    "backward",
  ]);
  assert.deepEqual(comparedVersions(a!, new URLSearchParams()), { from: "1", to: "2" });
  assert.deepEqual(comparedVersions(a!, new URLSearchParams("to=1&from=9")), {
    from: "1",
    to: "1",
  });
  const document = {
    channels: {
      orders: { address: "orders", messages: { x: { $ref: "#/components/messages/a~11-2" } } },
      other: { messages: { y: { $ref: "#/components/messages/b" } } },
    },
    components: { messages: { "a/1-2": { name: "a/1" }, b: { name: "b" } } },
  };
  assert.deepEqual(topicsOfType(document, "a/1"), ["orders"]);
  assert.deepEqual(topicsOfType({}, "a"), []);
});

Deno.test("lines of the log that are no entries are shown as they are", () => {
  const entry = readLogEntry('{"time":"1970-01-01T00:00:01Z","level":"error","message":"m","n":1}');
  assert.deepEqual(entry, { time: 1_000, level: "error", message: "m", fields: '{"n":1}' });
  assert.deepEqual(readLogEntry("half"), { level: "", message: "half", fields: "" });
  assert.equal(isAtLeast(entry, "warning"), true);
  assert.equal(isAtLeast({ ...entry, level: "info" }, "warning"), false);
  assert.equal(isAtLeast(readLogEntry("half"), "error"), true);
});

Deno.test("the doctor's findings are summed up", () => {
  const finding = (level: string) =>
    readDiagnosis(JSON.stringify({ check: "c", level, where: "w", what: "x" }));
  assert.equal(doctorSummary([finding("ok")]), "All is well.");
  assert.equal(doctorSummary([finding("warning")]), "Nothing is damaged, 1 warning.");
  assert.equal(
    doctorSummary([finding("damage"), finding("warning")]),
    "1 thing is damaged, 1 warning.",
  );
});

Deno.test("an act says by which way, and by whom as they claimed", () => {
  const act = { number: 1, at: 0, act: "subscription.pause", way: "cli" };
  assert.equal(actorText(act), "cli");
  assert.equal(
    actorText({ ...act, by: { user: "anna", host: "box", pid: 7, command: "evs dlq retry" } }),
    "cli: anna@box: evs dlq retry, pid 7",
  );
  assert.equal(
    detailsText({ ...act, details: { count: 3, reason: "a\u202eb" } }),
    "count 3, reason a\\u202eb",
  );
});

Deno.test("a rate that cannot be read is refused in words", () => {
  assert.deepEqual(rateField(" 10/s "), { value: "10/s" });
  assert.deepEqual(rateField(""), {});
  assert.match(rateField("ten").fault!, /a rate is a whole number per s, m or h/);
});

Deno.test("events that come in are kept up to a number, and counted by type and key", () => {
  const line = (seq: number, key?: string) =>
    JSON.stringify({
      seq,
      id: "i",
      type: `t${seq % 2}`,
      topic: "a",
      timestamp: 1,
      key,
      payload: 1,
    });
  const rows = withNewest([new EventLine(line(1))], {
    lines: [line(2, "k"), line(3, "k")],
    most: 2,
  });
  assert.deepEqual(rows.map(({ event }) => event.seq), ["3", "2"]);
  assert.deepEqual(tallyOf(rows), {
    types: [{ name: "t0", count: 1 }, { name: "t1", count: 1 }],
    keys: [{ name: "k", count: 2 }],
  });
  assert.equal(sampledEvents({ events: 0, bytes: 0 }), 0);
  assert.equal(sampledEvents({ events: 50, bytes: 50 }), 50);
  assert.equal(sampledEvents({ events: 1_000_000, bytes: 1_000_000 }), 2_000);
  assert.equal(sampledEvents({ events: 100, bytes: 100 * 2 ** 20 }), 8);
});
