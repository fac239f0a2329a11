/** Numbers as a line of small bars. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { sparkline } from "../../../commands/terminal/sparkline.ts";

Deno.test("sparkline has a bar for each number, a dot for none and a space for not known", () => {
  assert.equal(sparkline([0, undefined, 1, 50, 100, null]), "· ▁▄█ ");
  assert.equal(sparkline([0, 0]), "··");
  assert.equal(sparkline([]), "");
  const numbers = fc.array(fc.option(fc.nat()), { maxLength: 100 });
  fc.assert(fc.property(numbers, (numbers) => {
    assert.match(sparkline(numbers), new RegExp(`^[ ·▁-█]{${numbers.length}}$`));
    const most = Math.max(...numbers.map((value) => value ?? 0));
    if (most > 0) assert.equal(sparkline(numbers)[numbers.indexOf(most)], "█");
  }));
});
