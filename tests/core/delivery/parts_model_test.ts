/**
 * Nodes that share a subscription, against what one queue promises: whoever owns which parts, and
 * whatever of it a node has not heard of yet, each event is in exactly one place (done, dead, to be
 * retried, or still to be read by whoever has its part), events of a key are delivered in order, and
 * nothing that is done is delivered again by the owner of its part.
 */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { dose } from "../../helpers/dose.ts";
import { assertSeeded } from "../../helpers/seed.ts";
import { allParts, partOf, partsIn } from "../../../core/event/part.ts";
import { retryOf } from "../../../core/state/dead_letter_page.ts";
import type { StoredEvent } from "../../../core/event/event.ts";
import { planFlush, type Settlement } from "../../../core/delivery/plan.ts";
import { PartsNode } from "./parts_node.ts";
import { PartsState } from "./parts_state.ts";
import { event } from "./queue_bench.ts";

const FILE = "tests/core/delivery/parts_model_test.ts";
const COUNT = 4;
const NODES = ["a", "b", "c"];
/** Two keys of each part. */
const KEYS = Array.from(
  { length: COUNT },
  (_, part) =>
    Array.from({ length: 100 }, (_, i) => `k${i}`)
      .filter((key) => partOf({ key, seq: 1 }, COUNT) === part).slice(0, 2),
).flat();

