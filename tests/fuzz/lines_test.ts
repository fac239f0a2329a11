/**
 * The line readers: the daemon's NDJSON reader, the one that splits a JSON array, and the answer
 * reader of `evs consume --batch`. Any bytes, split into any chunks, compared with the same rule in
 * a simple, slow implementation.
 */
import assert from "node:assert/strict";
import fc from "../packages/fast_check.ts";
import { AnswerReader, settlementsOf } from "../../commands/consumer/batch.ts";
import type { HandlerRun } from "../../commands/consumer/exit_code.ts";
import { EventRefusedError } from "../../core/base/errors.ts";
import { parseJson, splitElements } from "../../core/json/json.ts";
import { type LineFault, LineReader } from "../../daemon/ingest/ndjson.ts";
import { jsonText } from "../helpers/json_text.ts";
import { cases, cut, fuzz, hostileText, nearly } from "./fuzz.ts";

const file = "lines_test.ts";
const numRuns = cases(10_000);
const encoder = new TextEncoder();
const decoder = new TextDecoder();
const LIMIT = 40;

/** Bytes: line feeds and what UTF-8 is made of, more often than chance would have it. */
const byte = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(0x0a, 0x0d, 0x20, 0x22, 0x7b, 0x7d) },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      0xc3,
      0xbc,
      0xe2,
      0x82,
      0xac,
      0xed,
      0xa0,
      0x80,
      0xf0,
      0x9f,
      0x98,
      0xff,
      0xef,
      0xbb,
      0xbf,
    ),
  },
  { weight: 3, arbitrary: fc.integer({ min: 0, max: 255 }) },
);
const piece = fc.oneof(
  fc.array(byte, { maxLength: 30 }),
  jsonText.map((text) => [...encoder.encode(text)]),
  fc.constantFrom("x".repeat(LIMIT), "x".repeat(LIMIT + 1), "€".repeat(13), "\r", "\n\n", " \t\r")
    .map((text) => [...encoder.encode(text)]),
);
const bytes = fc.tuple(fc.array(piece, { maxLength: 6 }), fc.constantFrom([], [10]))
  .map(([pieces, end]) => Uint8Array.from(pieces.flatMap((one) => [...one, ...end])));
const cuts = fc.array(fc.nat(), { maxLength: 8 });

type Seen = [number, string | LineFault["code"], "line" | "fault"][];

function read(chunks: Uint8Array[], options: { stopAt: number; firstLine: number }): Seen {
  const seen: Seen = [];
  const reader = new LineReader({
    line(number, text, line) {
      assert.equal(decoder.decode(line), text.replace(/^\ufeff/, ""));
      seen.push([number, text, "line"]);
      return seen.length < options.stopAt;
    },
    fault(number, fault) {
      seen.push([number, fault.code, "fault"]);
      return seen.length < options.stopAt;
    },
  }, { limit: LIMIT, firstLine: options.firstLine });
  for (const chunk of chunks) reader.push(chunk);
  reader.end();
  return seen;
}

/** The rule: a line at a time, all at hand. */
function expected(
  bytes: Uint8Array,
  { stopAt, firstLine }: { stopAt: number; firstLine: number },
): Seen {
  const seen: Seen = [];
  const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  let number = firstLine;
  for (let start = 0; start < bytes.length && seen.length < stopAt; number++) {
    const feed = bytes.indexOf(10, start);
    const end = feed < 0 ? bytes.length : feed;
    const line = bytes.subarray(start, end);
    start = end + 1;
    if (line.length > LIMIT) {
      seen.push([number, "event/too-large", "fault"]);
      continue;
    }
    let text: string;
    try {
      text = utf8.decode(line);
    } catch {
      seen.push([number, "event/invalid-utf8", "fault"]); // the answer: a fatal decoder says it in no other way
      continue;
    }
    if (text.endsWith("\r")) text = text.slice(0, -1);
    if (!/^[ \t\r]*$/.test(text)) seen.push([number, text, "line"]);
  }
  return seen;
}

Deno.test("LineReader finds in any bytes, in any chunks, the lines and faults that the rule finds", async () => {
  await fuzz(
    fc.property(
      bytes,
      cuts,
      fc.integer({ min: 1, max: 8 }),
      fc.nat(1e9),
      (bytes, cuts, stopAt, firstLine) => {
        const options = { stopAt, firstLine };
        assert.deepEqual(read(cut(bytes, cuts), options), expected(bytes, options));
      },
    ),
    { numRuns, file },
  );
});

