/** An event in hand, and how what became of it is told to the daemon. */
import type { ConsumerPort, Delivery } from "./port.ts";
import type { ConsumerSettlement, Failure } from "./settlement.ts";

/** A handler at work on one event or several. */
export interface RunningBatch {
  /** One for each delivery, in their order. */
  readonly verdicts: Promise<ConsumerSettlement[]>;
  /** Asks the handler to end; the second time at the latest it must. */
  kill(signal: Deno.Signal): void;
}

/** An event in hand: waiting for a slot, running, or judged and not yet settled. */
export interface Work {
  /** Names the event within the subscription. */
  key: string;
  delivery: Delivery;
  /** The lease that holds it now: another than the delivery's after a break. */
  lease: string;
  /** The lease is gone: its connection has broken, or it ran out. */
  stale: boolean;
  /** It was said that its handler begins. */
  marked?: boolean;
  /** And that it has ended. */
  over?: boolean;
  running?: Pick<RunningBatch, "kill">;
  verdict?: ConsumerSettlement;
}

/**
 * True when the event comes for its next attempt: the failure of the last one was written down, and
 * only the answer was lost. Settling the new lease with it would count an attempt that never ran.
 */
export function wasCounted(work: Work, delivery: Delivery): boolean {
  return work.verdict?.kind === "nack" && delivery.attempt > work.delivery.attempt;
}

/** What became of a work, as the daemon confirmed it. */
export type Fate =
  | { kind: "done" }
  | { kind: "retry" }
  | { kind: "dead"; error: string }
  /** The lease was not held any more. */
  | { kind: "lost" }
  /** Given back, and the subscription is paused. */
  | { kind: "paused"; reason: string };

/** What settling needs. */
export interface SettleOptions {
  port: ConsumerPort;
  /** False: failures are left alone. Asked just before they would be sent. */
  nack: () => boolean;
  /** Called for each work as soon as the daemon has confirmed it. */
  tell: (work: Work, fate: Fate) => void;
}

/** Settles judged works: all acks in one request, all failures in another. */
export async function settle(works: readonly Work[], options: SettleOptions): Promise<void> {
  const { port } = options;
  const tell = (work: Work, fate: Fate, lease: string) => {
    // Leased anew while the old lease was being settled: it stays in hand, to be settled with that.
    if (fate.kind === "lost" && work.lease !== lease) return;
    options.tell(work, fate);
  };
  const acks = works.filter((work) => work.verdict?.kind === "ack")
    .map((work) => ({ work, lease: work.lease }));
  if (acks.length > 0) {
    const reply = await port.ack(acks.map(({ lease }) => lease));
    const lost = new Set(reply.lost);
    for (const { work, lease } of acks) {
      tell(work, { kind: lost.has(lease) ? "lost" : "done" }, lease);
    }
  }
  const nacks: { work: Work; lease: string; failure: Failure }[] = [];
  for (const work of works) {
    if (work.verdict?.kind !== "nack") continue;
    nacks.push({ work, lease: work.lease, failure: work.verdict.failure });
  }
  if (nacks.length > 0 && options.nack()) {
    const reply = await port.nack(nacks.map(({ lease, failure }) => ({ lease, ...failure })));
    for (const [index, { work, lease, failure }] of nacks.entries()) {
      const outcome = reply.outcomes?.[index] ?? (reply.lost.includes(lease) ? "lost" : "retry");
      const { error } = failure;
      tell(work, outcome === "dead" ? { kind: "dead", error } : { kind: outcome }, lease);
    }
  }
  const paused = works.filter((work) => work.verdict?.kind === "pause");
  const reason = paused.map(({ verdict }) => verdict).find((verdict) => verdict?.kind === "pause")
    ?.reason;
  if (reason === undefined) return;
  // Paused first: given back first, another consumer would fail on it in the same way.
  await port.pause(reason);
  await port.release(paused.map(({ lease }) => lease));
  for (const work of paused) tell(work, { kind: "paused", reason }, work.lease);
}