/** One of them does most, so that much happens to the same parts. */
const node = fc.constantFrom(0, 0, 0, 1, 1, 2);
/** One part, or some, or all: what owners have when they come and go. */
const mask = fc.oneof(
  fc.constantFrom(...partsIn(allParts(COUNT)).map((part) => 1 << part)),
  fc.integer({ min: 1, max: allParts(COUNT) }),
  fc.constant(allParts(COUNT)),
);
const few = fc.integer({ min: 1, max: 4 });
const picks = fc.array(fc.tuple(fc.nat(9), fc.constantFrom("ack", "ack", "nack", "dead")), {
  minLength: 1,
  maxLength: 3,
});
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ publish: fc.constantFrom(...KEYS, undefined) }) },
  { weight: 5, arbitrary: fc.record({ claim: mask, node }) },
  { weight: 1, arbitrary: fc.record({ steal: mask, node }) },
  { weight: 4, arbitrary: fc.record({ read: few, node }) },
  { weight: 5, arbitrary: fc.record({ lease: few, node }) },
  { weight: 4, arbitrary: fc.record({ settle: picks, node }) },
  { weight: 5, arbitrary: fc.record({ finish: node }) },
  { weight: 1, arbitrary: fc.record({ release: fc.nat(9), node }) },
  { weight: 2, arbitrary: fc.record({ beat: node }) },
  { weight: 1, arbitrary: fc.record({ freeze: mask, node }) },
  { weight: 2, arbitrary: fc.record({ giveBack: node }) },
  { weight: 4, arbitrary: fc.record({ join: node }) },
  { weight: 1, arbitrary: fc.record({ rewind: node }) },
  { weight: 1, arbitrary: fc.record({ flush: node }) },
  { weight: 2, arbitrary: fc.record({ crash: node }) },
  { weight: 1, arbitrary: fc.record({ wait: fc.integer({ min: 1, max: 300 }) }) },
  { weight: 1, arbitrary: fc.record({ retryDead: fc.nat(9) }) },
  { weight: 1, arbitrary: fc.record({ retryNow: fc.nat(9) }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

class Cluster {
  readonly log: StoredEvent[] = [];
  readonly state = new PartsState(COUNT);
  readonly nodes = NODES.map((name) => new PartsNode(name, this));
  readonly done = new Set<number>();
  /** Keys of which a dead letter was sent again: it is behind what went on meanwhile. */
  readonly unordered = new Set<string>();
  now = { wall: 1_000_000, mono: 0 };

  do(step: Step): void {
    const node = this.nodes["node" in step ? step.node : 0]!;
    if ("publish" in step) this.log.push(event(this.log.length + 1, step.publish));
    else if ("claim" in step) this.claim(node, step.claim & this.free);
    else if ("steal" in step) this.claim(node, step.steal);
    else if ("read" in step) node.read(step.read);
    else if ("lease" in step) this.lease(node, step.lease);
    else if ("settle" in step) this.settle(node, step.settle);
    else if ("finish" in step) this.finish(this.nodes[step.finish]!);
    else if ("release" in step) this.release(node, step.release);
    else if ("beat" in step) this.nodes[step.beat]!.beat(this.now);
    else if ("freeze" in step) node.freeze(step.freeze);
    else if ("giveBack" in step) this.nodes[step.giveBack]!.giveBack(this.now);
    else if ("join" in step) this.join(this.nodes[step.join]!);
    else if ("rewind" in step) this.nodes[step.rewind]!.queue.rewind();
    else if ("flush" in step) this.flush(this.nodes[step.flush]!);
    else if ("crash" in step) this.crash(this.nodes[step.crash]!);
    else if ("wait" in step) this.wait(step.wait);
    else if ("retryDead" in step) this.retryDead(step.retryDead);
    else this.retryNow(step.retryNow);
  }

  /** The parts that nobody owns. */
  get free(): number {
    return this.state.claims.reduce(
      (mask, { node }, part) => node === undefined ? mask | 1 << part : mask,
      0,
    );
  }

  claim(node: PartsNode, mask: number): void {
    if (node.busy || mask === 0) return;
    node.take(this.state.claim(node.name, mask), this.now);
  }

  isOwner(node: PartsNode, part: number): boolean {
    return node.owned.get(part)?.epoch === this.state.claims[part]!.epoch &&
      this.state.claims[part]!.node === node.name;
  }

  lease(node: PartsNode, max: number): void {
    for (const { entry: { seq, key, part } } of node.lease(max, this.now)) {
      assert.equal(part, partOf(this.log[seq - 1]!, COUNT));
      // What somebody hands out that has lost the part, and does not know it, he cannot settle.
      if (!this.isOwner(node, part)) continue;
      assert.ok(!this.done.has(seq), `${seq} is done, and delivered again`);
      if (key === undefined || this.unordered.has(key)) continue;
      const earlier = this.log.find((one) =>
        one.seq < seq && one.key === key && !this.done.has(one.seq) &&
        !this.state.dead.has(one.id)
      );
      assert.equal(earlier?.seq, undefined, `${seq} goes before an event of its key`);
    }
  }

  settle(node: PartsNode, picks: readonly (readonly [number, string])[]): void {
    const items = new Map<string, Settlement>();
    for (const [pick, answer] of picks) {
      const lease = node.leases[pick % node.leases.length];
      if (!lease || lease.settling) continue;
      const { token } = lease;
      items.set(
        token,
        answer === "ack"
          ? { lease: token, ack: true }
          : { lease: token, ack: false, error: "no", dead: answer === "dead" },
      );
    }
    node.settle([...items.values()], this.now);
  }

  finish(node: PartsNode): void {
    if (!node.busy) return;
    for (const seq of node.finish(this.now)) {
      assert.ok(!this.done.has(seq), `${seq} was done already`);
      this.done.add(seq);
    }
  }

  release(node: PartsNode, pick: number): void {
    const lease = node.leases[pick % node.leases.length];
    if (!lease || lease.settling) return;
    node.queue.release([lease.token]);
    node.leases = node.leases.filter((one) => one !== lease);
  }

  join(node: PartsNode): void {
    if (!node.busy) node.queue.lanes.joinAll();
  }

  flush(node: PartsNode): void {
    if (!node.busy) node.plan(planFlush(node.queue), []);
  }

  crash(node: PartsNode): void {
    this.state.release(node.name, allParts(COUNT));
    node.crash();
  }

  wait(ms: number): void {
    this.now = { wall: this.now.wall + ms, mono: this.now.mono + ms };
  }

  /** What a person on any node does with a dead letter: it is a retry then, due now. */
  retryDead(pick: number): void {
    const all = [...this.state.dead.values()];
    const dead = all[pick % all.length];
    if (!dead) return;
    const part = partOf(dead, COUNT);
    const { subscription, topic, id, seq } = dead;
    this.state.apply({ op: "dead.remove", subscription, topic, id });
    const record = retryOf(dead, { to: "s", dueAt: this.now.wall });
    this.state.apply({ op: "retry.put", record: { ...record, part } });
    if (seq >= this.state.cursorOf(part)) this.state.done.set(seq, part);
    this.state.claims[part]!.rev++;
    if (dead.key !== undefined) this.unordered.add(dead.key);
  }

  retryNow(pick: number): void {
    const all = [...this.state.retries.values()];
    const retry = all[pick % all.length];
    if (!retry) return;
    this.state.retries.set(retry.id, { ...retry, dueAt: this.now.wall, waitMs: 0 });
    this.state.claims[retry.part ?? 0]!.rev++;
  }

  check(): void {
    for (const { seq, id, key } of this.log) {
      const part = partOf({ seq, key }, COUNT);
      const unread = seq >= this.state.cursorOf(part) && !this.state.done.has(seq);
      const places = [
        this.done.has(seq) && "done",
        this.state.dead.has(id) && "dead",
        this.state.retries.has(id) && "to be retried",
        unread && "to be read",
      ].filter(Boolean);
      assert.equal(places.length, 1, `${seq} is in ${places.length} places: ${places}`);
    }
    for (const node of this.nodes) this.checkNode(node);
  }

  checkNode({ name, queue, owned, leases, busy }: PartsNode): void {
    assert.deepEqual(partsIn(queue.lanes.own), [...owned.keys()].sort((a, b) => a - b));
    const held = [...queue.ready.leases.values()].map(({ token }) => token).sort();
    assert.deepEqual(leases.map(({ token }) => token).sort(), held, `what ${name} has leased`);
    for (const lane of queue.lanes) {
      assert.equal(lane.held, queue.heldOf(lane).size, `what ${name} has leased of a lane`);
      // What is decided and not stored yet is settled in it already.
      for (const part of busy ? [] : partsIn(lane.parts)) {
        if (this.state.claims[part]!.node !== name || !owned.has(part)) continue;
        if (this.state.claims[part]!.rev !== owned.get(part)!.rev) continue;
        for (const { seq, key, id } of this.log) {
          if (partOf({ seq, key }, COUNT) !== part || seq >= lane.readNext) continue;
          const isOver = this.done.has(seq) || this.state.dead.has(id) ||
            this.state.retries.has(id);
          assert.equal(lane.settled.has(seq), isOver, `${name} knows what is done of ${seq}`);
        }
      }
    }
  }

  /** All hear of everything, one node takes all, and handles what is left. */
  finishAll(): void {
    for (const node of this.nodes) {
      this.finish(node);
      this.crash(node);
    }
    const [node] = this.nodes;
    this.claim(node!, allParts(COUNT));
    for (let rounds = 0; rounds < 4 * this.log.length + 4; rounds++) {
      for (const _ of node!.queue.lanes) node!.read(this.log.length);
      this.lease(node!, 100);
      this.settle(node!, node!.leases.map((_, i) => [i, "ack"]));
      this.finish(node!);
      this.wait(1000);
      this.check();
    }
    for (const { seq, id } of this.log) {
      assert.ok(this.done.has(seq) || this.state.dead.has(id), `${seq} was lost`);
    }
    assert.equal(node!.queue.pending, 0);
    assert.ok(node!.queue.drained);
    // A cursor that nothing has moved is stored by itself some time.
    this.flush(node!);
    this.finish(node!);
    node!.queue.lanes.joinAll();
    assert.ok(!node!.queue.lanes.isSplit, "lanes that stand together are one");
  }
}

Deno.test("nodes that share a subscription keep each event in one place, and keys in order", () =>
  assertSeeded(
    fc.asyncProperty(
      fc.array(step, { minLength: 20, maxLength: 120, size: "max" }),
      // deno-lint-ignore require-await -- the helper takes asynchronous properties
      async (steps) => {
        const cluster = new Cluster();
        for (const step of steps) {
          cluster.do(step);
          cluster.check();
        }
        cluster.finishAll();
      },
    ),
    { numRuns: dose(400), file: FILE },
  ));

const single = fc.constantFrom(...partsIn(allParts(COUNT)).map((part) => 1 << part));
const first = fc.constant(0);
/** A node that takes part after part while it delivers, and has much to deliver. */
const growing = fc.oneof(
  { weight: 2, arbitrary: fc.record({ claim: single, node: first }) },
  { weight: 4, arbitrary: fc.record({ read: few, node: first }) },
  { weight: 5, arbitrary: fc.record({ lease: few, node: first }) },
  { weight: 6, arbitrary: fc.record({ settle: picks, node: first }) },
  { weight: 6, arbitrary: fc.record({ finish: first }) },
  { weight: 6, arbitrary: fc.record({ join: first }) },
  { weight: 1, arbitrary: fc.record({ flush: first }) },
  { weight: 1, arbitrary: fc.record({ crash: first }) },
  { weight: 1, arbitrary: fc.record({ steal: single, node: fc.constant(1) }) },
  { weight: 1, arbitrary: fc.record({ freeze: single, node: first }) },
  { weight: 1, arbitrary: fc.record({ giveBack: first }) },
  { weight: 1, arbitrary: fc.record({ beat: first }) },
  { weight: 1, arbitrary: fc.record({ wait: fc.integer({ min: 1, max: 300 }) }) },
);

Deno.test("a node that takes part after part has each event in one place, with all of them or some", () =>
  assertSeeded(
    fc.asyncProperty(
      fc.array(growing, { minLength: 60, maxLength: 160, size: "max" }),
      fc.array(fc.constantFrom(...KEYS), { minLength: 20, maxLength: 30 }),
      // deno-lint-ignore require-await -- the helper takes asynchronous properties
      async (steps, keys) => {
        const cluster = new Cluster();
        for (const publish of keys) cluster.do({ publish });
        for (const step of steps) {
          cluster.do(step);
          cluster.check();
        }
        cluster.finishAll();
      },
    ),
    { numRuns: dose(200), file: FILE },
  ));
