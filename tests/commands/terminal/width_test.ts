/** `width` knows how many columns each character takes, by Unicode's tables. */
import assert from "node:assert/strict";
import { width } from "../../../commands/terminal/table.ts";
import { eastAsianWidth } from "../../packages/east_asian_width.ts";

const LAST = 0x10ffff;
/** No character, for somebody's own use, a half of one, or a control character. */
const NO_CHARACTER = /\p{Cn}|\p{Co}|\p{Cs}|\p{Cc}/u;

Deno.test("width says of every character what Unicode's tables say, and of marks that they take none", () => {
  const wrong: string[] = [];
  for (let point = 0x20; point <= LAST; point++) {
    const character = String.fromCodePoint(point);
    if (NO_CHARACTER.test(character)) continue;
    const columns = width(character);
    if (columns === 0) continue; // a mark, or what is not seen
    if (columns !== eastAsianWidth(point)) wrong.push(`U+${point.toString(16)}: ${columns}`);
  }
  assert.deepEqual(wrong, []);
  for (const mark of ["\u0301", "\u20dd", "\u200d", "\ufe0f"]) assert.equal(width(mark), 0);
});

Deno.test("width takes a flag for its two letters", () => {
  assert.equal(width("🇩🇪"), 2);
});
