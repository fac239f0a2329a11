/**
 * A response as blocks of whole lines, whatever pieces it arrives in: what has arrived is one block,
 * heartbeats are none, and a notice begins a block.
 */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { Connection, type Duplex } from "../../../core/client/connection.ts";
import { LineBlocks } from "../../../core/client/line_blocks.ts";
import { ConnectionLostError } from "../../../core/base/errors.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const HEAD = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

function chunk(text: string): string {
  return `${encoder.encode(text).length.toString(16)}\r\n${text}\r\n`;
}

/** The blocks of a response that arrives in pieces of these lengths, again and again. */
async function blocksOf(response: string, lengths: readonly number[]) {
  const bytes = encoder.encode(response);
  let [at, turn] = [0, 0];
  let isClosed = false;
  const conn: Duplex = {
    read(buffer) {
      const piece = bytes.subarray(
        at,
        at + Math.min(buffer.length, lengths[turn++ % lengths.length]!),
      );
      buffer.set(piece);
      at += piece.length;
      return Promise.resolve(piece.length || null);
    },
    write: (bytes) => Promise.resolve(bytes.length),
    close: () => void (isClosed = true),
  };
  const connection = new Connection(conn);
  const lines = new LineBlocks(await connection.request({ method: "GET", path: "/" }));
  const blocks: string[] = [];
  let error: unknown;
  try {
    for (let block = await lines.next(); block; block = await lines.next()) {
      blocks.push(decoder.decode(block));
    }
  } catch (thrown) {
    error = thrown;
  }
  await lines.close();
  return { blocks, error, connection, isClosed: () => isClosed };
}

const events = fc.array(fc.string({ unit: "grapheme-ascii", minLength: 1, maxLength: 30 }), {
  minLength: 1,
  maxLength: 3,
}).map((lines) => lines.map((line) => `{${line.replaceAll("\n", "n")}\n`).join(""));
const chunks = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: events },
    { weight: 1, arbitrary: fc.constant("\n") },
    { weight: 1, arbitrary: fc.constant("\x1e{}\n") },
  ),
  { minLength: 1, maxLength: 30 },
);
const lengths = fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 5 });

Deno.test("LineBlocks gives all lines and no heartbeat, whatever the pieces and the chunks", async () => {
  await fc.assert(
    fc.asyncProperty(chunks, lengths, fc.nat({ max: 40 }), async (chunks, lengths, split) => {
      const whole = chunks.filter((one) => one !== "\n").join("");
      // Another server may split lines between chunks.
      const sent = split === 0
        ? chunks
        : Array.from({ length: Math.ceil(whole.length / split) }, (_, n) =>
          whole.slice(n * split, (n + 1) * split));
      const response = HEAD + sent.map(chunk).join("") + "0\r\n\r\n";
      const { blocks, error, connection, isClosed } = await blocksOf(response, lengths);
      assert.equal(error, undefined);
      assert.equal(blocks.join(""), whole);
      for (const block of blocks) {
        assert.match(block, /^[^\n]/);
        assert.match(block, /\n$/);
        assert.doesNotMatch(block, /\n\n/);
        if (split === 0) assert.ok(block.lastIndexOf("\x1e{}\n") <= 0, "a notice begins its block");
      }
      // It is free for another request.
      assert.deepEqual([connection.busy, isClosed()], [false, false]);
    }),
    { numRuns: 400 },
  );
});

Deno.test("LineBlocks makes one block of the events that have arrived, up to a notice or a heartbeat", async () => {
  const burst = Array.from({ length: 100 }, (_, n) => `{"seq":${n}}\n`);
  const all = [...burst, "\x1e{}\n", ...burst, "\n", "last\n"];
  const response = HEAD + all.map(chunk).join("") + "0\r\n\r\n";
  const { blocks } = await blocksOf(response, [HEAD.length, Infinity]);
  assert.deepEqual(blocks, [burst.join(""), "\x1e{}\n" + burst.join(""), "last\n"]);
});

Deno.test("LineBlocks gives no more than a response has when it breaks off, and tells that it did", async () => {
  const whole = HEAD + chunk("one\n") + chunk("two\n");
  for (let end = HEAD.length; end < whole.length; end++) {
    const { blocks, error, isClosed } = await blocksOf(whole.slice(0, end), [
      HEAD.length,
      Infinity,
    ]);
    assert.ok(error instanceof ConnectionLostError, `at ${end}: ${error}`);
    assert.ok("one\ntwo\n".startsWith(blocks.join("")), `at ${end}: ${blocks}`);
    assert.ok(isClosed());
  }
});
