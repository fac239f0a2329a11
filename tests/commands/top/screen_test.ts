/** The screen of `evs top` has exactly the size of the terminal, whatever it shows. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { type CellRow, columnsOf } from "../../../commands/terminal/cells.ts";
import { diffRows } from "../../../commands/terminal/screen_diff.ts";
import { screen } from "../../../commands/top/screen.ts";
import { anyTopState } from "../../helpers/any_top_state.ts";
import { dose } from "../../helpers/dose.ts";
import { VirtualTerminal } from "../../helpers/virtual_terminal.ts";

// deno-lint-ignore no-control-regex -- control characters are what this is about
const CONTROL = /[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/;

const textOf = (row: CellRow) => row.map(({ text }) => text).join("");

Deno.test("screen has as many rows as the terminal, none wider, without control characters", () => {
  fc.assert(
    fc.property(anyTopState, (state) => {
      const rows = screen(state);
      assert.equal(rows.length, state.size.rows);
      for (const row of rows) {
        assert.ok(columnsOf(row) <= state.size.columns, textOf(row));
        assert.doesNotMatch(textOf(row), CONTROL);
      }
    }),
    { numRuns: dose(200) },
  );
});

Deno.test("diffRows turns what a terminal shows into any other screen of that size", () => {
  fc.assert(
    fc.property(anyTopState, anyTopState, fc.boolean(), (before, other, colour) => {
      const { size } = before;
      const after = { ...other, size };
      const [old, rows] = [screen(before), screen(after)];
      const [changed, fresh] = [new VirtualTerminal(size), new VirtualTerminal(size)];
      changed.write(diffRows(undefined, old, { size, colour }));
      changed.write(diffRows(old, rows, { size, colour }));
      fresh.write(diffRows(undefined, rows, { size, colour }));
      assert.deepEqual(changed.lines, fresh.lines);
      assert.deepEqual(changed.texts, rows.map((row) => textOf(row).trimEnd()));
      assert.equal(diffRows(rows, rows, { size, colour }), "", "nothing where nothing changed");
    }),
    { numRuns: dose(50) },
  );
});
