/** Lines of text and of any bytes as lines of JSON strings, whatever the pieces they arrive in. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { binaryLines } from "../../../commands/publisher/binary_lines.ts";
import type { NextChunk } from "../../../commands/publisher/pipeline.ts";
import { argumentBody, explainText, textBody } from "../../../commands/publisher/text_body.ts";
import { textLines } from "../../../commands/publisher/text_lines.ts";

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

/** The lines of a text; after a last line feed there is none. */
function linesOf(text: string): string[] {
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  return lines;
}

const TEXT = fc.array(
  fc.oneof(
    fc.constantFrom("\n", "\n\n", '"', "\\", "\\n", "\r\n", "\t", "\x00", "\x1f", "\x7f", "ü", "€"),
    fc.constantFrom("\u{1f600}", "\u2028", "\ufeff", "!", "#", "[", "]", " ", "plain text, "),
    fc.integer({ min: 0, max: 0x10ffff }).map((code) => String.fromCodePoint(code).toWellFormed()),
  ),
  { maxLength: 40 },
).map((parts) => parts.join(""));
const SIZES = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 });

Deno.test("textLines makes of each line what JSON.stringify makes of it", async () => {
  await fc.assert(fc.asyncProperty(TEXT, SIZES, async (text, sizes) => {
    const encoded = decoder.decode(await all(textLines(piecesOf(encoder.encode(text), sizes))));
    const wanted = linesOf(text).map((line) => JSON.stringify(line));
    assert.deepEqual(encoded.replace(/\n$/, "").split("\n"), wanted.length > 0 ? wanted : [""]);
    assert.equal(encoded.endsWith("\n"), text.endsWith("\n"));
  }));
});

Deno.test("textLines keeps every byte of lines longer than its buffer, whatever has to be escaped", async () => {
  for (const unit of ["x", '"', "\x01", "ü", "\x01\n", "abc\\"]) {
    const text = unit.repeat(200_000);
    const encoded = await all(textLines(piecesOf(encoder.encode(text), [100_001, 7])));
    const lines = decoder.decode(encoded).replace(/\n$/, "").split("\n");
    assert.equal(lines.map((line) => JSON.parse(line)).join("\n"), text.replace(/\n$/, ""));
  }
});

Deno.test("textLines passes on bytes that are not UTF-8, for the daemon to refuse", async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ min: 0x20, maxLength: 60 }), SIZES, async (bytes, sizes) => {
      fc.pre(!bytes.includes(0x22) && !bytes.includes(0x5c) && bytes.length > 0);
      assert.deepEqual(
        await all(textLines(piecesOf(bytes, sizes))),
        Uint8Array.of(0x22, ...bytes, 0x22),
      );
    }),
  );
});

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

Deno.test("explainText counts the bytes of the line as it was typed", () => {
  const refused = {
    line: 2,
    code: "event/invalid-utf8",
    message: "byte 20 of the line is not UTF-8",
  };
  const sent = Uint8Array.of(...encoder.encode(String.raw`"a\"\u0001\tü`), 0xff, 0x22);
  const { message, details, advice } = explainText(refused, sent);
  assert.equal(message, "byte 7 of the line is not UTF-8");
  assert.deepEqual(details, { column: 7 });
  assert.match(advice ?? "", /--binary/);
  const large = { ...refused, code: "event/too-large" };
  assert.equal(explainText(large, sent), large);
});
