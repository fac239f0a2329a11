/**
 * Prometheus' own tool accepts our metrics, in both formats, and our alert rules; and the recipe of
 * docs/monitoring.md works.
 */
import assert from "node:assert/strict";
import { startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { metricsOf } from "../helpers/metrics.ts";
import { needTools } from "../helpers/shell.ts";

const page = await Deno.readTextFile(new URL("../../docs/monitoring.md", import.meta.url));

/** The first block of code of a language on the page that has this text. */
function blockOf(language: string, text: string): string {
  const blocks = [...page.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)];
  const found = blocks.find(([, kind, body]) => kind === language && body!.includes(text));
  assert.ok(found, `docs/monitoring.md has ${language} with ${text}`);
  return found[2]!;
}

async function promtool(args: string[], input?: string): Promise<string> {
  const command = new Deno.Command("promtool", {
    args,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  });
  const child = command.spawn();
  const writer = child.stdin.getWriter();
  if (input !== undefined) await writer.write(new TextEncoder().encode(input));
  await writer.close();
  const { code, stdout, stderr } = await child.output();
  const words = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  assert.equal(code, 0, words);
  return words;
}

/** A daemon of whose metrics none is missing. */
async function busyDaemon(): Promise<TestDaemon> {
  const at = await startDaemon();
  await at.publish("orders", "made", 1, 2, 3);
  await at.http("PUT", "/v1/subscriptions/mail", { topic: "orders" });
  const { json } = await at.http("POST", "/v1/subscriptions/mail/lease", { max: 2 });
  const [first, second] = json.deliveries;
  await at.http("POST", "/v1/subscriptions/mail/ack", { leases: [first.lease] });
  await at.http("POST", "/v1/subscriptions/mail/nack", {
    deliveries: [{ lease: second.lease, error: "no", dead: true }],
  });
  await at.http("POST", "/v1/events", "[{}]");
  return at;
}

