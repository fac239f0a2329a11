/** Small payloads that share a buffer: which are taken, and that none is changed by another. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { parseJson } from "../../../core/json/json.ts";
import { scannedPayload } from "../../../daemon/ingest/payload_slab.ts";
import { dose } from "../../helpers/dose.ts";
import { CORPUS, jsonText } from "../../helpers/json_text.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

function taken(text: string): string | undefined {
  const payload = scannedPayload(encoder.encode(text));
  return payload && decoder.decode(payload);
}

Deno.test("scannedPayload takes JSON without the white space around it, byte for byte", () => {
  for (const text of CORPUS) assert.equal(taken(text), text);
  const space = fc.string({ unit: fc.constantFrom(" ", "\t", "\r", "\n"), maxLength: 3 });
  fc.assert(
    fc.property(space, jsonText, space, (before, text, after) => {
      const value = text.replace(/^[ \t\r\n]+|[ \t\r\n]+$/g, "");
      assert.equal(taken(before + text + after), value);
    }),
    { numRuns: dose(500) },
  );
});

Deno.test("scannedPayload leaves what is not certain to be one line of JSON to the parser", () => {
  for (const text of ["", " ", "{", "nul", "1 2", "1\n2", "[1,\n2]", "[1,\r2]", "\ufeff1", '"']) {
    assert.equal(taken(text), undefined, JSON.stringify(text));
  }
  assert.equal(scannedPayload(Uint8Array.of(0x22, 0xff, 0x22)), undefined, "not UTF-8");
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'{}[]",:\\ 1\n') }), (text) => {
      if (taken(text) !== undefined) assert.doesNotThrow(() => parseJson(text));
    }),
    { numRuns: dose(2000) },
  );
});

Deno.test("scannedPayload changes no payload that it has returned, nor do the bytes that it was given", () => {
  const sizes = fc.array(fc.integer({ min: 0, max: 3000 }), { minLength: 1, maxLength: 50 });
  fc.assert(
    fc.property(sizes, (lengths) => {
      const texts = lengths.map((length, i) => JSON.stringify(String(i % 10).repeat(length)));
      const payloads = texts.map((text) => {
        const body = encoder.encode(text);
        const payload = scannedPayload(body);
        body.fill(0);
        scannedPayload(encoder.encode("not JSON"));
        return payload;
      });
      assert.deepEqual(payloads.map((payload) => decoder.decode(payload)), texts);
    }),
    { numRuns: dose(100) },
  );
});

Deno.test("scannedPayload shares buffers of a few kilobytes, so that one payload keeps no more", () => {
  const payloads = Array.from({ length: 100 }, (_, i) => scannedPayload(encoder.encode(`[${i}]`)))
    .filter((payload) => payload !== undefined);
  assert.equal(payloads.length, 100);
  const buffers = new Set(payloads.map(({ buffer }) => buffer));
  assert.ok(buffers.size < 10, `${buffers.size} buffers`);
  for (const { byteLength } of buffers) assert.ok(byteLength <= 4096, `${byteLength} bytes`);
});

Deno.test("scannedPayload takes nothing of white space alone, also where a buffer begins", () => {
  // Whatever the tests before it have left: what is not JSON takes a new buffer, and none of it.
  const large = "[1] ".repeat(250);
  for (let i = 0; i < 20; i++) {
    assert.equal(taken(large), undefined);
    for (const text of ["", " ", "\n", "\r\n", "\t \r\n"]) {
      assert.equal(taken(text), undefined, JSON.stringify(text));
    }
    assert.equal(taken(`"${"x".repeat(300)}"`)?.length, 302);
  }
});
