/** A life is decided by its seed, is plain data, and draws from every feature. */
import assert from "node:assert/strict";
import { randomStream } from "../engine/random.ts";
import { actOf, stepOf } from "./act.ts";
import { FEATURE_NAMES, planLife } from "./plan.ts";

const planOf = (seed: number) => planLife(seed, randomStream(seed, "plan"));

Deno.test("planLife plans the same life when the seed is the same, and others for others", () => {
  assert.deepEqual(planOf(7), planOf(7));
  assert.notDeepEqual(planOf(7), planOf(8));
});

Deno.test("planLife plans what a kept file can hold", () => {
  for (let seed = 1; seed <= 50; seed++) {
    assert.deepEqual(JSON.parse(JSON.stringify(planOf(seed))), planOf(seed));
  }
});

Deno.test("planLife leaves features out of each life, and none out of all", () => {
  const lives = Array.from({ length: 200 }, (_, seed) => planOf(seed).settings["features"]);
  for (const features of lives) assert.ok((features as string[]).length <= FEATURE_NAMES.length);
  assert.ok(lives.some((features) => (features as string[]).length < FEATURE_NAMES.length / 2));
  const all = new Set(lives.flat());
  assert.deepEqual(FEATURE_NAMES.filter((name) => !all.has(name)), []);
});

Deno.test("actOf returns what stepOf was given", () => {
  const act = { do: "publish", topic: "a", events: [{ n: 1, script: ["throw"] }] } as const;
  assert.deepEqual(actOf(stepOf(act, { id: 1, at: 0, actor: "p1" })), act);
});
