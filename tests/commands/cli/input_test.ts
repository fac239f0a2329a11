/** Reading JSON values and lines from stdin and arguments. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { batches, toLines } from "../../../commands/cli/input.ts";

const encode = (text: string) => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

Deno.test("toLines makes one line when a value stands on several", () => {
  assert.equal(decode(toLines(encode('{\n  "a": 1\r\n}\n'))).trim(), '{   "a": 1  }');
});

Deno.test("toLines leaves lines alone when each is a value, or wrong", () => {
  for (const text of ['{"a":1}\n{"a":2}\n', '{"a":1}', "", '{"a":\n{"b":1}\n']) {
    assert.equal(decode(toLines(encode(text))), text);
  }
});

Deno.test("batches cuts at lines only and counts them", () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 300_000 }), { maxLength: 8 }),
      (lengths) => {
        const lines = lengths.map((length, index) => String(index % 10).repeat(length));
        const whole = encode(lines.join("\n"));
        let joined = "";
        let line = 1;
        for (const { bytes, firstLine } of batches(whole)) {
          assert.equal(firstLine, line);
          const text = decode(bytes);
          joined += text;
          line += text.split("\n").length - 1;
        }
        assert.equal(joined, lines.join("\n"));
      },
    ),
    { numRuns: 20 },
  );
});
