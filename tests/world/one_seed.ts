/**
 * Runs a seed of a scenario, or the seeds from one to another until one breaks a promise, and prints
 * what came of the last as a line of JSON: `one_seed.ts SCENARIO FROM [TO]`. It runs in copies of
 * the tree in which a file was changed.
 */
import { lifeOf } from "./scenarios/life.ts";
import { runWorld } from "./engine/run.ts";
import type { Life, Violation } from "./types.ts";

/** What came of a seed. */
export interface SeedResult {
  seed: number;
  broke: Pick<Violation, "promise" | "details"> | undefined;
  /** What the world took, ms. */
  milliseconds: number;
}

async function run(life: Life, seed: number): Promise<SeedResult> {
  const began = performance.now();
  const { broke } = await runWorld(life, seed);
  return { seed, broke, milliseconds: performance.now() - began };
}

if (import.meta.main) {
  const [name, ...seeds] = Deno.args;
  const life = lifeOf(name!);
  const [from = 1, to = from] = seeds.map(Number);
  let result = await run(life, from);
  for (let seed = from + 1; seed <= to && !result.broke; seed++) result = await run(life, seed);
  Deno.stdout.writeSync(new TextEncoder().encode(`${JSON.stringify(result)}\n`));
  // What the world had opened must not keep this process.
  Deno.exit();
}