Deno.test("promtool has nothing to say about the metrics of a daemon", async () => {
  needTools("promtool");
  await using at = await busyDaemon();
  const { text } = await at.http("GET", "/metrics");
  assert.match(text, /_handler_seconds_bucket\{subscription="mail"/);
  assert.match(text, /_refusals_total\{code="event\/invalid-envelope"\}/);
  assert.equal(await promtool(["check", "metrics"], text), "");
});

Deno.test("promtool reads the metrics of a daemon as OpenMetrics", async () => {
  needTools("promtool");
  await using at = await busyDaemon();
  const accept = "application/openmetrics-text;version=1.0.0";
  const { text } = await at.http("GET", "/metrics", undefined, { accept });
  // It takes only samples with a time.
  const now = Math.floor(Date.now() / 1000);
  const timed = text.replaceAll(/^([^#].*)$/gm, `$1 ${now}`);
  await Deno.writeTextFile(`${at.folder}/open.txt`, timed);
  const out = `${at.folder}/blocks`;
  const words = await promtool(
    ["tsdb", "create-blocks-from", "openmetrics", `${at.folder}/open.txt`, out],
  );
  await Deno.mkdir(`${out}/wal`); // without one it reads nothing
  const dumped = await promtool(["tsdb", "dump", out]);
  assert.match(dumped, /\{__name__="evs_topic_published_total", topic="orders"\} 3 /, words);
  const samples = text.split("\n").filter((line) => line !== "" && !line.startsWith("#")).length;
  assert.equal(dumped.split("\n").filter((line) => line.startsWith("{")).length, samples);
});

Deno.test("promtool accepts the alert rules of docs/monitoring.md, and each names series that there are", async () => {
  needTools("promtool");
  await using at = await busyDaemon();
  const rules = `${at.folder}/evs.rules.yml`;
  const text = blockOf("yaml", "groups:");
  await Deno.writeTextFile(rules, text);
  const count = text.split("- alert:").length - 1;
  assert.match(await promtool(["check", "rules", rules]), new RegExp(`SUCCESS: ${count} rules`));
  const there = new Set([...(await metricsOf(at)).keys()].map((name) => name.split("{")[0]));
  const used = [...text.matchAll(/\bevs_\w+/g)].map(([name]) => name);
  assert.ok(used.length >= count);
  for (const name of used) assert.ok(there.has(name), name);
});

Deno.test("the recipe of docs/monitoring.md leaves a whole file for the node exporter, and the old one when it fails", async () => {
  needTools("curl", "promtool");
  await using at = await busyDaemon();
  const script = `${at.folder}/evs-metrics`;
  await Deno.writeTextFile(script, blockOf("sh", "# evs-metrics SOCKET FILE"), { mode: 0o755 });
  const out = `${at.folder}/evs.prom`;
  const run = () => new Deno.Command(script, { args: [at.socket, out], stderr: "piped" }).output();
  const { code, stderr } = await run();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  const written = await Deno.readTextFile(out);
  assert.match(written, /^evs_health 0$/m);
  assert.equal(await promtool(["check", "metrics"], written), "");
  await at.stop();
  assert.notEqual((await run()).code, 0);
  assert.equal(await Deno.readTextFile(out), written);
  const left = Array.from(Deno.readDirSync(at.folder), ({ name }) => name);
  assert.deepEqual(left.filter((name) => name.startsWith("evs.prom")), ["evs.prom"]);
});

/** Series of three nodes; a list is of one node each, a number of all. */
function seriesOf(values: Record<string, string | string[]>): unknown[] {
  return Object.entries(values).flatMap(([name, of]) =>
    [0, 1, 2].map((n) => ({
      series: name.replace("{", `{job="evs-nodes",instance="web${n}",`),
      values: Array.isArray(of) ? of[n] : of,
    }))
  );
}

Deno.test("promtool finds each condition of several nodes once with the rules of docs/monitoring.md, and those of a node for it", async () => {
  needTools("promtool");
  await using at = await startDaemon();
  const rules = `${at.folder}/nodes.yml`;
  await Deno.writeTextFile(rules, blockOf("yaml", "  - name: evs-nodes"));
  await promtool(["check", "rules", rules]);
  const ofS = '{subscription="s"}';
  const input = seriesOf({
    // Told by each of them about the whole, or counted by each for itself.
    [`evs_subscription_oldest_pending_seconds${ofS}`]: "400x30",
    [`evs_subscription_dead_total${ofS}`]: ["0x30", "0+1x30", "0+2x30"],
    [`evs_subscription_missed_total${ofS}`]: "0+3x30",
    [`evs_subscription_parts_unowned${ofS}`]: "4x30",
    [`evs_subscription_pending${ofS}`]: "10x30",
    "evs_database_oldest_snapshot_seconds{}": "700x30",
    "evs_database_durable{}": "0x30",
    "evs_database_up{}": ["1x30", "1x30", "0x30"],
    "evs_health{}": ["0x30", "1x30", "1x30"],
    "up{}": ["0x30", "1x30", "1x30"],
  });
  const whole = { job: "evs-nodes" };
  const expected: [alert: string, of: Record<string, string>[]][] = [
    ["EvsBehind", [{ ...whole, subscription: "s" }]],
    ["EvsDeadLetters", [{ ...whole, subscription: "s" }]],
    ["EvsMissed", [{ ...whole, subscription: "s" }]],
    ["EvsPartsUnowned", [{ ...whole, subscription: "s" }]],
    ["EvsOldSnapshot", [whole]],
    ["EvsNotDurable", [whole]],
    ["EvsDatabaseAway", [whole]],
    ["EvsNodeDown", [{ ...whole, instance: "web0" }]],
    // That of the node without a database is told by another rule.
    ["EvsNodeUnhealthy", [{ ...whole, instance: "web1" }]],
    ["EvsPaused", []],
  ];
  const tests = {
    rule_files: [rules],
    evaluation_interval: "1m",
    tests: [{
      interval: "1m",
      input_series: input,
      alert_rule_test: expected.map(([alertname, of]) => ({
        eval_time: "20m",
        alertname,
        exp_alerts: of.map((exp_labels) => ({
          exp_labels,
          exp_annotations: summaryOf(rules, alertname, exp_labels),
        })),
      })),
    }],
  };
  await Deno.writeTextFile(`${at.folder}/tests.yml`, JSON.stringify(tests));
  await promtool(["test", "rules", `${at.folder}/tests.yml`]);
});

/** What a rule says, with the names filled in. */
function summaryOf(path: string, alert: string, labels: Record<string, string>) {
  const text = Deno.readTextFileSync(path);
  const [, summary = ""] = new RegExp(`alert: ${alert}\n[^]*?summary: (.*)`).exec(text) ?? [];
  assert.ok(summary, alert);
  const bare = summary.replace(/^"(.*)"$/, "$1");
  return {
    summary: bare.replaceAll(/\{\{ \$labels\.(\w+) \}\}/g, (_, name) => labels[name]!),
  };
}
