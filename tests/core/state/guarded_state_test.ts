/** Contract row 7 for the state: after a commit that failed, nothing counts any more. */
import assert from "node:assert/strict";
import { CannotStoreError } from "../../../core/base/errors.ts";
import { GuardedState } from "../../../core/state/guarded_state.ts";
import { MemoryState } from "../../../core/state/memory.ts";
import type { StateChange } from "../../../core/state/state.ts";

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
