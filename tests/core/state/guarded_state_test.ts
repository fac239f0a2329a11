/** Contract row 7 for the state: after a commit that failed, nothing counts any more. */
import assert from "node:assert/strict";
import { CannotStoreError } from "../../../core/base/errors.ts";
import { FencedError } from "../../../core/state/fences.ts";
import { GuardedState } from "../../../core/state/guarded_state.ts";
import { MemoryState } from "../../../core/state/memory.ts";
import { SqliteState } from "../../../core/state/sqlite.ts";
import type { StateChange } from "../../../core/state/state.ts";
import type { SharedAct } from "../../../core/state/shared_act.ts";
import { ActingState } from "../../helpers/acting_state.ts";
import { FakeClock } from "../../helpers/fake_clock.ts";
import { LateState, nextTick } from "../../helpers/late_state.ts";

/** A state whose next commits fail with these errors. */
class Failing extends MemoryState {
  readonly errors: unknown[] = [];
  commits = 0;
  counts = 0;

  override commit(changes: readonly StateChange[]): Promise<void> {
    this.commits++;
    const error = this.errors.shift();
    return error === undefined ? super.commit(changes) : Promise.reject(error);
  }

  override deadLetterCounts(): Map<string, number> {
    this.counts++;
    return super.deadLetterCounts();
  }
}

const level: StateChange = { op: "generation.next" };
const dead = (id: string): StateChange => ({
  op: "dead.put",
  record: {
    ...{ subscription: "s", topic: "t", id, seq: 1, type: "a", reason: "no" },
    ...{ diedAt: 1, attempts: [], line: new Uint8Array(0) },
  },
});

Deno.test("GuardedState refuses everything with the first error when a commit has failed", async () => {
  const inner = new Failing();
  const state = new GuardedState(inner);
  const [first, second] = [new Error("EIO"), new Error("another")];
  inner.errors.push(first, second);
  await assert.rejects(state.commit([level]), { code: "internal/bug", message: /EIO/ });
  assert.equal(await state.failure, first);
  assert.equal(state.failed, first);
  await assert.rejects(state.commit([level]), { message: /EIO/ });
  await assert.rejects(state.scrub(), { message: /EIO/ });
  assert.equal(inner.commits, 1, "the second was not tried");
});

Deno.test("GuardedState keeps the first of two failures that were under way together", async () => {
  const inner = new Failing();
  const state = new GuardedState(inner);
  const [first, second] = [new Error("EIO"), new Error("another")];
  inner.errors.push(first, second);
  await Promise.allSettled([state.commit([level]), state.commit([level])]);
  assert.equal(state.failed, first);
});

Deno.test("GuardedState goes on when there was no room for a commit", async () => {
  const inner = new Failing();
  const state = new GuardedState(inner);
  inner.errors.push(new CannotStoreError("full", { code: "store/disk-full" }));
  await assert.rejects(state.commit([level]), { code: "store/disk-full" });
  assert.equal(state.failed, undefined);
  await state.commit([level]);
  assert.equal(inner.commits, 2);
});

Deno.test("GuardedState counts dead letters again after they have changed, and only then", async () => {
  const inner = new Failing();
  const state = new GuardedState(inner);
  const count = async () => (await state.deadLetterCounts()).get("s") ?? 0;
  assert.deepEqual([await count(), await count(), inner.counts], [0, 0, 1]);
  await state.commit([level]);
  assert.deepEqual([await count(), inner.counts], [0, 1]);
  await state.commit([dead("a")]);
  assert.deepEqual([await count(), await count(), inner.counts], [1, 1, 2]);
  await state.commit([{ op: "dead.remove", subscription: "s", topic: "t", id: "a" }]);
  assert.deepEqual([await count(), inner.counts], [0, 3]);
});

