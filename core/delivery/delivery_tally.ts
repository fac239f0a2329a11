/** What became of the deliveries of one subscription since the start, for metrics. */
import { Histogram, LONG } from "../base/histogram.ts";
import type { Lease } from "./leases.ts";

/** Counts answers. Nothing of it is durable. */
export class DeliveryTally {
  /** Deliveries that were acknowledged. */
  acknowledged = 0;
  /** Deliveries that failed, or whose lease expired. */
  failed = 0;
  /** Events that became dead letters. */
  dead = 0;
  /** From lease to acknowledgement; undefined before the first one. */
  handlerSeconds: Histogram | undefined;

  /** Counts what was settled together. `done`: what was acknowledged, `mono`: when. */
  note(
    done: readonly Lease[],
    { failed, dead, mono }: { failed: number; dead: number; mono: number },
  ): void {
    this.failed += failed;
    this.dead += dead;
    if (done.length === 0) return;
    this.acknowledged += done.length;
    const histogram = this.handlerSeconds ??= new Histogram(LONG);
    // Mostly all of them are from one lease response, and so have taken equally long.
    for (let from = 0, to = 0; from < done.length; from = to) {
      const { grant } = done[from]!;
      while (to < done.length && done[to]!.grant === grant) to++;
      histogram.observe(Math.max(0, mono - grant.startedMono) / 1000, to - from);
    }
  }

  /** Adds what another one counted. */
  add({ acknowledged, failed, dead, handlerSeconds }: DeliveryTally): void {
    this.acknowledged += acknowledged;
    this.failed += failed;
    this.dead += dead;
    if (handlerSeconds) (this.handlerSeconds ??= new Histogram(LONG)).add(handlerSeconds);
  }
}
