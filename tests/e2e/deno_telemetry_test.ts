/** Spans by the OpenTelemetry that Deno itself has: the application imports nothing. */
import assert from "node:assert/strict";
import { until } from "../helpers/evs.ts";

interface SentSpan {
  name: string;
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  links?: { spanId: string }[];
}

Deno.test("OTEL_DENO=true exports a publish, its handler and what that publishes as one trace", async () => {
  const spans: SentSpan[] = [];
  await using collector = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    async (request) => {
      const { resourceSpans = [] } = await request.json();
      for (const { scopeSpans } of resourceSpans) {
        for (const { scope, spans: sent } of scopeSpans) {
          if (scope.name === "env-event-stream") spans.push(...sent);
        }
      }
      return Response.json({});
    },
  );
  const app = new URL("../helpers/traced_app.ts", import.meta.url).pathname;
  const lock = new URL("../deno.lock", import.meta.url).pathname;
  await using child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", `--lock=${lock}`, "--frozen", "-A", app],
    env: {
      OTEL_DENO: "true",
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${collector.addr.port}`,
      OTEL_BSP_SCHEDULE_DELAY: "100",
      // However slow this machine is: what is not sent in time would be dropped.
      OTEL_EXPORTER_OTLP_TIMEOUT: "600000",
    },
    stdin: "piped",
  }).spawn();
  const named = (name: string) => spans.filter((span) => span.name === name);
  const chain = ["publish orders", "process orders", "publish payments"];
  let isOver = false;
  child.status.then(() => isOver = true);
  await until(() => isOver || chain.every((name) => named(name).length === 1));
  assert.ok(!isOver, "it runs until it is told to end");
  await child.stdin.close();
  assert.ok((await child.status).success);
  const [order, billing, payment] = chain.map((name) => named(name)[0]!);
  assert.equal(billing!.parentSpanId, order!.spanId);
  assert.deepEqual(billing!.links?.map(({ spanId }) => spanId), [order!.spanId]);
  assert.equal(payment!.parentSpanId, billing!.spanId);
  assert.equal(new Set([order, billing, payment].map((span) => span!.traceId)).size, 1);
});
