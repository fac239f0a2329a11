/** Events in flight, and how their outcomes are reported to the daemon. */
import type { SettleReply } from "../../protocol/protocol.ts";
import type { ConsumerPort, Delivery } from "./port.ts";
import type { ConsumerSettlement, Failure } from "./settlement.ts";

/** A handler running on one or more events. */
export interface RunningBatch {
  /** One per delivery, in order. */
  readonly verdicts: Promise<ConsumerSettlement[]>;
  /** Asks the handler to end; at the second call it must. */
  kill(signal: Deno.Signal): void;
}

/** An event in flight: waiting for a slot, running, or finished but not settled. */
export interface Work {
  /** Identifies the event within the subscription. */
  key: string;
  delivery: Delivery;
  /** The current lease, which after a lost connection differs from the delivery's. */
  lease: string;
  /** The lease is lost: its connection broke, or it expired. */
  stale: boolean;
  /** Its delivery has been marked as begun. */
  marked?: boolean;
  /** The daemon was told that its handler has ended. */
  over?: boolean;
  running?: Pick<RunningBatch, "kill">;
  verdict?: ConsumerSettlement;
}

/**
 * True if the event was delivered for its next attempt: the failure of the last one was stored, and
 * only the response was lost. Settling the new lease with that failure would count an attempt that
 * never ran.
 */
export function wasCounted(work: Work, delivery: Delivery): boolean {
  return work.verdict?.kind === "nack" && delivery.attempt > work.delivery.attempt;
}

/** The outcome of a work, as confirmed by the daemon. */
export type Fate =
  | { kind: "done" }
  | { kind: "retry" }
  | { kind: "dead"; error: string }
  /** The lease had already ended. */
  | { kind: "lost" }
  /** Released, and the subscription is paused. */
  | { kind: "paused"; reason: string };

/** What settling needs. */
export interface SettleOptions {
  port: ConsumerPort;
  /** False: failures are left alone. Called just before they would be sent. */
  nack: () => boolean;
  /** Called for each work as soon as the daemon has confirmed it. */
  tell: (work: Work, fate: Fate) => void;
}

/** Settles finished works: all acks in one request, all failures in another. */
export async function settle(works: readonly Work[], options: SettleOptions): Promise<void> {
  const { port } = options;
  const tell = (work: Work, fate: Fate, lease: string) => {
    // Leased again while the old lease was being settled: it stays in flight and is settled with
    // the new one.
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
  // Pause first: if the events were released first, another consumer would fail on them in the same
  // way.
  await port.pause(reason);
  await port.release(paused.map(({ lease }) => lease));
  for (const work of paused) tell(work, { kind: "paused", reason }, work.lease);
}

/** At the end: acks those that are done, and releases the others. */
export async function giveBack(
  works: readonly Work[],
  port: ConsumerPort,
  acked: (reply: SettleReply) => void,
): Promise<void> {
  const held = works.filter((work) => !work.stale);
  const done = held.filter((work) => work.verdict?.kind === "ack");
  const rest = held.filter((work) => work.verdict?.kind !== "ack");
  if (done.length > 0) acked(await port.ack(done.map((work) => work.lease)));
  if (rest.length > 0) await port.release(rest.map((work) => work.lease));
}

/** What a person is told of an outcome. */
export function fateText({ delivery }: Work, fate: Fate): string | undefined {
  const { topic, seq, id } = delivery.facts;
  if (fate.kind === "dead") return `dead letter: ${topic} ${seq} (${id}): ${fate.error}`;
  if (fate.kind !== "lost") return undefined;
  return `the lease on ${topic} ${seq} expired before it was settled: the event will be redelivered`;
}
