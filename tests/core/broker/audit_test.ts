/** Each act is recorded in the transaction that does it: both happen, or neither. */
import assert from "node:assert/strict";
import { EventBroker } from "../../../core/broker/event_broker.ts";
import { cancelScheduled } from "../../../core/broker/scheduled_list.ts";
import { retryNow } from "../../../core/delivery/scheduled_retries.ts";
import type { ActOptions } from "../../../core/event/audit.ts";
import { CannotStoreError } from "../../../core/base/errors.ts";
import { WatchedState } from "../../helpers/watched_state.ts";

const BY: ActOptions = { act: { way: "dashboard", by: { user: "anna" }, at: 7 } };
/** What shows that the act itself is in the transaction. */
const DOES: Record<string, string> = {
  "topic.create": "topic.put",
  "topic.update": "topic.put",
  "topic.remove": "topic.remove",
  "subscription.create": "subscription.put",
  "subscription.update": "subscription.put",
  "subscription.pause": "subscription.put",
  "subscription.resume": "subscription.put",
  "subscription.seek": "cursor.put",
  "subscription.remove": "subscription.remove",
  "retries.now": "retry.due",
  "dead-letters.retry": "dead.retry",
  "dead-letters.remove": "dead.remove",
  "job.start": "job.put",
  "job.cancel": "job.put",
  "job.end": "job.put",
  "schema.register": "schema.put",
  "schema.remove": "schema.remove",
  "event.redact": "redaction.put",
  "scheduled.cancel": "scheduled.remove",
};

/** Leases everything of `s` and fails it. */
async function fail(broker: EventBroker, more: { dead?: true; afterMs?: number }): Promise<void> {
  const { deliveries } = await broker.subscriptions.lease("s", { max: 100 }, { consumer: "c" });
  const failed = deliveries.map(({ token }) => ({ lease: token, error: "no", ...more }));
  await broker.subscriptions.nack("s", failed);
}

/** Every act once, as somebody outside asks for it. */
function acts(broker: EventBroker): [act: string, work: () => Promise<unknown>][] {
  const { topics, subscriptions, deadLetters, gate, redactor } = broker;
  const { jobs } = deadLetters;
  const dead = async (count: number) => {
    for (let n = 0; n < count; n++) await broker.publish("t", "x", n);
    await fail(broker, { dead: true });
  };
  const request = { topic: "t", settings: { maxRetries: 5 } };
  const changed = { ...request, settings: { maxRetries: 6 }, update: true };
  const schema = { type: "y", schema: "{}" };
  const slow = { action: "retry", all: true, rate: "1/h" } as const;
  return [
    ["topic.create", () => topics.create("t", {}, BY)],
    ["topic.update", () => topics.update("t", { maxEvents: 1000 }, BY)],
    ["subscription.create", () => subscriptions.put("s", request, BY)],
    ["subscription.update", () => subscriptions.put("s", changed, BY)],
    ["subscription.pause", () => subscriptions.pause("s", { reason: "lunch" }, BY)],
    ["subscription.resume", () => subscriptions.resume("s", BY)],
    ["", () => broker.publish("t", "x", "secret", { id: "e1" })],
    ["", () => fail(broker, { afterMs: 3_600_000 })],
    ["retries.now", () => retryNow(subscriptions.require("s"), {}, BY)],
    ["", () => fail(broker, { dead: true })],
    ["dead-letters.retry", () => deadLetters.retry({ ids: ["e1"] }, BY)],
    ["", () => fail(broker, { dead: true })],
    ["event.redact", () => redactor.redact("t", "e1", { reason: "password" }, BY)],
    ["dead-letters.remove", () => deadLetters.remove({ ids: ["e1"] }, BY)],
    ["", () => dead(3)],
    ["job.start", () => jobs.begin(slow, BY)],
    ["job.cancel", () => jobs.cancel("retry-1", BY)],
    ["dead-letters.remove", () => jobs.begin({ action: "remove", all: true }, BY)],
    ["subscription.seek", () => subscriptions.seek("s", { to: "end" }, BY)],
    ["schema.register", () => gate.register([schema], BY)],
    ["schema.remove", () => gate.remove("y", "1.0", BY)],
    ["", () => broker.publish("t", "x", 1, { id: "later", schedule: { delayMs: 3_600_000 } })],
    ["scheduled.cancel", () => cancelScheduled(broker.scheduled, { ids: ["later"] }, BY)],
    ["subscription.remove", () => subscriptions.remove("s", BY)],
    ["topic.remove", () => topics.remove("t", BY)],
  ];
}

