/** Text and any bytes as JSON strings, and lines of any bytes whatever the pieces they arrive in. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { binaryLines } from "../../../commands/publisher/binary_lines.ts";
import type { NextChunk } from "../../../commands/publisher/pipeline.ts";
import { argumentBody, textBody } from "../../../commands/publisher/text_body.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** The input in pieces, each of which is gone when the next one is asked for. */
function piecesOf(bytes: Uint8Array, sizes: readonly number[]): NextChunk {
  const buffer = new Uint8Array(bytes.length + 4);
  let at = 0;
  let turn = 0;
  let ended = false;
  return () => {
    assert.ok(!ended, "nothing is read after the end");
    if (at === bytes.length) {
      ended = true;
      return Promise.resolve(null);
    }
    const piece = bytes.subarray(at, at + (sizes[turn++ % sizes.length] ?? bytes.length));
    at += piece.length;
    const offset = turn % 4; // views need not be aligned
    buffer.fill(0x22);
    buffer.set(piece, offset);
    return Promise.resolve(buffer.subarray(offset, offset + piece.length));
  };
}

async function all(next: NextChunk): Promise<Uint8Array> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  for (let part = await next(); part !== null; part = await next()) parts.push(part.slice());
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

const SIZES = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 });

Deno.test("binaryLines keeps every byte of every line in base64", async () => {
  const bytes = fc.array(fc.oneof(fc.constant(0x0a), fc.integer({ min: 0, max: 255 })), {
    maxLength: 60,
  });
  await fc.assert(fc.asyncProperty(bytes, SIZES, async (values, sizes) => {
    const input = Uint8Array.from(values);
    const encoded = decoder.decode(await all(binaryLines(piecesOf(input, sizes))));
    const lines = encoded.replace(/\n$/, "").split("\n").filter((line) => line !== "");
    const decoded = lines.flatMap((line) => [...Uint8Array.fromBase64(JSON.parse(line)), 0x0a]);
    assert.deepEqual(decoded, [
      ...input,
      ...(values.length > 0 && values.at(-1) !== 10 ? [10] : []),
    ]);
    assert.equal(encoded.endsWith("\n"), values.at(-1) === 0x0a);
  }));
});

Deno.test("textBody names the line and the byte that is not UTF-8, and drops a byte order mark", () => {
  assert.equal(textBody(encoder.encode('\ufeffa "b"\n')), '"a \\"b\\"\\n"');
  assert.throws(() => textBody(Uint8Array.of(0x61, 0x0a, 0x0a, 0x62, 0xff, 0x0a)), {
    code: "event/invalid-utf8",
    message: "line 3: byte 2 of the line is not UTF-8",
  });
  assert.equal(argumentBody("@file"), '"@file"');
  assert.throws(() => argumentBody("a\ufffd"), { code: "event/invalid-utf8" });
});
