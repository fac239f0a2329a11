/**
 * What happens to dead letters while they are read from a state that is elsewhere: each act holds for
 * what is there when it is committed, whoever comes in between.
 */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { EventBroker, MemoryState } from "../../../mod.ts";
import type { ImportedDeadLetter } from "../../../core/dead_letter/imported.ts";
import { StateDeadLetterGroups } from "../../../core/dead_letter/groups.ts";
import type { State } from "../../../core/state/state.ts";
import { dose } from "../../helpers/dose.ts";
import { FakeClock, settled } from "../../helpers/fake_clock.ts";
import { LateState, nextTick } from "../../helpers/late_state.ts";

const CONSUMER = { consumer: "c" };
const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** A broker with so many dead letters of the subscription `s`, on a state that answers late. */
async function withDead(
  count: number,
  work: (rig: Rig) => Promise<void>,
  { seed = 1 } = {},
): Promise<void> {
  const rig = new Rig(seed);
  for (const name of ["s", "other"]) {
    await rig.broker.subscriptions.put(name, { topic: name === "s" ? "t" : "elsewhere" });
  }
  for (let n = 1; n <= count; n++) await rig.broker.publish("t", "x", n, { id: `e${n}` });
  await rig.die();
  try {
    await work(rig);
  } finally {
    await rig.broker.close();
  }
  assert.deepEqual(rig.errors, []);
}

class Rig {
  readonly errors: unknown[] = [];
  readonly memory = new MemoryState();
  readonly state: LateState;
  readonly broker: EventBroker;

  constructor(seed: number) {
    this.state = new LateState(this.memory, { seed, turn: nextTick });
    this.broker = new EventBroker({
      clock: new FakeClock(),
      state: this.state,
      onError: (error) => this.errors.push(error),
    });
  }

  async lease(name = "s") {
    const { deliveries } = await this.broker.subscriptions.lease(name, { max: 99 }, CONSUMER);
    return deliveries;
  }

  /** Dead-letters all that is there to be delivered. */
  async die(leases?: { token: string }[]): Promise<void> {
    const failed = (leases ?? await this.lease()).map(({ token }) => ({
      lease: token,
      error: "no",
      dead: true,
    }));
    await this.broker.subscriptions.nack("s", failed);
  }

  /** The dead letters of `s`, the oldest first, from the state itself. */
  get dead() {
    return this.memory.deadLetters({ subscription: "s" }, { limit: 99, oldest: true }).records;
  }

  get exported(): ImportedDeadLetter[] {
    return this.dead.map(({ line, id: _id, type: _type, key: _key, group: _group, ...about }) => {
      const { payload, metadata, ...event } = JSON.parse(decoder.decode(line));
      const texts = { metadata: JSON.stringify(metadata), payload: encoder.encode(`${payload}`) };
      return { ...about, event: { ...event, ...texts, idGiven: true } };
    });
  }
}

Deno.test("DeadLetters.retry leaves alone what was retried and died again before its turn", () =>
  withDead(1, async (rig) => {
    const held = rig.state.hold("deadLetters", { most: 1 });
    const late = rig.broker.deadLetters.retry({ all: true });
    await held.until(1);
    assert.equal((await rig.broker.deadLetters.retry({ all: true })).count, 1);
    await rig.die();
    held.end();
    assert.equal((await late).count, 0, "what it found is not there any more");
    const [{ attempts }] = rig.dead as [(typeof rig.dead)[0]];
    assert.deepEqual(attempts.map(({ attempt }) => attempt), [1, 2]);
  }));

Deno.test("DeadLetters.retry, remove and jobs each have every entry once when they read in any order", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.nat(),
      fc.integer({ min: 1, max: 6 }),
      (seed, count) =>
        withDead(count, async (rig) => {
          const { deadLetters } = rig.broker;
          const replies = await Promise.all([
            deadLetters.retry({ all: true }),
            deadLetters.retry({ subscription: "s", to: "other" }),
            deadLetters.remove({ subscription: "s" }),
            deadLetters.jobs.begin({ action: "retry", all: true }),
          ]);
          const counts = replies.map((reply) => "count" in reply ? reply.count : reply.done);
          assert.equal(counts.reduce((a, b) => a + b), count);
          assert.deepEqual(rig.dead, []);
          const [own, other] = [await rig.lease("s"), await rig.lease("other")];
          assert.equal(own.length, counts[0]! + counts[3]!);
          assert.equal(other.length, counts[1]!);
          assert.ok([...own, ...other].every(({ attempt }) => attempt === 2));
        }, { seed }),
    ),
    { numRuns: dose(100) },
  );
});

