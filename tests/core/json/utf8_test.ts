/** Where bytes stop being UTF-8: the same as the engine's decoder says. */
import assert from "node:assert/strict";
import { badByteOf } from "../../../core/json/utf8.ts";

/** The same, asked of a decoder: how many bytes it takes before it refuses one. */
function badByteByDecoder(bytes: Uint8Array): number {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  for (let at = 0; at < bytes.length; at++) {
    try {
      decoder.decode(bytes.subarray(at, at + 1), { stream: true });
    } catch {
      return at;
    }
  }
  return bytes.length;
}

/** Bytes at which the rules change: the ends of ranges, and what lies beside them. */
const EDGES = [
  ...[0x00, 0x22, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1],
  ...[0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff],
];

Deno.test("badByteOf says what a decoder says of every kind of byte after another", () => {
  for (let first = 0; first < 256; first++) {
    for (const second of EDGES) assertSame([0x61, first, second]);
  }
  for (const first of EDGES.filter((byte) => byte >= 0xe0)) {
    for (const second of EDGES) {
      for (const third of EDGES) {
        assertSame([first, second, third]);
        if (first >= 0xf0) {
          for (const last of EDGES) assertSame([first, second, third, last, 0x61]);
        }
      }
    }
  }
});

function assertSame(bytes: number[]): void {
  const array = Uint8Array.from(bytes);
  if (badByteOf(array) !== badByteByDecoder(array)) {
    assert.equal(
      badByteOf(array),
      badByteByDecoder(array),
      bytes.map((one) => one.toString(16)).join(" "),
    );
  }
}

Deno.test("badByteOf names the first byte that cannot be UTF-8", () => {
  assert.equal(badByteOf(new Uint8Array([0x61, 0xff, 0x61])), 1);
  assert.equal(badByteOf(new Uint8Array([0xc3, 0xbc, 0xc3, 0x28])), 3);
  assert.equal(badByteOf(new Uint8Array([0x61, 0xe2, 0x82])), 3);
  assert.equal(badByteOf(new Uint8Array([0xed, 0xa0, 0x80])), 1);
});
