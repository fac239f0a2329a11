/**
 * Lanes of parts that come and go, against a model that knows of each event only its part and
 * whether it is done: no cursor passes an event of its parts that is not done, none is delivered
 * twice by one owner after another that settled it, and in the end everything is done.
 */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { assertSeeded } from "../../helpers/seed.ts";
import { allParts, partsIn } from "../../../core/event/part.ts";
import {
  cursorIn,
  type OpenEvent,
  type PartLane,
  PartLanes,
} from "../../../core/delivery/part_lanes.ts";

const FILE = "tests/core/delivery/part_lanes_test.ts";
const COUNT = 4;
const END = 16;
const TOPIC = "t";

const mask = fc.integer({ min: 1, max: allParts(COUNT) });
const pick = fc.nat(99);
const step = fc.oneof(
  { weight: 2, arbitrary: fc.record({ take: mask }) },
  { weight: 4, arbitrary: fc.record({ read: pick, many: fc.integer({ min: 1, max: END }) }) },
  { weight: 5, arbitrary: fc.record({ lease: pick }) },
  { weight: 5, arbitrary: fc.record({ settle: pick }) },
  { weight: 1, arbitrary: fc.record({ leave: mask }) },
  { weight: 1, arbitrary: fc.record({ freeze: mask }) },
  { weight: 2, arbitrary: fc.constant({ join: true as const }) },
  { weight: 2, arbitrary: fc.constant({ store: true as const }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** One owner of some parts, and what is stored. */
class Owner {
  readonly lanes = new PartLanes(COUNT, 0);
  readonly partOf: readonly number[];
  readonly done = new Set<number>();
  /** The cursors as stored, by part, and what is stored as done above them. */
  readonly stored = new Array<number>(COUNT).fill(1);
  readonly marks = new Set<number>();
  frozen = 0;
  open: OpenEvent[] = [];

  constructor(partOf: readonly number[]) {
    this.partOf = partOf;
  }

  readonly openIn = (lane: PartLane) =>
    this.open.filter(({ part }) => this.lanes.at(TOPIC, part) === lane);

  do(step: Step): void {
    if ("take" in step) this.take(step.take & ~this.lanes.own);
    else if ("read" in step) this.read(step.read, step.many);
    else if ("lease" in step) this.lease(step.lease);
    else if ("settle" in step) this.settle(step.settle);
    else if ("leave" in step) this.leave(step.leave);
    else if ("freeze" in step) this.freeze(step.freeze);
    else if ("join" in step) this.lanes.join(TOPIC);
    else this.store();
  }

  /** Begins where each part is stored to be: those that stand together share a lane. */
  take(mask: number): void {
    this.lanes.gain(mask);
    for (const [next, parts] of Map.groupBy(partsIn(mask), (part) => this.stored[part]!)) {
      const lane = this.lanes.begin(TOPIC, {
        next,
        parts: parts.reduce((sum, part) => sum | 1 << part, 0),
        written: true,
      });
      for (const seq of this.marks) if (parts.includes(this.partOf[seq]!)) lane.settled.add(seq);
    }
  }

  read(which: number, many: number): void {
    const lanes = [...this.lanes].filter(({ frozen }) => !frozen);
    const lane = lanes[which % lanes.length];
    if (!lane) return;
    const to = Math.min(END, lane.readNext + many - 1);
    for (let seq = lane.readNext; seq <= to; seq++) {
      const part = this.partOf[seq]!;
      const isWanted = (lane.parts & 1 << part) !== 0 && !lane.settled.has(seq);
      if (isWanted) this.open.push({ seq, part, held: false });
      else lane.settled.add(seq);
    }
    lane.readNext = to + 1;
  }

  lease(which: number): void {
    const free = this.open.filter(({ held }) => !held);
    const event = free[which % free.length];
    if (!event) return;
    event.held = true;
    this.lanes.at(TOPIC, event.part)!.held++;
  }

  settle(which: number): void {
    const held = this.open.filter(({ held }) => held);
    const event = held[which % held.length];
    if (!event) return;
    assert.ok(!this.done.has(event.seq), `${event.seq} was done already`);
    const lane = this.lanes.at(TOPIC, event.part)!;
    lane.settled.add(event.seq);
    lane.held--;
    this.done.add(event.seq);
    this.marks.add(event.seq);
    this.open = this.open.filter((other) => other !== event);
  }

  leave(mask: number): void {
    this.lanes.leave(mask, this.openIn);
    this.frozen &= ~mask;
    this.open = this.open.filter(({ part }) => (mask & 1 << part) === 0);
  }

  freeze(mask: number): void {
    this.frozen |= mask & this.lanes.own;
    this.lanes.freeze(mask, this.openIn);
    this.open = this.open.filter(({ part, held }) => held || (mask & 1 << part) === 0);
  }

  /** As the state does: a cursor removes the marks below it. */
  store(): void {
    for (const lane of this.lanes) {
      if (cursorIn(lane) < lane.floor) continue;
      lane.writtenNext = cursorIn(lane);
      for (const part of partsIn(lane.parts)) this.stored[part] = lane.writtenNext;
    }
    for (const seq of this.marks) {
      if (seq < this.stored[this.partOf[seq]!]!) this.marks.delete(seq);
    }
  }

  check(): void {
    const seen = new Set<number>();
    for (const lane of this.lanes) {
      const [cursor, open] = [cursorIn(lane), this.openIn(lane)];
      for (const part of partsIn(lane.parts)) {
        assert.ok(!seen.has(part), `part ${part} is in two lanes`);
        // The marks below it are gone: a cursor below it is not stored.
        assert.ok(Math.max(cursor, lane.floor) >= this.stored[part]!, `${part} has gone back`);
        assert.equal(lane.frozen, (this.frozen & 1 << part) !== 0, `part ${part} is read`);
        seen.add(part);
      }
      for (let seq = 1; seq <= END; seq++) {
        if ((lane.parts & 1 << this.partOf[seq]!) === 0 || this.done.has(seq)) continue;
        assert.ok(seq >= cursor, `the cursor ${cursor} has passed ${seq}, which is not done`);
        const isOpen = open.some((event) => event.seq === seq);
        if (!lane.frozen) assert.equal(isOpen, seq < lane.readNext, `${seq} is open or to be read`);
      }
      for (const { seq } of open) assert.ok(!lane.settled.has(seq), `${seq} is open and settled`);
      assert.equal(lane.held, open.filter(({ held }) => held).length, "what is leased");
    }
    assert.equal(seen.size, partsIn(this.lanes.own).length, "each part has a lane");
    assert.equal(this.lanes.frozen, this.frozen);
    const seqs = this.open.map(({ seq }) => seq);
    assert.equal(new Set(seqs).size, seqs.length, "each event is open once");
  }

  /** Gives all back, takes all, and handles what is left. */
  finish(): void {
    this.leave(allParts(COUNT));
    this.take(allParts(COUNT));
    for (const lane of [...this.lanes]) while (lane.readNext <= END) this.readOn(lane);
    while (this.open.length > 0) {
      this.lease(0);
      this.settle(0);
      this.check();
    }
  }

  readOn(lane: PartLane): void {
    this.read([...this.lanes].filter(({ frozen }) => !frozen).indexOf(lane), END);
  }
}

const parts = fc.array(fc.nat(COUNT - 1), { minLength: END + 1, maxLength: END + 1 });

Deno.test("PartLanes lose nothing and repeat nothing that is done when parts come and go", () =>
  assertSeeded(
    fc.asyncProperty(
      parts,
      fc.array(step, { maxLength: 60, size: "max" }),
      // deno-lint-ignore require-await -- the helper takes asynchronous properties
      async (parts, steps) => {
        const owner = new Owner(parts);
        for (const step of steps) {
          owner.do(step);
          owner.check();
        }
        owner.finish();
        assert.equal(owner.done.size, END);
        owner.lanes.join(TOPIC);
        assert.equal([...owner.lanes].length, 1, "lanes that stand together are one");
        const [lane] = owner.lanes;
        assert.deepEqual([cursorIn(lane!), owner.lanes.isWhole(lane!)], [END + 1, true]);
      },
    ),
    { numRuns: 400, file: FILE },
  ));

Deno.test("PartLanes give a lone owner one lane, which reads everything", () => {
  const owner = new Owner(new Array(END + 1).fill(0).map((_, seq) => seq % COUNT));
  owner.take(allParts(COUNT));
  const [lane] = owner.lanes;
  assert.deepEqual([[...owner.lanes].length, owner.lanes.isWhole(lane!)], [1, true]);
  owner.readOn(lane!);
  assert.equal(owner.open.length, END);
});

Deno.test("PartLanes keep what is leased of frozen parts until it is settled, and read on without", () => {
  const owner = new Owner(new Array(END + 1).fill(0).map((_, seq) => seq % 2));
  owner.take(allParts(COUNT));
  owner.read(0, 4); // 1 to 4: of part 1, 0, 1, 0
  owner.lease(0);
  owner.freeze(1 << 1);
  owner.check();
  assert.deepEqual(owner.open, [
    { seq: 1, part: 1, held: true },
    { seq: 2, part: 0, held: false },
    { seq: 4, part: 0, held: false },
  ]);
  owner.settle(0);
  owner.store();
  assert.equal(owner.stored[1], 3, "3 is read again by the next owner");
  owner.leave(1 << 1);
  owner.readOn(owner.lanes.at(TOPIC, 0)!);
  owner.check();
  assert.ok(owner.open.every(({ part }) => part === 0));
});

Deno.test("PartLanes add up what lanes that join have missed, and store where they are", () => {
  const lanes = new PartLanes(COUNT);
  const two = lanes.begin(TOPIC, { next: 5, parts: 0b0010, written: true });
  const one = lanes.begin(TOPIC, { next: 5, parts: 0b0001, written: true });
  one.missed = { from: 1, to: 2, count: 2, stored: 2 };
  two.missed = { from: 2, to: 4, count: 1, stored: 1 };
  two.writtenNext = 3;
  assert.ok(lanes.join(TOPIC));
  assert.deepEqual(one.missed, { from: 1, to: 4, count: 3, stored: 2 }, "with the lowest part");
  assert.ok(one.dirty && one.writtenNext !== cursorIn(one), "where both are is to be stored");
  assert.deepEqual([...lanes], [one]);
  assert.ok(!lanes.join(TOPIC), "there is nothing left to join");
});

Deno.test("PartLanes store no cursor after they joined until it is where that of each was", () => {
  for (const [first, second] of [[0b0001, 0b0010], [0b0010, 0b0001]] as const) {
    // 1 is of part 0, 2 to 4 are of part 1.
    const owner = new Owner([0, 0, 1, 1, 1, ...new Array(END).fill(2)]);
    owner.take(first);
    owner.read(0, 4);
    owner.take(second);
    owner.read(1, 4);
    const settleOf = (part: number) => {
      owner.lease(owner.open.findIndex((event) => event.part === part && !event.held));
      owner.settle(0);
    };
    settleOf(1);
    owner.store();
    assert.deepEqual(owner.stored.slice(0, 2), [1, 3], "part 0 has 1 open, part 1 the rest");
    assert.ok(owner.lanes.join(TOPIC));
    owner.check();
    settleOf(1);
    owner.store();
    assert.deepEqual(owner.stored.slice(0, 2), [1, 3]);
    assert.deepEqual([...owner.marks], [3], "what is done is marked");
    settleOf(0);
    owner.store();
    assert.deepEqual(owner.stored.slice(0, 2), [4, 4]);
    assert.deepEqual([...owner.marks], []);
    owner.check();
  }
});

Deno.test("PartLanes do not join where something is settled above what they have read", () => {
  for (const [first, second] of [[0b0001, 0b0010], [0b0010, 0b0001]] as const) {
    const lanes = new PartLanes(COUNT);
    const one = lanes.begin(TOPIC, { next: 5, parts: first, written: true });
    lanes.begin(TOPIC, { next: 5, parts: second, written: true });
    // Done by an earlier owner, or passed over as another part's before the settings changed.
    one.settled.add(7);
    assert.ok(!lanes.join(TOPIC), "the other one does not know whose 7 is");
    for (const lane of lanes) {
      lane.settled.addRange(6, 7);
      lane.readNext = 8;
    }
    assert.ok(lanes.join(TOPIC));
  }
});