Deno.test("GuardedState remembers no count that was on its way when dead letters changed", async () => {
  const inner = new Failing();
  const late = new LateState(inner, { turn: nextTick });
  const state = new GuardedState(late);
  const held = late.hold("deadLetterCounts", { most: 1 });
  const before = state.deadLetterCounts();
  await held.until(1);
  await state.commit([dead("a")]);
  held.end();
  assert.equal((await before).get("s"), undefined, "as it was when it was asked for");
  assert.equal((await state.deadLetterCounts()).get("s"), 1);
  assert.equal((await state.deadLetterCounts()).get("s"), 1);
  assert.equal(inner.counts, 2, "the second is remembered");
});

Deno.test("GuardedState remembers for half a second what other processes change, too", async () => {
  const clock = new FakeClock();
  const inner = new ActingState({ clock });
  const state = new GuardedState(inner, { sharesState: true });
  const count = async () => (await state.deadLetterCounts()).get("s") ?? 0;
  assert.equal(await count(), 0);
  await inner.commit([dead("a")]);
  clock.stand(499);
  assert.equal(await count(), 0);
  clock.stand(1);
  assert.equal(await count(), 1, "of another process");
  clock.stand(499);
  await state.commit([dead("b")]);
  assert.equal(await count(), 2, "of this one, at once");
  const decide = () => ({ changes: [dead("c")], result: "done" });
  const told: unknown[] = [];
  state.onCommit((changes) => {
    told.push(...changes.map(({ op }) => op));
    return () => told.push("kept");
  });
  assert.equal(await state.transact!({ on: [], decide }), "done");
  assert.deepEqual(told, ["dead.put", "kept"]);
  assert.equal(await count(), 3, "also of an act");
});

Deno.test("GuardedState takes what an act finds for no failure, and refuses acts after one", async () => {
  const inner = new ActingState();
  const state = new GuardedState(inner, { sharesState: true });
  const act = (decide: SharedAct<number>["decide"]) => state.transact!({ on: [], decide });
  const nothing = () => {
    throw new Error("nothing there");
  };
  await assert.rejects(act(nothing), /nothing there/);
  assert.equal(await act(() => ({ changes: [], result: 1 })), 1);
  inner.commit = () => Promise.reject(new Error("EIO"));
  await assert.rejects(state.commit([level]), /EIO/);
  await assert.rejects(act(() => ({ changes: [], result: 2 })), /EIO/);
  assert.equal(new GuardedState(inner).transact, undefined, "who has it alone needs none");
});

Deno.test("GuardedState asks again after a count that could not be read", async () => {
  const late = new LateState(new MemoryState(), { turn: nextTick });
  const state = new GuardedState(late);
  const held = late.hold("deadLetterCounts");
  const counted = state.deadLetterCounts();
  held.end(new Error("away"));
  await assert.rejects(async () => await counted, /away/);
  assert.equal((await state.deadLetterCounts()).size, 0);
});

Deno.test("GuardedState goes on after a commit of somebody who no longer owns the part", async () => {
  const inner = new Failing();
  const state = new GuardedState(inner);
  const fence = { subscription: "s", part: 3, epoch: 1 };
  inner.errors.push(new FencedError([fence]));
  await assert.rejects(state.commit([level], { fences: [fence] }), (error: FencedError) => {
    assert.deepEqual([error.code, error.fences], ["state/fenced", [fence]]);
    return true;
  });
  assert.equal(state.failed, undefined);
  await state.commit([level]);
});

Deno.test("a state of one process refuses fences, keeps nothing of the commit, and goes on", async () => {
  const folder = await Deno.makeTempDir();
  const states = [new MemoryState(), new SqliteState(`${folder}/state.db`)];
  try {
    for (const inner of states) {
      const state = new GuardedState(inner);
      const fences = [{ subscription: "s", part: 0, epoch: 1 }];
      await assert.rejects(state.commit([dead("a")], { fences }), { code: "state/no-fences" });
      assert.equal((await state.deadLetterCounts()).size, 0);
      await state.commit([dead("b")], { fences: [] });
      assert.equal((await state.deadLetterCounts()).get("s"), 1);
    }
  } finally {
    for (const state of states) await state.close();
    await Deno.remove(folder, { recursive: true });
  }
});
