/**
 * A daemon with something of everything that the dashboard shows: a shop whose billing script fails
 * in two ways, a consumer that holds events, retries that wait, a paused subscription.
 */
import assert from "node:assert/strict";
import { type Answer, type TestDaemon } from "./daemon.ts";
import { settleAll } from "./dead_letters.ts";

/** A payload that would run if it were taken for HTML. */
export const HOSTILE =
  '<img src=x onerror="globalThis.hacked=1"><script>globalThis.hacked=2</script>';
/** A number that a double cannot hold. */
export const BIG = "9007199254740993";

const V1 = {
  type: "object",
  required: ["order", "total"],
  properties: { order: { type: "string" }, total: { type: ["number", "string"] } },
};
const V2 = {
  type: "object",
  required: ["order", "total"],
  properties: {
    order: { type: "string" },
    total: { type: ["number", "string"] },
    note: { type: "string" },
  },
};

/** Orders; the total of every fourth is text. */
function orderLine(i: number): string {
  const total = i % 4 === 0 ? `"${i * 10}.00"` : String(i * 10);
  const metadata = `{"shop":"main","big":${BIG}}`;
  const payload = `{"order":"o-${i}","total":${total},"number":${BIG}}`;
  return `{"type":"order.placed","id":"order-${i}","key":"o-${i}","metadata":${metadata},"payload":${payload}}\n`;
}

/** Fills it. */
export async function openShop(daemon: TestDaemon): Promise<void> {
  const ask = async (method: string, path: string, body?: unknown): Promise<Answer> => {
    const answer = await daemon.http(method, path, body);
    assert.ok(answer.status < 300, `${method} ${path}: ${answer.text}`);
    return answer;
  };
  await ask("PUT", "/v1/schemas/order.placed?version=1.0&compatibility=none", V1);
  await ask("PUT", "/v1/schemas/order.placed?version=2.0&compatibility=none", V2);
  const lines = Array.from({ length: 40 }, (_, i) => orderLine(i + 1)).join("");
  const published = await daemon.http("POST", "/v1/topics/orders/events", lines, {
    "content-type": "application/x-ndjson",
  });
  assert.equal(published.status, 200, published.text);
  await daemon.publish("pages", "page.saved", { html: HOSTILE, turned: "a\u202eb" });
  await ask("PUT", "/v1/subscriptions/billing", {
    topic: "orders",
    settings: { maxRetries: 0 },
  });
  await settleAll(daemon, { subscription: "billing", judge });
  await ask("PUT", "/v1/subscriptions/mailer", { topic: "orders" });
  await holdSome(ask);
  await ask("PUT", "/v1/subscriptions/archive", { topic: "orders" });
  await ask("POST", "/v1/subscriptions/archive/pause", { reason: "the disk array is moved" });
}

/** Texts are refused for good, and for two orders the bank does not answer. */
function judge({ payload }: { payload: unknown }) {
  const { order, total } = payload as { order: string; total: unknown };
  if (typeof total === "string") {
    const error = `order ${order}: total "${total}" is not a number`;
    return { error, stderr: `${error}\n${HOSTILE}\n`, exitCode: 65, durationMs: 41, dead: true };
  }
  if (order !== "o-5" && order !== "o-7") return "done" as const;
  const error = `connect to 10.0.0.${total}:443 timed out`;
  return { error, stderr: `${error}\n`, exitCode: 1, durationMs: 1_200, dead: true };
}

/** Two events stay with a consumer, three wait an hour for their retry. */
async function holdSome(
  ask: (method: string, path: string, body?: unknown) => Promise<Answer>,
): Promise<void> {
  const path = "/v1/subscriptions/mailer";
  const { json } = await ask("POST", `${path}/lease`, {
    max: 5,
    leaseMs: 3_600_000,
    bind: false,
    consumer: { id: "c-1", pid: 4711, host: "box", command: "./send-mail" },
  });
  const leases: string[] = json.deliveries.map(({ lease }: { lease: string }) => lease);
  await ask("POST", `${path}/nack`, {
    deliveries: leases.slice(2).map((lease) => ({
      lease,
      error: "exit code 75: mailbox is full",
      exitCode: 75,
      afterMs: 3_600_000,
    })),
  });
  await ask("POST", `${path}/begin`, { leases: leases.slice(0, 2) });
}
