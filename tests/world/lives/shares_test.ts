/** Shows which lives take how many seeds of a run, and that a scenario is a life by its name. */
import assert from "node:assert/strict";
import { lifeNamed, lives, sharesOf } from "./mod.ts";

const named = (life: string | undefined, seeds: number) =>
  sharesOf(life, seeds).map(({ life: { name }, seeds }) => [name, seeds]);

Deno.test("sharesOf gives one life all seeds, and all lives a share each, none left out", () => {
  assert.deepEqual(named(undefined, 10_000), [["random", 10_000]]);
  assert.deepEqual(named("scenarios", 7), [["scenarios", 7]]);
  const shares = named("all", 200);
  assert.deepEqual(shares.map(([name]) => name), lives.map(({ name }) => name));
  assert.equal(shares.reduce((sum, [, seeds]) => sum + Number(seeds), 0), 200);
  assert.ok(shares.every(([, seeds]) => Number(seeds) >= Math.floor(200 / lives.length)));
});

Deno.test("lifeNamed finds a scenario by its name, and names all when there is no such life", () => {
  assert.equal(lifeNamed("late retries").name, "late retries");
  assert.throws(() => lifeNamed("lateness"), /there is no life lateness: random, .*late retries/);
});
