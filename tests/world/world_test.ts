/**
 * Lives many seeds, and all failures that are kept: docs/testing.md. A seed that fails here is looked
 * at with `deno task test:world --seed S --story`.
 */
import assert from "node:assert/strict";
import { dose } from "../helpers/dose.ts";
import { runBatches } from "./batches.ts";
import { keptNames, readKept } from "./engine/kept.ts";
import { runWorld } from "./engine/run.ts";
import { lifeNamed, sharesOf } from "./lives/mod.ts";
import { failureText, totalsText } from "./report.ts";

/** Worlds that the suite runs; the nightly run has ten times as many. */
const SEEDS = 200;

Deno.test("no promise breaks in any world", async () => {
  for (const { life: { name }, seeds } of sharesOf("all", dose(SEEDS))) {
    const totals = await runBatches({ life: name, seeds, from: 1, jobs: 2, twice: false });
    const told = totals.failures.map(failureText).join("\n");
    assert.equal(totals.failures.length, 0, `life ${name}: ${told}\n${totalsText(totals)}`);
    assert.equal(totals.worlds, seeds, "no seed was left out");
  }
});

for (const name of keptNames()) {
  Deno.test(`what broke in ${name} does not break any more`, async () => {
    const { life, plan } = readKept(name);
    const { broke } = await runWorld(lifeNamed(life), plan.seed, { plan });
    assert.equal(broke, undefined, JSON.stringify(broke));
  });
}