Deno.test("splitElements cuts any array into the bytes of its elements, or refuses it in words", async () => {
  const array = fc.array(jsonText, { maxLength: 5 }).map((items) => `[${items.join(" ,")}]`);
  const text = fc.oneof(array, nearly(array), hostileText).map((text) => text.toWellFormed());
  await fuzz(
    fc.property(text, (text) => {
      fc.pre(/^[ \t\r\n]*\[/.test(text)); // the daemon asks for nothing else to be cut apart
      let parts: { text: string; bytes: Uint8Array }[];
      try {
        parts = splitElements(text, encoder.encode(text));
      } catch (error) {
        assert.ok(error instanceof EventRefusedError, `not in words: ${(error as Error).stack}`);
        return;
      }
      const whole = JSON.parse(text);
      assert.equal(parts.length, whole.length);
      parts.forEach((part, i) => {
        assert.equal(decoder.decode(part.bytes), part.text.replace(/^\ufeff/, ""));
        assert.deepEqual(parseJson(part.text, { around: 64 }), whole[i]);
      });
    }),
    { numRuns, file },
  );
});

const answer = fc.record({
  id: fc.constantFrom<unknown>("a", "b", "z", "", 3, null, "__proto__"),
  outcome: fc.constantFrom<unknown>("ack", "retry", "dead", "maybe", null, ["ack"], {
    toString: 1,
  }),
  reason: fc.constantFrom<unknown>("why", 7, null, "", "\ud800"),
}, { requiredKeys: [] }).map((value) => JSON.stringify(value));
const output = fc.array(
  fc.oneof(
    answer,
    nearly(answer),
    hostileText,
    fc.constant(`{"id":"a","outcome":"ack","reason":"${"y".repeat(70_000)}"}`),
  ),
  { maxLength: 6 },
);
const outcome: fc.Arbitrary<HandlerRun> = fc.oneof(
  fc.record({ kind: fc.constant("cannot-start" as const), reason: hostileText }),
  fc.record({
    kind: fc.constant("ended" as const),
    exitCode: fc.oneof(fc.constantFrom(0, 65, 75, 126, 127), fc.nat(255)),
    signal: fc.constantFrom<string>("SIGKILL", "SIGSEGV"),
    timedOutAfter: fc.nat(1000),
    durationMs: fc.nat(1000),
    stderr: hostileText,
  }, { requiredKeys: ["kind", "exitCode", "durationMs", "stderr"] }),
);

/** What `evs consume --batch` takes for an answer. */
function isAnswer(line: string): boolean {
  if (!line.trim().startsWith("{") || encoder.encode(line).length > 64 * 1024) return false;
  try {
    const { id, outcome } = JSON.parse(line.trim());
    return typeof id === "string" && outcome !== undefined;
  } catch {
    return false; // the handler's own output
  }
}

Deno.test("AnswerReader takes the same answers out of any output in any chunks, passes the rest on, and every event gets a verdict", async () => {
  const run = async (chunks: Uint8Array[]) => {
    let passed = "";
    const said: string[] = [];
    const stream = new TextDecoder("utf-8", { ignoreBOM: true });
    const reader = new AnswerReader({
      ids: new Set(["a", "b"]),
      pass: (bytes) => void (passed += stream.decode(bytes, { stream: true })),
      say: (text) => void said.push(text),
    });
    for (const chunk of chunks) await reader.push(chunk);
    await reader.end();
    return { answers: [...reader.answers], passed, said };
  };
  await fuzz(
    fc.asyncProperty(output, cuts, fc.boolean(), outcome, async (lines, cuts, ended, outcome) => {
      const text = lines.map((line) => line.toWellFormed()).join("\n") + (ended ? "\n" : "");
      const bytes = encoder.encode(text);
      const whole = await run([bytes]);
      assert.deepEqual(await run(cut(bytes, cuts)), whole, "the same in any chunks");
      for (const [id, { outcome, reason }] of whole.answers) {
        assert.ok(["a", "b"].includes(id) && ["ack", "retry", "dead"].includes(outcome));
        assert.ok(reason === undefined || typeof reason === "string");
      }
      const rest = text.split(/(?<=\n)/).filter((line) => !isAnswer(line));
      assert.equal(whole.passed, rest.join(""), "all but the answers is passed on as it came");
      const deliveries = ["a", "b", "c"].map((id, i) => ({
        facts: { id, topic: "t", type: "x", seq: i + 1 },
      }));
      const verdicts = settlementsOf(outcome, {
        deliveries,
        answers: new Map(whole.answers),
        command: ["h"],
      });
      assert.equal(verdicts.length, 3);
      for (const verdict of verdicts) {
        assert.ok(["ack", "nack", "pause"].includes(verdict.kind));
        // Only the handler's own word, or its end with 0, is an ack.
        if (verdict.kind !== "ack") continue;
        assert.ok(
          outcome.kind === "ended" &&
            (outcome.exitCode === 0 || whole.answers.some(([, said]) => said.outcome === "ack")),
        );
      }
    }),
    { numRuns: cases(5000), file },
  );
});
