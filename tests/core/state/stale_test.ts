/** Deciding again when somebody else was faster, and the numbers by which that is noticed. */
import assert from "node:assert/strict";
import { decideAgain, newRev, StaleError } from "../../../core/state/stale.ts";
import { GuardedState } from "../../../core/state/guarded_state.ts";
import { MemoryState } from "../../../core/state/memory.ts";

/** Somebody else is faster so often. */
function rivals(times: number) {
  const done: string[] = [];
  return {
    done,
    refresh: () => {
      done.push("refresh");
      return Promise.resolve();
    },
    decide: () => {
      done.push("decide");
      return times-- > 0 ? Promise.reject(new StaleError()) : Promise.resolve("stored");
    },
  };
}

Deno.test("decideAgain reads what others have stored before it decides again", async () => {
  const two = rivals(2);
  assert.equal(await decideAgain(two, two.decide), "stored");
  assert.deepEqual(two.done, ["decide", "refresh", "decide", "refresh", "decide"]);
});

Deno.test("decideAgain gives up when others are always faster", async () => {
  const many = rivals(Infinity);
  await assert.rejects(decideAgain(many, many.decide), { code: "state/stale" });
  assert.equal(many.done.filter((what) => what === "decide").length, 6);
});

Deno.test("decideAgain leaves other errors to the caller", async () => {
  const none = rivals(0);
  const failed = new Error("no");
  await assert.rejects(decideAgain(none, () => Promise.reject(failed)), failed);
  assert.deepEqual(none.done, []);
});

Deno.test("newRev chooses whole numbers above 0 that are exact, and others each time", () => {
  const revs = Array.from({ length: 1000 }, newRev);
  assert.equal(new Set(revs).size, revs.length);
  assert.ok(revs.every((rev) => Number.isSafeInteger(rev) && rev > 0));
  assert.ok(Math.max(...revs) > 2 ** 50, "as far as they go");
});

Deno.test("GuardedState goes on after a commit that was decided from what is not so", async () => {
  let isStale = true;
  class Shared extends MemoryState {
    override commit(...args: Parameters<MemoryState["commit"]>): Promise<void> {
      return isStale ? Promise.reject(new StaleError()) : super.commit(...args);
    }
  }
  const state = new GuardedState(new Shared());
  await assert.rejects(state.commit([{ op: "generation.next" }]), { code: "state/stale" });
  isStale = false;
  await state.commit([{ op: "generation.next" }]);
  assert.equal(state.load().generation, 1);
});
