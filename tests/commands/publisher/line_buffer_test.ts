/** Collecting lines into complete requests. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { LineBuffer } from "../../../commands/publisher/line_buffer.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

Deno.test("LineBuffer hands on every line once and numbers them, whatever the pieces and when it is emptied", () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: fc.constantFrom("a", "b", "\n"), maxLength: 30 }), {
        maxLength: 20,
      }),
      fc.array(fc.boolean(), { minLength: 1, maxLength: 8 }),
      fc.integer({ min: 0, max: 5 }),
      (pieces, takes, skip) => {
        const lines = new LineBuffer({ limit: 1000, skip });
        let out = "";
        let numbered = skip;
        const take = () => {
          const batch = lines.take();
          if (batch === undefined) return;
          assert.equal(batch.firstLine, numbered + 1);
          numbered += batch.lines;
          out += decoder.decode(batch.body);
          lines.recycle(batch.body);
        };
        pieces.forEach((piece, i) => {
          lines.push(encoder.encode(piece));
          if (takes[i % takes.length]) take();
        });
        lines.end();
        take();
        const text = pieces.join("");
        const all = text.split("\n");
        if (all.at(-1) === "") all.pop();
        const expected = all.slice(skip);
        assert.equal(out, expected.map((line) => line + "\n").join(""));
        if (all.length >= skip) assert.equal(numbered, all.length);
      },
    ),
    { numRuns: 500 },
  );
});

Deno.test("LineBuffer passes over a line that is too long and counts it once", () => {
  const lines = new LineBuffer({ limit: 10 });
  lines.push(encoder.encode("one\ntwo\n"));
  lines.push(encoder.encode("x".repeat(11)));
  assert.equal(lines.tooLong, false, "what came before goes first");
  assert.equal(lines.open, false);
  assert.equal(decoder.decode(lines.take()?.body), "one\ntwo\n");
  assert.equal(lines.tooLong, true);
  assert.equal(lines.nextLine, 3);
  lines.passTooLong();
  lines.push(encoder.encode("xxxx"));
  lines.push(encoder.encode("x\nfour\n"));
  const batch = lines.take();
  assert.equal(batch?.firstLine, 4);
  assert.equal(decoder.decode(batch?.body), "four\n");
});

Deno.test("LineBuffer counts a last line without a line feed", () => {
  const lines = new LineBuffer({ limit: 10 });
  lines.push(encoder.encode("one\ntwo"));
  assert.equal(lines.take()?.lines, 1);
  lines.end();
  const last = lines.take();
  assert.deepEqual([last?.firstLine, last?.lines, decoder.decode(last?.body)], [2, 1, "two\n"]);
});