Deno.test("DeadLetterLimits removes no more than are too many when one goes while it reads", () =>
  withDead(5, async (rig) => {
    await rig.broker.topics.update("t", { deadMax: 2 });
    const held = rig.state.hold("deadLetterKeys", { most: 1 });
    const pass = rig.broker.deadLetterLimits.pass();
    await held.until(1);
    // As when its edited copy has succeeded for another subscription.
    await rig.memory.commit([{ op: "dead.remove", subscription: "s", topic: "t", id: "e5" }]);
    held.end();
    await pass;
    assert.deepEqual(rig.dead.map(({ id }) => id), ["e3", "e4"]);
  }));

Deno.test("DeadLetterImporter.add keeps what died while it looked", () =>
  withDead(1, async (rig) => {
    const entries = rig.exported;
    await rig.broker.deadLetters.retry({ all: true });
    const leases = await rig.lease();
    const held = rig.state.hold("deadLetters", { most: 1 });
    const added = rig.broker.deadLetterImports.add(entries);
    await held.until(1);
    const died = rig.die(leases);
    await settled();
    held.end();
    await Promise.all([added, died]);
    assert.deepEqual(rig.dead.map(({ attempts }) => attempts.length), [2]);
  }));

Deno.test("DeadLetterImporter.add adds an entry once when two imports of a removed subscription cross", () =>
  withDead(1, async (rig) => {
    const entries = rig.exported;
    await rig.broker.deadLetters.remove({ all: true });
    await rig.broker.subscriptions.remove("s");
    const add = () => rig.broker.deadLetterImports.add(entries);
    const replies = await Promise.all([add(), add()]);
    assert.deepEqual(replies.map(({ added, present }) => [added, present]), [[1, 0], [0, 1]]);
  }));

Deno.test("DeadLetterImporter.retry to another subscription and a retry where it failed deliver an event once", () =>
  withDead(1, async (rig) => {
    const entries = rig.exported;
    const held = rig.state.hold("deadLetters", { most: 1 });
    const imported = rig.broker.deadLetterImports.retry(entries, { to: "other" });
    await held.until(1);
    const retried = rig.broker.deadLetters.retry({ all: true });
    for (let i = 0; i < 5; i++) await settled();
    held.end();
    const [reply, { count }] = await Promise.all([imported, retried]);
    assert.equal(reply.unchanged + count, 1);
    assert.equal((await rig.lease("s")).length + (await rig.lease("other")).length, 1);
  }));

Deno.test("StateDeadLetterGroups counts what belongs to a group that became part of another meanwhile", async () => {
  const [part, whole] = ["aaaaaa", "bbbbbb"];
  const group = { state: "open", total: 1, firstAt: 1, lastAt: 1, notes: [], samples: [] };
  const newest = { number: 1, topic: "t", seq: 1, id: "e", reason: "no" };
  let isMerged = false;
  const state = {
    deadLetterGroupCounts: () => [{ group: part, subscription: "s", count: 1, newest }],
    async deadLetterTrend() {
      await nextTick();
      isMerged = true;
      return [{ group: part, hour: 0, count: 3 }, { group: whole, hour: 0, count: 2 }];
    },
    deadLetterGroups: () =>
      isMerged
        ? [{ ...group, id: part, reason: "", merged: whole }, { ...group, id: whole, reason: "*" }]
        : [{ ...group, id: part, reason: "no" }],
  } as unknown as State;
  const list = await new StateDeadLetterGroups(state, { now: () => 1 }).list();
  assert.deepEqual(list.map(({ id, count, hour }) => [id, count, hour]), [[whole, 1, 5]]);
});

Deno.test("StateDeadLetterGroups.openCounts rejects, and leaves no rejection behind, when a count cannot be read", async () => {
  for (const away of ["deadLetterCounts", "closedDeadLetterCounts", "both"]) {
    const count = (name: string) => async () => {
      await nextTick();
      if (away === name || away === "both") throw new Error(`${name} is away`);
      // The other one has failed for a while by then.
      await nextTick();
      return new Map<string, number>();
    };
    const state = {
      deadLetterCounts: count("deadLetterCounts"),
      closedDeadLetterCounts: count("closedDeadLetterCounts"),
    } as unknown as State;
    const groups = new StateDeadLetterGroups(state, { now: () => 1 });
    await assert.rejects(async () => await groups.openCounts(), /is away/);
    // What nobody handles ends the test.
    for (let n = 0; n < 3; n++) await nextTick();
  }
});
