/**
 * A subscription that is created at a seq, or moved to one, whose events are deleted: what is gone
 * is counted as missed and told, by each surface.
 */
import assert from "node:assert/strict";
import { connect, EventBroker } from "../../mod.ts";
import { OverflowError } from "../../core/base/errors.ts";
import { startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { evs, until } from "../helpers/evs.ts";

const MISSED = { topic: "t", from: 5, to: 90, count: 86 };
const WORDS = "missed 5..90 of t (86 events): retention deleted them";
const LEFT = Array.from({ length: 10 }, (_, i) => i + 91);

/** A topic of which the events 91 to 100 are left. */
async function shorten(at: TestDaemon): Promise<void> {
  await at.http("PUT", "/v1/topics/t", { maxEvents: 10 });
  await at.publish("t", "n", ...Array.from({ length: 100 }, (_, i) => i + 1));
  await until(async () => (await at.http("GET", "/v1/topics/t")).json.events === 10);
}

for (const store of ["sqlite", "file", "memory"]) {
  Deno.test(`a subscription that is created at a deleted seq counts what is gone as missed: ${store}`, async () => {
    await using at = await startDaemon({ store });
    await shorten(at);
    const made = await at.http("PUT", "/v1/subscriptions/s", { topic: "t", from: "5" });
    assert.equal(made.status, 201);
    assert.deepEqual(made.json.missed, [MISSED]);
    assert.equal(made.json.pending, 10);
    const lease = async () => (await at.http("POST", "/v1/subscriptions/s/lease", { max: 3 })).json;
    const first = await lease();
    assert.deepEqual(first.missed, [MISSED], "the first consumer is told");
    assert.equal(first.deliveries[0].event.seq, 91);
    assert.equal((await lease()).missed, undefined);
    for (const from of ["start", "91", "95", "100", "101", "-3", "-200", "@-1h", "end"]) {
      const other = await at.http("PUT", `/v1/subscriptions/from${from.replace("@", "")}`, {
        topic: "t",
        from,
      });
      assert.deepEqual([other.status, other.json.missed], [201, []], from);
    }
    if (store === "memory") return;
    await at.kill();
    await at.start();
    const info = (await at.http("GET", "/v1/subscriptions/s")).json;
    assert.deepEqual(info.missed, [MISSED], "also after a kill");
  });

  Deno.test(`a seek to a deleted seq says what is gone, and counts it once: ${store}`, async () => {
    await using at = await startDaemon({ store });
    await shorten(at);
    await at.http("PUT", "/v1/subscriptions/s", { topic: "t", from: "end" });
    const info = async () => (await at.http("GET", "/v1/subscriptions/s")).json;
    const seek = async (to: string, dryRun = false) =>
      (await at.http("POST", "/v1/subscriptions/s/seek", { to, dryRun })).json;
    const moved = { redo: 10, skip: 0, missed: [MISSED] };
    assert.deepEqual(await seek("5", true), {
      dryRun: true,
      topics: [{ topic: "t", from: 101, to: 91 }],
      ...moved,
    });
    assert.deepEqual((await info()).missed, [], "a dry run counts nothing");
    assert.deepEqual(await seek("5"), {
      dryRun: false,
      topics: [{ topic: "t", from: 101, to: 91 }],
      ...moved,
    });
    assert.deepEqual((await info()).missed, [MISSED]);
    assert.deepEqual((await seek("50")).missed, [{ ...MISSED, from: 50, count: 41 }]);
    assert.deepEqual((await info()).missed, [MISSED], "nothing counts twice");
    await seek("3");
    assert.deepEqual((await info()).missed, [{ ...MISSED, from: 3, count: 88 }]);
    for (const to of ["start", "91", "end", "-200", "@-1h"]) {
      assert.equal((await seek(to)).missed, undefined, to);
    }
    await seek("95");
    const leased = (await at.http("POST", "/v1/subscriptions/s/lease", { max: 10 })).json;
    assert.equal(leased.deliveries[0].event.seq, 95);
    if (store === "memory") return;
    await at.kill();
    await at.start();
    assert.deepEqual((await info()).missed, [{ ...MISSED, from: 3, count: 88 }]);
  });
}

Deno.test("a response with events says in a header what is deleted of what was asked for", async () => {
  await using at = await startDaemon();
  await shorten(at);
  const missed = async (path: string) => {
    const answer = await at.http("GET", path);
    assert.equal(answer.status, 200, answer.text);
    return answer.headers.get("evs-missed");
  };
  assert.equal(await missed("/v1/topics/t/events?from=5"), "5..90");
  assert.equal(await missed("/v1/events?topic=t&from=0"), "1..90");
  assert.equal(await missed("/v1/topics/t/events?from=5&to=50"), "5..50");
  assert.equal(await missed("/v1/topics/t/events?from=5&follow=1&limit=1"), "5..90");
  for (const query of ["", "?from=start", "?from=91", "?from=-200", "?from=@-1h", "?from=end"]) {
    assert.equal(await missed(`/v1/topics/t/events${query}`), null, query);
  }
});

Deno.test("a seek to a deleted seq keeps the retries and leases of deleted events that are at or after it", async () => {
  await using at = await startDaemon();
  await at.http("PUT", "/v1/topics/t", {});
  await at.publish("t", "n", ...Array.from({ length: 20 }, (_, i) => i + 1));
  const backoff = { kind: "fixed", base: 600_000, max: 600_000, jitter: false };
  await at.http("PUT", "/v1/subscriptions/s", { topic: "t", settings: { backoff } });
  const lease = async (max: number) =>
    (await at.http("POST", "/v1/subscriptions/s/lease", { max, leaseMs: 600_000 })).json
      .deliveries as { lease: string; event: { seq: number } }[];
  const held = await lease(8); // 1 to 8
  const deliveries = [2, 6].map((seq) => ({ lease: held[seq - 1]!.lease, error: "no" }));
  await at.http("POST", "/v1/subscriptions/s/nack", { deliveries });
  await at.http("PATCH", "/v1/topics/t", { maxEvents: 10 });
  await at.publish("t", "n", 21);
  await until(async () => (await at.http("GET", "/v1/topics/t")).json.firstSeq === 12);
  // Shown while it is being done; what the same thread stores next comes after it.
  await at.publish("other", "n", 1);
  const { json } = await at.http("POST", "/v1/subscriptions/s/seek", { to: "5" });
  // Gone are 5 to 11; 6 is retried, 5, 7 and 8 are with their consumer.
  assert.deepEqual(json.missed, [{ topic: "t", from: 5, to: 11, count: 3 }]);
  assert.equal(json.topics[0].to, 12);
  assert.equal((await lease(1))[0]!.event.seq, 6, "its retry is due now");
  assert.equal((await lease(1))[0]!.event.seq, 12);
  const leases = [5, 7, 8].map((seq) => held[seq - 1]!.lease);
  const acked = await at.http("POST", "/v1/subscriptions/s/ack", { leases });
  assert.deepEqual(acked.json, { settled: 3, lost: [] });
});

Deno.test("evs consume --from and evs subscription seek say what is deleted at the seq that was asked for", async () => {
  await using at = await startDaemon();
  await shorten(at);
  const consume = ["consume", "t", "--name", "s", "--from", "5", "--until-empty", "--", "cat"];
  const consumed = await evs(consume, { at });
  assert.equal(consumed.code, 0, consumed.stderr);
  assert.equal(consumed.stderr.split(WORDS).length, 2, consumed.stderr);
  assert.equal(consumed.stdout, LEFT.join("\n") + "\n");
  const shown = await evs(["subscription", "show", "s", "--json"], { at });
  assert.deepEqual(JSON.parse(shown.stdout).missed, [MISSED]);
  for (const flags of [["--dry-run"], ["--yes"]]) {
    const moved = await evs(["subscription", "seek", "s", "5", ...flags], { at });
    assert.equal(moved.code, 0, moved.stderr);
    assert.match(moved.stderr, new RegExp(`^evs: ${WORDS.replaceAll(/[.()]/g, "\\$&")}\n`));
    assert.deepEqual(JSON.parse(moved.stdout).missed, [MISSED]);
  }
  const within = await evs(["subscription", "seek", "s", "95", "--yes"], { at });
  assert.deepEqual([within.code, within.stderr], [0, ""]);
});

Deno.test("subscribe() tells what is deleted at the seq that it starts from: connect()", async () => {
  await using at = await startDaemon();
  await shorten(at);
  for (const name of ["s", undefined]) {
    const notices: string[] = [];
    await using broker = await connect({
      socket: at.socket,
      onNotice: (text) => notices.push(text),
    });
    const seqs: unknown[] = [];
    const subscription = broker.subscribe("t", ({ seq }) => void seqs.push(seq), {
      name,
      from: "5",
    });
    await until(() => seqs.length === LEFT.length);
    assert.deepEqual(seqs, LEFT);
    assert.deepEqual((await subscription.info()).missed, [MISSED]);
    assert.equal(notices.length, 1);
    assert.ok(notices[0]!.endsWith(`: ${WORDS}`), notices[0]);
  }
});

Deno.test("subscribe() tells what is deleted at the seq that it starts from: EventBroker", async () => {
  const errors: unknown[] = [];
  await using broker = new EventBroker({ onError: (error) => errors.push(error) });
  await broker.createTopic("t", { maxEvents: 10 });
  for (let n = 1; n <= 100; n++) await broker.publish("t", "n", n);
  await broker.retain();
  for (const name of ["s", undefined]) {
    const seqs: unknown[] = [];
    const subscription = broker.subscribe("t", ({ seq }) => void seqs.push(seq), {
      name,
      from: "5",
    });
    await subscription.ready;
    await broker.idle();
    assert.deepEqual(seqs, LEFT);
    assert.deepEqual((await subscription.info()).missed, [MISSED]);
    const error = errors.pop();
    assert.ok(error instanceof OverflowError && errors.length === 0);
    assert.ok(error.message.endsWith(` ${WORDS}`), error.message);
  }
});
