/**
 * A node that delivers some parts of a subscription, over a {@link PartsState} that others share: a
 * queue, what it believes to own, and at most one plan under way.
 */
import assert from "node:assert/strict";
import type { Now } from "../../../core/delivery/entry.ts";
import { finishedParts, freezeParts, leaveParts } from "../../../core/delivery/give_back.ts";
import type { Lease } from "../../../core/delivery/leases.ts";
import { endOf, laneBehind } from "../../../core/delivery/part_lanes.ts";
import { type Plan, planFlush, planSettle, type Settlement } from "../../../core/delivery/plan.ts";
import { DeliveryQueue } from "../../../core/delivery/queue.ts";
import { reconcileParts } from "../../../core/delivery/reconcile.ts";
import { takeParts } from "../../../core/delivery/take_over.ts";
import { isInParts, type PartMask, partsIn } from "../../../core/event/part.ts";
import type { StoredEvent } from "../../../core/event/event.ts";
import type { OwnedPart } from "../../../core/state/coordinator.ts";
import type { PartsState } from "./parts_state.ts";
import { settings } from "./queue_bench.ts";

/** A plan under way, with what was leased when it was made. */
interface UnderWay {
  plan: Plan<unknown>;
  acked: number[];
}

/** One node. */
export class PartsNode {
  readonly name: string;
  readonly state: PartsState;
  readonly log: readonly StoredEvent[];
  queue: DeliveryQueue;
  owned = new Map<number, OwnedPart>();
  leases: Lease[] = [];
  underWay: UnderWay | undefined;
  #tokens = 0;

  constructor(name: string, { state, log }: { state: PartsState; log: readonly StoredEvent[] }) {
    this.name = name;
    this.state = state;
    this.log = log;
    this.queue = this.#empty();
  }

  #empty(): DeliveryQueue {
    const rows = { cursors: [], done: [], missed: [], retries: [] };
    return new DeliveryQueue(
      { name: "s", settings, parts: this.state.count, own: 0, ...rows },
      { wall: 0, mono: 0 },
    );
  }

  /** What a plan would have to wait for. */
  get busy(): boolean {
    return this.underWay !== undefined;
  }

  take(parts: readonly OwnedPart[], now: Now): void {
    assert.ok(!this.busy);
    for (const one of parts) this.owned.set(one.part, one);
    for (const change of takeParts(this.queue, this.state.rowsOf(parts), now)) {
      this.state.apply(change);
    }
    this.queue.addTopic("t", 1);
    this.#endLeases();
  }

  /** What another look at the claims says: the next beat, or a commit that was refused. */
  learn({ lost, changed }: { lost: PartMask; changed: PartMask }, now: Now): void {
    assert.ok(!this.busy);
    leaveParts(this.queue, lost);
    for (const part of partsIn(lost)) this.owned.delete(part);
    const parts = partsIn(changed).map((part) => {
      const { epoch, rev } = this.state.claims[part]!;
      return { part, epoch, rev };
    });
    for (const one of parts) this.owned.set(one.part, one);
    if (parts.length > 0) reconcileParts(this.queue, this.state.rowsOf(parts), now);
    this.#endLeases();
  }

  beat(now: Now): void {
    if (!this.busy) this.learn(this.state.check(this.owned), now);
  }

  freeze(mask: PartMask): void {
    if (this.busy) return;
    freezeParts(this.queue, mask);
    this.#endLeases();
  }

  /** Gives back what nothing is leased of. */
  giveBack(now: Now): void {
    const mask = finishedParts(this.queue);
    if (this.busy || mask === 0) return;
    this.plan(planFlush(this.queue), []);
    this.finish(now);
    if (this.busy) return;
    leaveParts(this.queue, mask);
    for (const part of partsIn(mask)) this.owned.delete(part);
    this.state.release(this.name, mask);
  }

  read(count: number): void {
    const lane = laneBehind(this.queue.lanes.of("t"));
    if (!lane) return;
    const end = Math.min(this.log.length, endOf(lane, this.queue.lanes.of("t")));
    const to = Math.min(end, lane.readNext + count - 1);
    const parts = this.queue.lanes.selectionOf(lane);
    const page = this.log.slice(lane.readNext - 1, to);
    const events = parts ? page.filter((event) => isInParts(event, parts)) : page;
    this.queue.feedLane(lane, { events, next: to + 1 });
  }

  /** Returns what was leased. */
  lease(max: number, now: Now): Lease[] {
    const leases = this.queue.lease(now, {
      max,
      maxBytes: 1e6,
      leaseMs: Infinity,
      consumer: "c",
      bound: false,
      token: () => `${this.name}${++this.#tokens}`,
    });
    for (const lease of leases) {
      const { entry } = lease;
      if (entry.kind === "retry") lease.record = this.state.retries.get(entry.id);
    }
    // The row of a retry is gone where somebody else has the part: nobody gets that event.
    const there = leases.filter(({ entry, record }) => entry.kind !== "retry" || record);
    this.queue.release(leases.filter((one) => !there.includes(one)).map(({ token }) => token));
    this.leases.push(...there);
    return there;
  }

  settle(items: readonly Settlement[], now: Now): void {
    if (this.busy || items.length === 0) return;
    const seqs = new Map(this.leases.map((lease) => [lease.token, lease.entry.seq]));
    const plan = planSettle(this.queue, items, { now, random: () => 0.5 });
    this.plan(
      plan,
      items.flatMap(({ lease, ack }, i) =>
        ack && plan.result[i] === "done" ? [seqs.get(lease)!] : []
      ),
    );
  }

  plan(plan: Plan<unknown>, acked: number[]): void {
    assert.ok(!this.busy);
    this.underWay = { plan, acked };
  }

  /** The plan under way is stored or refused; returns what is done now. */
  finish(now: Now): number[] {
    const { plan, acked } = this.underWay!;
    const refused = this.state.commit(plan.changes, this.owned);
    this.underWay = undefined;
    if (refused.lost === 0 && refused.changed === 0) {
      plan.apply();
      this.#endLeases();
      return acked;
    }
    plan.rollback();
    this.learn(refused, now);
    return [];
  }

  crash(): void {
    this.queue = this.#empty();
    this.owned.clear();
    this.leases = [];
    this.underWay = undefined;
  }

  #endLeases(): void {
    this.leases = this.leases.filter(({ token }) => this.queue.ready.leases.has(token));
  }
}
