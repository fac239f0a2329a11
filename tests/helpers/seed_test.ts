/** A seed is reproducible: the same seed gives the same values, and a failure names it. */
import assert from "node:assert/strict";
import fc from "../packages/fast_check.ts";
import { assertSeeded, seed } from "./seed.ts";

Deno.test("assertSeeded names the seed of a failure, and gives the same values for the same seed", async () => {
  const runs: number[][] = [];
  for (let run = 0; run < 2; run++) {
    const values: number[] = [];
    const property = fc.asyncProperty(fc.nat(), (n) => {
      values.push(n);
      return Promise.resolve();
    });
    await assertSeeded(property, { numRuns: 20, file: "here" });
    runs.push(values);
  }
  assert.deepEqual(runs[0], runs[1]);
  const failing = fc.asyncProperty(fc.nat(), () => Promise.reject(new Error("no")));
  await assert.rejects(
    assertSeeded(failing, { numRuns: 1, file: "tests/x.ts" }),
    (error) => (error as Error).message.startsWith(`EVS_SEED=${seed} deno test -A tests/x.ts`),
  );
});
