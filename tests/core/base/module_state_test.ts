/** Shows that simulated threads, which share modules, do not share what these keep. */
import assert from "node:assert/strict";
import { moduleState, simulateThreads } from "../../../core/base/module_state.ts";

Deno.test("moduleState keeps one state for each simulated thread", () => {
  const count = moduleState(() => ({ n: 0 }));
  count().n++;
  const threads = [new Map(), new Map()];
  let thread: Map<unknown, unknown> | undefined = threads[0];
  simulateThreads(() => thread);
  try {
    assert.equal(count().n, 0, "the first thread has its own");
    count().n = 5;
    thread = threads[1];
    assert.equal(count().n, 0, "and so has the second");
    thread = threads[0];
    assert.equal(count().n, 5, "it is kept");
    thread = undefined;
    assert.equal(count().n, 1, "outside of them nothing has changed");
  } finally {
    simulateThreads(undefined);
  }
  assert.equal(count().n, 1);
});
