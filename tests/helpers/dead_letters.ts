/** Creates many dead letters without many processes: over HTTP, as a consumer would. */
import assert from "node:assert/strict";
import type { NackItem } from "../../core/protocol/protocol.ts";
import type { TestDaemon } from "./daemon.ts";

/** The outcome for an event: done, or failed for good. */
export type Judge = (event: { seq: number; payload: unknown }) => Omit<NackItem, "lease"> | "done";

/**
 * Leases and settles everything that a subscription has. Events with the same key follow one
 * another.
 */
export async function settleAll(
  at: TestDaemon,
  { subscription, judge }: { subscription: string; judge: Judge },
): Promise<void> {
  const path = `/v1/subscriptions/${subscription}`;
  for (;;) {
    const leased = await at.http("POST", `${path}/lease`, { max: 500 });
    assert.equal(leased.status, 200, leased.text);
    if (leased.json.deliveries.length === 0) return;
    const leases: string[] = [];
    const deliveries: NackItem[] = [];
    for (const { lease, event } of leased.json.deliveries) {
      const verdict = judge(event);
      if (verdict === "done") leases.push(lease);
      else deliveries.push({ ...verdict, lease });
    }
    if (leases.length > 0) await settled(at, `${path}/ack`, { leases });
    if (deliveries.length > 0) await settled(at, `${path}/nack`, { deliveries });
  }
}

async function settled(at: TestDaemon, path: string, body: unknown): Promise<void> {
  const { status, text } = await at.http("POST", path, body);
  assert.equal(status, 200, text);
}
