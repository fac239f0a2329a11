/** Shows that a failing plan is made smaller to what is needed, and that it is kept as a file. */
import assert from "node:assert/strict";
import { shrink } from "./engine/shrink.ts";
import { smallestLife } from "./lives/smallest.ts";
import type { Plan, Step } from "./types.ts";

function step(id: number, act: string): Step {
  return { id, at: id, actor: id % 2 === 0 ? "even" : "odd", act, args: {} };
}

Deno.test("shrink leaves the steps that are needed when the promise breaks", async () => {
  const steps = Array.from({ length: 60 }, (_, id) => step(id, id % 7 === 0 ? "kill" : "publish"));
  const plan: Plan = { seed: 1, settings: {}, steps };
  const broke = { promise: "kept", details: "", at: 0 };
  const needed = [13, 14, 56];
  const { plan: smaller, runs } = await shrink(smallestLife, plan, broke, {
    run: (_life, { steps }) => {
      const ids = steps.map(({ id }) => id);
      const breaks = needed.every((id) => ids.includes(id));
      return Promise.resolve({ broke: breaks ? { ...broke, details: `${ids}` } : undefined });
    },
  });
  assert.deepEqual(smaller.steps.map(({ id }) => id), needed);
  assert.ok(runs < 200, `${runs} runs`);
});

Deno.test("shrink does not follow another promise that breaks when steps are left out", async () => {
  const plan: Plan = { seed: 1, settings: {}, steps: [step(1, "a"), step(2, "b")] };
  const broke = { promise: "kept", details: "", at: 0 };
  const { plan: smaller } = await shrink(smallestLife, plan, broke, {
    run: () => Promise.resolve({ broke: { ...broke, promise: "another" } }),
  });
  assert.equal(smaller.steps.length, 2);
});
