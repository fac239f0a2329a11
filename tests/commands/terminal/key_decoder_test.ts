/** Bytes of a terminal become keys, however they are cut. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { KeyDecoder } from "../../../commands/terminal/key_decoder.ts";

const encoder = new TextEncoder();

function keysOf(...chunks: string[]): string[] {
  const decoder = new KeyDecoder();
  return [...chunks.flatMap((chunk) => decoder.feed(encoder.encode(chunk))), ...decoder.flush()];
}

Deno.test("KeyDecoder names keys, and gives characters as they are", () => {
  assert.deepEqual(keysOf("pq?ü日👍"), ["p", "q", "?", "ü", "日", "👍"]);
  assert.deepEqual(keysOf("\x1b[A\x1bOB\x1b[5~\x1b[1~\r\t\x7f"), [
    "Up",
    "Down",
    "PageUp",
    "Home",
    "Enter",
    "Tab",
    "Backspace",
  ]);
});

Deno.test("KeyDecoder takes Escape for one if nothing follows, and waits for what may follow", () => {
  const decoder = new KeyDecoder();
  assert.deepEqual(decoder.feed(encoder.encode("\x1b")), []);
  assert.ok(decoder.pending);
  assert.deepEqual(decoder.flush(), ["Escape"]);
  assert.ok(!decoder.pending);
  assert.deepEqual(keysOf("\x1bx"), ["Escape", "x"]);
});

Deno.test("KeyDecoder drops sequences that it does not know", () => {
  assert.deepEqual(keysOf("\x1b[<0;10;10M\x1b[?62;1c\x1b[15;5~a\x01"), ["a"]);
});

Deno.test("KeyDecoder takes what was pasted for text, not for keys", () => {
  assert.deepEqual(keysOf("\x1b[200~py\ny\x1b[201~q"), ["Paste py\ny", "q"]);
});

Deno.test("KeyDecoder gives the same keys however the bytes are cut", () => {
  const piece = fc.constantFrom("a", "é", "👍", "\x1b[A", "\x1b[6~", "\x1b[200~pp\x1b[201~", "\r");
  const cuts = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1 });
  fc.assert(fc.property(fc.array(piece, { maxLength: 10 }), cuts, (pieces, sizes) => {
    const bytes = encoder.encode(pieces.join(""));
    const decoder = new KeyDecoder();
    const keys: string[] = [];
    for (let at = 0, i = 0; at < bytes.length; i++) {
      const end = at + sizes[i % sizes.length]!;
      keys.push(...decoder.feed(bytes.subarray(at, end)));
      at = end;
    }
    assert.deepEqual(keys, keysOf(pieces.join("")));
  }));
});
