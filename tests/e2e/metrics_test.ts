/** What `/metrics` tells of topics, subscriptions and the daemon, and in which format. */
import assert from "node:assert/strict";
import { formatFor, label } from "../../daemon/metrics.ts";
import { startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { evs, until } from "../helpers/evs.ts";
import { metricsOf } from "../helpers/metrics.ts";

async function leased(at: TestDaemon, name: string, max: number): Promise<string[]> {
  const { json } = await at.http("POST", `/v1/subscriptions/${name}/lease`, { max });
  return json.deliveries.map(({ lease }: { lease: string }) => lease);
}

Deno.test("GET /metrics tells of a topic and a subscription what became of their events", async () => {
  await using at = await startDaemon();
  const before = Date.now() / 1000;
  await at.publish("orders", "made", 1, 2, 3, 4, 5);
  const backoff = { kind: "fixed", base: 3_600_000, max: 3_600_000, jitter: false };
  const settings = { maxRetries: 1, backoff };
  await at.http("PUT", "/v1/subscriptions/mail", { topic: "orders", settings });
  const [first, second, third] = await leased(at, "mail", 4);
  await at.http("POST", "/v1/subscriptions/mail/ack", { leases: [first] });
  const failed = [{ lease: second, error: "no", dead: true }, { lease: third, error: "later" }];
  await at.http("POST", "/v1/subscriptions/mail/nack", { deliveries: failed });

  const samples = await metricsOf(at);
  const after = Date.now() / 1000;
  const topic = (name: string) => samples.get(`evs_topic_${name}{topic="orders"}`)!;
  assert.deepEqual(["published_total", "events", "last_seq"].map(topic), [5, 5, 5]);
  assert.equal(topic("bytes"), 5 * 3);
  for (const name of ["oldest", "newest"]) {
    const at = topic(`${name}_timestamp_seconds`);
    assert.ok(before - 0.01 <= at && at <= after, `${before} ${at} ${after}`);
  }
  const of = (name: string) => samples.get(`evs_subscription_${name}{subscription="mail"}`)!;
  assert.deepEqual(
    {
      pending: of("pending"),
      inFlight: of("in_flight"),
      retries: of("retries_scheduled"),
      acknowledged: of("acknowledged_total"),
      failed: of("failed_total"),
      dead: of("dead_total"),
      deadLetters: of("dead_letters"),
      missed: of("missed_total"),
      paused: of("paused"),
      handled: of("handler_seconds_count"),
    },
    {
      pending: 1,
      inFlight: 1,
      retries: 1,
      acknowledged: 1,
      failed: 2,
      dead: 1,
      deadLetters: 1,
      missed: 0,
      paused: 0,
      handled: 1,
    },
  );
  const age = of("oldest_pending_seconds");
  assert.ok(age > 0 && age <= after - before + 0.01, `${age}`);
  assert.equal(
    samples.get('evs_subscription_handler_seconds_bucket{subscription="mail",le="+Inf"}'),
    1,
  );
  assert.ok(of("handler_seconds_sum") > 0 && of("handler_seconds_sum") < after - before);

  await at.http("POST", "/v1/subscriptions/mail/seek", { to: "end" });
  await at.http("POST", "/v1/subscriptions/mail/pause", {});
  const later = await metricsOf(at);
  assert.equal(later.get('evs_subscription_paused{subscription="mail"}'), 1);
});

Deno.test("GET /metrics goes on from what is stored when the daemon starts again", async () => {
  await using at = await startDaemon();
  await at.publish("t", "n", 1, 2);
  await at.http("PUT", "/v1/subscriptions/s", { topic: "t" });
  const newest = 'evs_topic_newest_timestamp_seconds{topic="t"}';
  const told = (await metricsOf(at)).get(newest)!;
  await at.stop();
  await at.start();
  const samples = await metricsOf(at);
  assert.equal(samples.get('evs_topic_published_total{topic="t"}'), 0);
  assert.equal(samples.get('evs_topic_last_seq{topic="t"}'), 2);
  assert.equal(samples.get('evs_subscription_acknowledged_total{subscription="s"}'), 0);
  // The timestamp of the event, which is a moment before it was stored.
  assert.ok(Math.abs(samples.get(newest)! - told) < 60, `${samples.get(newest)} ${told}`);
  assert.ok(samples.get('evs_subscription_oldest_pending_seconds{subscription="s"}')! > 0);
});

Deno.test("GET /metrics and evs check age tell no age of a subscription when it is not known yet", async () => {
  await using at = await startDaemon();
  const count = 170;
  await at.publish("t", "n", ...Array.from({ length: count }, (_, n) => n));
  for (let n = 0; n < count; n++) {
    const from = { topic: "t", from: String(n + 1) };
    assert.equal((await at.http("PUT", `/v1/subscriptions/s${n}`, from)).status, 201);
  }
  await at.http("PUT", "/v1/subscriptions/done", { topic: "t", from: "end" });
  await at.stop();
  await at.start();
  const agesOf = (samples: Map<string, number>) =>
    [...samples].filter(([name]) => name.startsWith("evs_subscription_oldest_pending_seconds"));
  const ages = agesOf(await metricsOf(at));
  assert.ok(ages.length < count, `${ages.length}`);
  assert.deepEqual(ages.filter(([, age]) => age === 0).map(([name]) => name), [
    'evs_subscription_oldest_pending_seconds{subscription="done"}',
  ]);
  await until(async () => agesOf(await metricsOf(at)).length === count + 1);
  const { code, stdout } = await evs(["check", "age", "--warn", "10h", "--crit", "20h"], { at });
  assert.deepEqual([code, stdout.slice(0, 29)], [0, "OK - the oldest event of s0 i"]);
});

Deno.test("GET /metrics counts what is refused by its code, and appends by their time", async () => {
  await using at = await startDaemon();
  await at.publish("t", "n", 1);
  const lines = "1\n{\n2\n[\n";
  await at.http("POST", "/v1/topics/t/events?type=n&onError=skip", lines, {
    "content-type": "application/x-ndjson",
  });
  await at.http("POST", "/v1/topics/t/events?type=n&expected=none", "1");
  await at.http("POST", "/v1/events", "[{}]");
  const samples = await metricsOf(at);
  const refused = new Map(
    [...samples].filter(([name]) => name.startsWith("evs_publish_refusals_total"))
      .map(([name, count]) => [/code="(.*)"/.exec(name)![1], count]),
  );
  assert.deepEqual(
    refused,
    new Map<string | undefined, number>([
      ["event/invalid-json", 2],
      ["event/conflict", 1],
      ["event/invalid-envelope", 1],
    ]),
  );
  assert.equal(samples.get("evs_events_refused_total"), 4);
  const appends = samples.get("evs_appends_total");
  for (const name of ["publish", "sync"]) {
    // The refused append took its time, too.
    assert.ok(samples.get(`evs_${name}_seconds_count`)! >= appends!, name);
    const buckets = [...samples].filter(([key]) => key.startsWith(`evs_${name}_seconds_bucket`));
    const counts = buckets.map(([, count]) => count);
    assert.deepEqual(counts, [...counts].sort((a, b) => a - b));
    assert.equal(counts.at(-1), samples.get(`evs_${name}_seconds_count`));
  }
  assert.equal(samples.get("evs_health"), 0);
  assert.ok(samples.get("evs_disk_free_bytes")! > 0 && samples.get("evs_disk_used_bytes")! > 0);
});

Deno.test("GET /metrics sums up the topics beyond the first thousand, and keeps the sum of those that go", async () => {
  await using at = await startDaemon({ store: "memory" });
  for (let from = 0; from < 1003; from += 500) {
    const count = Math.min(500, 1003 - from);
    const events = Array.from({ length: count }, (_, n) => ({
      topic: `t${from + n}`,
      type: "n",
      payload: 1,
    }));
    const { status, text } = await at.http("POST", "/v1/events", events);
    assert.equal(status, 200, text);
  }
  const published = 'evs_topic_published_total{topic="(other)"}';
  const before = await metricsOf(at);
  const own = [...before.keys()].filter((name) =>
    /^evs_topic_published_total\{topic="t/.test(name)
  );
  assert.equal(own.length, 1000);
  assert.deepEqual([before.get("evs_topics_summed"), before.get(published)], [3, 3]);
  assert.equal(before.get('evs_topic_last_seq{topic="(other)"}'), undefined);
  const summed = Array.from({ length: 1003 }, (_, n) => `t${n}`)
    .find((name) => !before.has(`evs_topic_last_seq{topic="${name}"}`))!;
  await at.http("DELETE", `/v1/topics/${summed}`);
  const after = await metricsOf(at);
  assert.deepEqual([after.get("evs_topics_summed"), after.get(published)], [2, 3]);
  assert.equal(after.get('evs_topic_events{topic="(other)"}'), 2);
});

Deno.test("GET /metrics is OpenMetrics where Accept asks for it", async () => {
  await using at = await startDaemon();
  await at.publish("t", "n", 1);
  const accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5";
  const open = await at.http("GET", "/metrics", undefined, { accept });
  assert.equal(
    open.headers.get("content-type"),
    "application/openmetrics-text; version=1.0.0; charset=utf-8",
  );
  assert.match(open.text, /^# TYPE evs_topic_published counter$/m);
  assert.match(open.text, /^# UNIT evs_publish_seconds seconds$/m);
  assert.match(open.text, /^evs_topic_published_total\{topic="t"\} 1$/m);
  assert.match(open.text, /\n# EOF\n$/);
  const plain = await at.http("GET", "/metrics");
  assert.match(plain.headers.get("content-type")!, /^text\/plain; version=0\.0\.4/);
  assert.match(plain.text, /^# TYPE evs_topic_published_total counter$/m);
  assert.doesNotMatch(plain.text, /# EOF/);
});

Deno.test("formatFor takes the format that an Accept header prefers", () => {
  for (
    const [accept, format] of [
      [undefined, "text"],
      ["*/*", "text"],
      ["text/html", "text"],
      ["application/openmetrics-text", "openmetrics"],
      ["Application/OpenMetrics-Text; Version=1.0.0; Q=0.5, */*;q=0.1", "openmetrics"],
      ["text/plain;q=0.9, application/openmetrics-text;q=0.3", "text"],
      ["application/openmetrics-text;q=0", "text"],
    ] as const
  ) assert.equal(formatFor(accept), format, accept);
});

Deno.test("label escapes what would end a value", () => {
  assert.equal(label("a", 'x"y\\z\nw'), String.raw`a="x\"y\\z\nw"`);
});

Deno.test("docs/monitoring.md lists every series that there is, and no other", async () => {
  await using at = await startDaemon();
  await at.publish("t", "n", 1);
  await at.http("PUT", "/v1/subscriptions/s", { topic: "t" });
  const leases = await leased(at, "s", 1);
  await at.http("POST", "/v1/subscriptions/s/ack", { leases });
  await at.http("POST", "/v1/events", "[{}]");
  const { text } = await at.http("GET", "/metrics");
  const told = [...text.matchAll(/^# TYPE (\S+) /gm)].map(([, name]) => name!);
  const page = await Deno.readTextFile(new URL("../../docs/monitoring.md", import.meta.url));
  // What only nodes have: tests/system/postgres/metrics_test.ts
  const [local] = page.split("\n## Several nodes\n");
  const listed = [...local!.matchAll(/^\| `(evs_\w+)/gm)].map(([, name]) => name!);
  assert.deepEqual(listed.sort(), told.sort());
});
