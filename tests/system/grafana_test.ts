/**
 * Prometheus' own tool accepts every expression of docs/grafana.json, and each names only series
 * and labels that /metrics has.
 */
import assert from "node:assert/strict";
import { startDaemon } from "../helpers/daemon.ts";
import { metricsOf } from "../helpers/metrics.ts";
import { needTools } from "../helpers/shell.ts";

interface Panel {
  id: number;
  type: string;
  title: string;
  gridPos: { x: number; y: number; w: number; h: number };
  targets?: { refId: string; expr: string; legendFormat: string }[];
}

const dashboard = JSON.parse(
  await Deno.readTextFile(new URL("../../docs/grafana.json", import.meta.url)),
) as { panels: Panel[]; templating: { list: { name: string }[] } };

/** The expressions as Prometheus gets them from Grafana. */
const expressions = dashboard.panels.flatMap(({ targets = [] }) =>
  targets.map(({ expr, legendFormat }) => ({
    expr: expr.replaceAll("$__rate_interval", "1m").replaceAll("$instance", ".*"),
    legendFormat,
  }))
);

Deno.test("promtool accepts every expression of docs/grafana.json, and each names series that there are", async () => {
  needTools("promtool");
  await using at = await startDaemon();
  await at.publish("orders", "made", 1);
  await at.http("PUT", "/v1/subscriptions/mail", { topic: "orders" });
  const { json } = await at.http("POST", "/v1/subscriptions/mail/lease", { max: 1 });
  await at.http("POST", "/v1/subscriptions/mail/ack", { leases: [json.deliveries[0].lease] });
  await at.http("POST", "/v1/events", "[{}]");
  const series = [...(await metricsOf(at)).keys()];
  const there = new Set(series.map((name) => name.split("{")[0]));
  // What nodes share is on each of them: this series tells which those are.
  there.add("evs_node_info");
  const labels = new Set(
    series.flatMap((name) => [...name.matchAll(/(\w+)="/g)].map(([, label]) => label)),
  ).add("database");
  assert.ok(expressions.length > 15, `${expressions.length} expressions`);
  for (const { expr, legendFormat } of expressions) {
    const names = [...expr.matchAll(/\bevs_\w+/g)].map(([name]) => name);
    assert.ok(names.length > 0, expr);
    for (const name of names) assert.ok(there.has(name), `${name} in ${expr}`);
    for (const [, label] of `${legendFormat}${expr}`.matchAll(/\{\{(\w+)\}\}|by \((\w+)/g)) {
      if (label !== undefined && label !== "instance") assert.ok(labels.has(label), label);
    }
    assert.doesNotMatch(expr, /\$/, "every variable is one that Grafana fills in");
  }
  const rules = `${at.folder}/rules.yml`;
  const recorded = expressions.map(({ expr }, n) => ({ record: `evs:panel:${n}`, expr }));
  // JSON is YAML.
  await Deno.writeTextFile(rules, JSON.stringify({ groups: [{ name: "evs", rules: recorded }] }));
  const { code, stdout, stderr } = await new Deno.Command("promtool", {
    args: ["check", "rules", rules],
  }).output();
  const words = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  assert.equal(code, 0, words);
  assert.match(words, new RegExp(`SUCCESS: ${expressions.length} rules`));
});

Deno.test("the panels of docs/grafana.json have ids of their own and do not overlap", () => {
  const { panels } = dashboard;
  assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
  const taken = new Map<string, string>();
  for (const { title, gridPos: { x, y, w, h } } of panels) {
    assert.ok(x + w <= 24, title);
    for (let column = x; column < x + w; column++) {
      for (let line = y; line < y + h; line++) {
        const cell = `${column},${line}`;
        assert.equal(taken.get(cell), undefined, `${title} lies on ${taken.get(cell)}`);
        taken.set(cell, title);
      }
    }
  }
  assert.deepEqual(dashboard.templating.list.map(({ name }) => name), ["datasource", "instance"]);
});
