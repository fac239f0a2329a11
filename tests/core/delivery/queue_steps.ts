/** Random steps of a delivery queue and its state, for tests that compare what comes of them. */
import fc from "../../packages/fast_check.ts";
import { planFlush, type Settlement } from "../../../core/delivery/plan.ts";
import type { Bench } from "./queue_bench.ts";

/** What may happen to a queue. */
export type QueueStep =
  | { do: "publish"; key: string | undefined }
  | { do: "feed" | "lease"; count: number }
  | { do: "ack" | "nack" | "dead" | "fail" | "release"; pick: number }
  | { do: "wait"; ms: number }
  | { do: "crash" | "flush" | "retryDead" };

const pick = fc.nat(20);
/** Anything that may happen to a queue. */
export const queueStep: fc.Arbitrary<QueueStep> = fc.oneof(
  fc.record({ do: fc.constant("publish" as const), key: fc.constantFrom(undefined, "a", "b") }),
  fc.record({
    do: fc.constantFrom("feed" as const, "lease" as const),
    count: fc.integer({ min: 1, max: 5 }),
  }),
  fc.record({
    do: fc.constantFrom(
      "ack" as const,
      "ack" as const,
      "nack" as const,
      "dead" as const,
      "fail" as const,
      "release" as const,
    ),
    pick,
  }),
  fc.record({ do: fc.constant("wait" as const), ms: fc.integer({ min: 1, max: 1500 }) }),
  fc.record({ do: fc.constantFrom("crash" as const, "flush" as const, "retryDead" as const) }),
);

/** Lets it happen. */
export function runStep(bench: Bench, step: QueueStep): void {
  switch (step.do) {
    case "publish":
      return bench.publish(step.key);
    case "feed":
      return bench.feed(step.count);
    case "lease":
      return bench.lease(step.count);
    case "wait":
      bench.now = { wall: bench.now.wall + step.ms, mono: bench.now.mono + step.ms };
      return bench.expire();
    case "crash":
      return bench.crash();
    case "flush":
      return void bench.commit(planFlush(bench.queue));
    case "retryDead":
      return bench.retryDead();
  }
  if (bench.leases.length === 0) return;
  const lease = bench.leases[step.pick % bench.leases.length]!;
  if (step.do === "release") return bench.release(lease);
  const failure = {
    lease: lease.token,
    ack: false as const,
    error: "no",
    dead: step.do === "dead",
  };
  const item: Settlement = step.do === "ack" || step.do === "fail"
    ? { lease: lease.token, ack: true }
    : failure;
  bench.settle([item], step.do === "fail");
}