Deno.test("every act is in the audit log, in the transaction that does it, and nothing else is", async () => {
  const state = new WatchedState();
  await using broker = new EventBroker({ state });
  for (const [act, work] of acts(broker)) {
    state.commits = [];
    await work();
    const recorded = state.commits.filter((changes) =>
      changes.some(({ op }) => op === "audit.put")
    );
    if (act === "") {
      assert.deepEqual(recorded, [], "publishing, leasing and failing is no act");
      continue;
    }
    const [changes = [], ...more] = recorded;
    assert.equal(more.length, 0, act);
    const records = changes.flatMap((change) => change.op === "audit.put" ? [change.record] : []);
    assert.deepEqual(records.map(({ act, way, by, at }) => [act, way, by, at]), [
      [act, "dashboard", { user: "anna" }, 7],
    ]);
    assert.ok(changes.some(({ op }) => op === DOES[act]), `${act} and ${DOES[act]} are together`);
  }
  const all = state.audit({ limit: 100 });
  const text = JSON.stringify(all);
  assert.ok(!text.includes("secret"), "nothing of what events say");
  assert.match(text, /"reason":"lunch"/);
  assert.match(text, /"ids":\["s:e1"\]/);
});

Deno.test("an act that is refused is not in the audit log", async () => {
  const state = new WatchedState();
  await using broker = new EventBroker({ state });
  await broker.topics.create("t", {}, BY);
  state.refuses = true;
  await assert.rejects(broker.topics.update("t", { maxEvents: 1 }, BY), CannotStoreError);
  await assert.rejects(broker.subscriptions.put("s", { topic: "t" }, BY), CannotStoreError);
  state.refuses = false;
  assert.deepEqual(state.audit({ limit: 9 }).map(({ act }) => act), ["topic.create"]);
});

Deno.test("the end of a job is recorded as the daemon's, with who started it", async () => {
  const state = new WatchedState();
  await using broker = new EventBroker({ state });
  await broker.subscriptions.put("s", { topic: "t" });
  await broker.publish("t", "x", 1);
  await fail(broker, { dead: true });
  const { jobs } = broker.deadLetters;
  const { job } = await jobs.begin({ action: "remove", all: true, rate: "1000/s" }, BY);
  await jobs.ended(job, { waitMs: 60_000, signal: new AbortController().signal });
  const [end, start] = state.audit({ limit: 2 });
  assert.deepEqual([start!.act, start!.way], ["job.start", "dashboard"]);
  assert.deepEqual([end!.act, end!.way, end!.by], ["job.end", "daemon", { user: "anna" }]);
  assert.deepEqual([end!.details!["job"], end!.details!["done"]], ["remove-1", 1]);
});

Deno.test("what an application does in its own process is recorded as the library's", async () => {
  const state = new WatchedState();
  await using broker = new EventBroker({ state });
  const topic = broker.createTopic("t", { maxEvents: 9 });
  await topic.ready;
  await broker.registerSchema("y", { type: "object" });
  const event = await broker.publish("t", "x", "secret");
  await broker.redact("t", event.seq!);
  const later = { id: "later", schedule: { delayMs: 3_600_000 } };
  await broker.publish("t", "x", 1, later);
  await broker.cancelScheduled({ ids: ["later"] });
  await broker.publish("made.by.publishing", "x", 1);
  assert.deepEqual(state.audit({ limit: 9 }).map(({ act, way }) => [act, way]), [
    ["scheduled.cancel", "library"],
    ["event.redact", "library"],
    ["schema.register", "library"],
    ["topic.create", "library"],
  ]);
});

Deno.test("a pause with a reason as long as a request is recorded with the beginning of it", async () => {
  const state = new WatchedState();
  await using broker = new EventBroker({ state });
  await broker.subscriptions.put("s", { topic: "t" });
  await broker.subscriptions.pause("s", { reason: "r".repeat(900_000) }, BY);
  const [pause] = state.audit({ limit: 1 });
  assert.match(String(pause!.details!["reason"]), /^r{4000,4095}…$/);
});
