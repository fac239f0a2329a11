/**
 * Shows that tests notice sabotages of the code: thirty of the mutants, drawn by the day, and all of
 * them at nightly. Also that no mutant has lost the text that it changes.
 */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { dose } from "../helpers/dose.ts";
import { dayOf, drawn } from "./draw.ts";
import { AREAS, mutantsOf } from "./list.ts";
import { isForNightly, problemOf } from "./mutant.ts";
import { wronglyWritten } from "./name_check.ts";
import { lineOf } from "./report.ts";
import { runMutants } from "./runner.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

Deno.test("every mutant changes one place of the code and has its tests", async () => {
  const read = (path: string) => Deno.readTextFile(`${ROOT}/${path}`);
  const problems: string[] = [];
  for (const mutant of mutantsOf()) {
    const problem = mutant.promise === "" ? "breaks no promise" : await problemOf(mutant, read);
    if (problem !== undefined) problems.push(`${mutant.name}: ${problem}`);
  }
  assert.deepEqual(problems, []);
  for (const [area, mutants] of Object.entries(AREAS)) {
    if (area === "faults") continue;
    for (const { name, fault } of mutants) assert.equal(fault, undefined, name);
  }
});

Deno.test("every mutant that is drawn today is killed", async () => {
  const all = mutantsOf();
  const day = dayOf(Date.now());
  const isNightly = dose(1) > 1;
  const mutants = isNightly ? all : drawn(all.filter((one) => !isForNightly(one)), 30, day);
  // One that uses a name that does not exist would be killed by anything.
  assert.deepEqual(await wronglyWritten(ROOT, mutants), []);
  const results = await runMutants({ root: ROOT, mutants, jobs: 2 });
  const survived = results.filter(({ verdict }) => verdict === "survived");
  // A test that fails without the mutant, or takes too long, says nothing of it. On a machine with
  // much to do that may be chance: those run once more, one after the other.
  const unknown = results.filter(({ verdict }) => !["killed", "survived"].includes(verdict));
  const again = await runMutants({
    root: ROOT,
    mutants: unknown.map(({ mutant }) => mutant),
    jobs: 1,
  });
  const others = [...survived, ...again.filter(({ verdict }) => verdict !== "killed")];
  assert.equal(
    others.map(lineOf).join("\n"),
    "",
    `deno task test:mutants ${isNightly ? "" : `--sample 30 --day ${day} `}runs them again`,
  );
});
