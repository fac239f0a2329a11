/** Shows that the world finds faults that were put back: a few in the suite, all at nightly. */
import assert from "node:assert/strict";
import { dose } from "../helpers/dose.ts";
import { mutantsOf } from "../mutants/list.ts";
import { OLD_FAULTS } from "./old_faults.ts";
import { findOldFaults, lineOf } from "./old_faults_run.ts";

/** Those that the suite puts back: their worlds are short. */
const QUICK = ["A11", "A14", "A16"];

Deno.test("at least fifteen old faults have a mutant, and a seed of their own", () => {
  const mutants = new Map(mutantsOf("faults").map((mutant) => [mutant.name, mutant]));
  for (const { fault, mutant } of OLD_FAULTS) {
    assert.equal(mutants.get(mutant)?.fault, fault, mutant);
  }
  const seeds = OLD_FAULTS.map(({ scenario, seed }) => `${scenario} ${seed}`);
  assert.equal(new Set(seeds).size, seeds.length, "two have the same seed");
  assert.ok(new Set(OLD_FAULTS.map(({ fault }) => fault)).size >= 15);
});

Deno.test("the world finds an old fault by its seed, and nothing without it, when it is put back", async () => {
  const isNightly = dose(1) > 1;
  const faults = isNightly ? OLD_FAULTS : OLD_FAULTS.filter(({ fault }) => QUICK.includes(fault));
  const found = await findOldFaults(faults);
  const lost = found.filter(({ wrong }) => wrong !== undefined);
  assert.equal(lost.map(lineOf).join("\n"), "", "deno task test:old-faults looks for them again");
});
