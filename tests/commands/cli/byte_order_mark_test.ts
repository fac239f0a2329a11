/**
 * Contract row 11: a byte order mark is dropped at the very start of an input, and refused anywhere
 * else.
 */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { piecesWithoutMark, withoutMark } from "../../../commands/cli/byte_order_mark.ts";
import { startDaemon } from "../../helpers/daemon.ts";
import { evs } from "../../helpers/evs.ts";

const MARK = "\ufeff";
const encode = (text: string) => new TextEncoder().encode(text);

async function gathered(pieces: Uint8Array[]): Promise<number[]> {
  const left = [...pieces];
  const next = piecesWithoutMark(() => Promise.resolve(left.shift() ?? null));
  const bytes: number[] = [];
  for (let piece = await next(); piece !== null; piece = await next()) bytes.push(...piece);
  return bytes;
}

Deno.test("piecesWithoutMark leaves out one mark in front, in whatever pieces it comes", async () => {
  const byte = fc.constantFrom(0xef, 0xbb, 0xbf, 0x31, 0x0a);
  await fc.assert(
    fc.asyncProperty(
      fc.boolean(),
      fc.array(byte, { maxLength: 8 }),
      fc.array(fc.nat(3), { maxLength: 12 }),
      async (marked, rest, sizes) => {
        const whole = Uint8Array.from([...(marked ? encode(MARK) : []), ...rest]);
        const pieces: Uint8Array[] = [];
        let at = 0;
        for (const size of sizes) pieces.push(whole.subarray(at, at += size));
        pieces.push(whole.subarray(at));
        assert.deepEqual(await gathered(pieces), [...withoutMark(whole)]);
        if (marked) assert.deepEqual([...withoutMark(whole)], rest);
      },
    ),
    { numRuns: 500 },
  );
});

Deno.test("piecesWithoutMark gives back a large piece that only begins like a mark", async () => {
  const pieces = [Uint8Array.of(0xef), new Uint8Array(256 * 1024).fill(0x31)];
  const next = piecesWithoutMark(() => Promise.resolve(pieces.shift() ?? null));
  const first = await next();
  assert.deepEqual([first!.length, first![0], first![1]], [256 * 1024 + 1, 0xef, 0x31]);
});

Deno.test("evs leaves out a byte order mark at the start of its input, and names one that stands elsewhere", async () => {
  await using daemon = await startDaemon();
  const run = (args: string[], stdin?: string) => evs(args, { at: daemon, stdin });
  const file = `${daemon.folder}/payload.json`;
  await Deno.writeTextFile(file, `${MARK}1`);
  for (
    const [args, stdin] of [
      [["publish", "t", "x", `@${file}`]],
      [["publish", "t", "x", "-"], `${MARK}2`],
      [["publish", "t", "x", "--ndjson"], `${MARK}3\n4\n`],
      [["publish", "t", "--envelope"], `${MARK}{"type":"x","payload":5}\n`],
      [["import"], `${MARK}{"topic":"t","type":"x","id":"i","payload":"${MARK}6"}\n`],
    ] as [string[], string?][]
  ) {
    const { code, stderr } = await run(args, stdin);
    assert.equal(code, 0, `${args.join(" ")}: ${stderr}`);
  }
  const payloads = (await daemon.replay("t")).map(({ payload }) => payload);
  assert.deepEqual(payloads, [1, 2, 3, 4, 5, `${MARK}6`]);

  const elsewhere = await run(["publish", "t", "x", "--ndjson"], `7\n${MARK}8\n9\n`);
  assert.equal(elsewhere.code, 4);
  assert.match(elsewhere.stderr, /line 2: .*byte order mark \(U\+FEFF\).* at column 1/);
  assert.equal((await daemon.replay("t")).length, 7);
});

Deno.test("daemon refuses a byte order mark in words, also at the start of a body", async () => {
  await using daemon = await startDaemon();
  for (
    const [path, body, type] of [
      ["/v1/topics/t/events?type=x", `${MARK}1`, "application/json"],
      ["/v1/topics/t/events?type=x", `${MARK}1\n`, "application/x-ndjson"],
      ["/v1/topics/t/events", `${MARK}{"type":"x","payload":1}\n`, "application/x-ndjson"],
    ] as const
  ) {
    const { status, json } = await daemon.http("POST", path, body, { "content-type": type });
    assert.equal(status, 422, JSON.stringify(json));
    assert.equal(json.error.code, "event/invalid-json");
    assert.match(
      json.error.message,
      /a byte order mark \(U\+FEFF\), which JSON does not allow, at column 1/,
    );
  }
  const { json } = await daemon.http("GET", "/v1/topics");
  assert.ok(json.topics.every(({ lastSeq }: { lastSeq: number }) => lastSeq === 0));
});
