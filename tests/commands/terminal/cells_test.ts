/** Text becomes cells that stay in their place. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import {
  type CellRow,
  cellsOf,
  columnsOf,
  cut,
  fit,
  wrapCells,
} from "../../../commands/terminal/cells.ts";
import { anyName } from "../../helpers/any_top_state.ts";

const textOf = (row: CellRow) => row.map(({ text }) => text).join("");
const widths = (text: string) => cellsOf(text).map(({ width }) => width);

Deno.test("cellsOf makes one cell of what is one character on the screen", () => {
  assert.deepEqual(widths("ab"), [1, 1]);
  assert.deepEqual(widths("日本"), [2, 2]);
  assert.deepEqual(widths("e\u0301x"), [1, 1]);
  assert.deepEqual(widths("👩‍👩‍👧‍👦!"), [2, 1]);
  assert.deepEqual(widths("🇩🇪🇫🇷"), [2, 2]);
  assert.deepEqual(widths("☎️1️⃣"), [2, 2]);
});

Deno.test("cellsOf gives a mark without a character something to stand on, and bounds a pile of them", () => {
  assert.equal(textOf(cellsOf("\u0301")), "\u25cc\u0301");
  const [cell, ...others] = cellsOf(`z${"\u0489".repeat(1000)}`);
  assert.deepEqual(others, []);
  assert.equal(cell!.text.length, 24);
});

Deno.test("cellsOf shows what a terminal would obey as an escape", () => {
  assert.equal(textOf(cellsOf("\x1b[2J\u202e")), "\\e[2J\\u202e");
});

Deno.test("fit and cut keep to the columns for any text", () => {
  fc.assert(fc.property(anyName, fc.nat(40), fc.boolean(), (text, width, right) => {
    const cells = cellsOf(text);
    assert.equal(columnsOf(fit(cells, { width, right })), width);
    assert.ok(columnsOf(cut(cells, width)) <= width);
    if (columnsOf(cells) <= width) assert.deepEqual(cut(cells, width), cells);
  }));
});

Deno.test("wrapCells loses nothing, and breaks at spaces where it can", () => {
  fc.assert(fc.property(anyName, fc.integer({ min: 2, max: 40 }), (text, width) => {
    const cells = cellsOf(text);
    const rows = wrapCells(cells, width);
    assert.deepEqual(rows.flat(), cells);
    for (const row of rows) assert.ok(columnsOf(row) <= width);
  }));
  assert.deepEqual(wrapCells(cellsOf("evs dlq retry"), 9).map(textOf), ["evs dlq ", "retry"]);
});
