/** Finding lines in bytes, whatever pieces they arrive in. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { type LineFault, LineReader } from "../../../daemon/ingest/ndjson.ts";

const encoder = new TextEncoder();
/**
 * Text may begin with U+FEFF: a decoder that took it off would not see what the reader hands on.
 */
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

interface Seen {
  lines: [number, string][];
  faults: [number, LineFault["code"]][];
}

function read(chunks: Uint8Array[], options: { limit?: number; stopAt?: number } = {}): Seen {
  const seen: Seen = { lines: [], faults: [] };
  const reader = new LineReader({
    line(number, text, bytes) {
      assert.equal(decoder.decode(bytes), text);
      seen.lines.push([number, text]);
      return number !== options.stopAt;
    },
    fault(number, fault) {
      seen.faults.push([number, fault.code]);
      return true;
    },
  }, { limit: options.limit ?? 1000, firstLine: 1 });
  for (const chunk of chunks) reader.push(chunk);
  reader.end();
  return seen;
}

function cut(bytes: Uint8Array, at: number[]): Uint8Array[] {
  const places = [...new Set(at.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...places].map((place, i) => bytes.slice(place, places[i] ?? bytes.length));
}

Deno.test("LineReader finds the same lines however the bytes are cut", () => {
  const line = fc.oneof(
    fc.string({ unit: "binary", maxLength: 30 }),
    fc.constant(""),
    fc.constant("ü€𝄞"),
  )
    .map((text) => text.replaceAll(/[\r\n]/g, " ").toWellFormed());
  fc.assert(
    fc.property(fc.array(line), fc.array(fc.nat()), fc.boolean(), (lines, cuts, ended) => {
      const text = lines.join("\n") + (ended ? "\n" : "");
      const expected = text.split("\n").map((line, i) => [i + 1, line] as const)
        .filter(([, line]) => !/^[ \t]*$/.test(line));
      assert.deepEqual(read(cut(encoder.encode(text), cuts)), { lines: expected, faults: [] });
    }),
    { numRuns: 1000 },
  );
});

Deno.test("LineReader names the line that is not UTF-8 and keeps its neighbours", () => {
  const bytes = new Uint8Array([
    ...encoder.encode("1\n"),
    0x22,
    0xff,
    0x22,
    10,
    ...encoder.encode("3\nü\n"),
  ]);
  for (let at = 0; at <= bytes.length; at++) {
    assert.deepEqual(read(cut(bytes, [at])), {
      lines: [[1, "1"], [3, "3"], [4, "ü"]],
      faults: [[2, "event/invalid-utf8"]],
    });
  }
});

Deno.test("LineReader refuses a line over the limit without keeping it and goes on behind it", () => {
  const bytes = encoder.encode(`1\n${"x".repeat(50)}\n3\n${"y".repeat(20)}\n`);
  for (let at = 0; at <= bytes.length; at++) {
    assert.deepEqual(read(cut(bytes, [at, at + 7]), { limit: 20 }), {
      lines: [[1, "1"], [3, "3"], [4, "y".repeat(20)]],
      faults: [[2, "event/too-large"]],
    });
  }
});

Deno.test("LineReader takes a line of exactly the limit, and refuses one over the limit at its first byte too many", () => {
  for (const cuts of [[], [3], [5], [6]]) {
    assert.deepEqual(read(cut(encoder.encode("12345\n6"), cuts), { limit: 5 }), {
      lines: [[1, "12345"], [2, "6"]],
      faults: [],
    });
    assert.deepEqual(read(cut(encoder.encode("123456\n7"), cuts), { limit: 5 }), {
      lines: [[2, "7"]],
      faults: [[1, "event/too-large"]],
    });
  }
  const faults: number[] = [];
  const reader = new LineReader({
    line: () => assert.fail("there is no whole line"),
    fault: (number) => faults.push(number) > 0,
  }, { limit: 5, firstLine: 1 });
  reader.push(encoder.encode("12345"));
  assert.deepEqual(faults, [], "it may end here");
  reader.push(encoder.encode("6"));
  assert.deepEqual(faults, [1], "whatever follows");
  reader.push(encoder.encode("7".repeat(100)));
  reader.end();
  assert.deepEqual(faults, [1], "once");
});

Deno.test("LineReader looks at nothing more when the sink ends the reading", () => {
  assert.deepEqual(
    read([encoder.encode("1\n2\n3\n"), encoder.encode("4\n")], { stopAt: 2 }).lines,
    [[1, "1"], [2, "2"]],
  );
});

Deno.test("LineReader drops a carriage return when lines end like on Windows", () => {
  assert.deepEqual(read([encoder.encode('{"a":1}\r\n\r\n2\r\n')]).lines, [[1, '{"a":1}'], [
    3,
    "2",
  ]]);
});
