/**
 * The output of a batch handler, in whatever pieces it arrives, and what it means for each event.
 */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import {
  type Answer,
  AnswerReader,
  settlementsOf,
  toNdjson,
} from "../../../commands/consumer/batch.ts";
import type { HandlerRun } from "../../../commands/consumer/exit_code.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const ended = (exitCode: number): HandlerRun => ({
  kind: "ended",
  exitCode,
  durationMs: 7,
  stderr: "",
});

async function read(ids: string[], chunks: readonly Uint8Array[]) {
  const passed: Uint8Array[] = [];
  const said: string[] = [];
  const reader = new AnswerReader({
    ids: new Set(ids),
    pass: (bytes) => void passed.push(bytes.slice()),
    say: (text) => said.push(text),
  });
  for (const chunk of chunks) await reader.push(chunk);
  await reader.end();
  return {
    answers: reader.answers,
    passed: passed.map((one) => decoder.decode(one)).join(""),
    said,
  };
}

Deno.test("AnswerReader takes answers out and passes everything else through in any pieces", async () => {
  const answer = '{"id":"a","outcome":"dead","reason":"no"}\n';
  const other = `hello\n{"id":"a"}\n{"outcome":1\n{"x":"outcome"}\n${"y".repeat(200_000)}\nend`;
  const bytes = encoder.encode(answer + other);
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(bytes.length), { maxLength: 20 }), async (cuts) => {
      const at = [0, ...cuts.sort((a, b) => a - b), bytes.length];
      const chunks = at.slice(1).map((end, index) => bytes.subarray(at[index]!, end));
      const { answers, passed, said } = await read(["a"], chunks);
      assert.deepEqual([...answers], [["a", { outcome: "dead", reason: "no" }]]);
      assert.equal(passed, other);
      assert.deepEqual(said, []);
    }),
    { numRuns: 50 },
  );
});

Deno.test("AnswerReader says what it cannot take and keeps the last answer", async () => {
  const { answers, said, passed } = await read(["a", "b"], [encoder.encode(
    '{"id":"a","outcome":"retry"}\n{"id":"a","outcome":"ack"}\n' +
      '{"id":"z","outcome":"ack"}\n{"id":"b","outcome":"maybe"}',
  )]);
  assert.deepEqual([...answers], [["a", { outcome: "ack" }]]);
  assert.equal(passed, "");
  assert.match(said[0]!, /answered for z, which is not in its batch/);
  assert.match(said[1]!, /"maybe" for b: it is ack, retry or dead/);
});

Deno.test("judgeBatch lets the exit code speak for events that were not answered for", () => {
  const deliveries = ["a", "b", "c", "d"].map((id, index) => ({
    facts: { id, topic: "t", type: "x", seq: index + 1 },
  }));
  const answers = new Map<string, Answer>([
    ["a", { outcome: "ack" }],
    ["b", { outcome: "retry", reason: "later" }],
    ["c", { outcome: "dead" }],
  ]);
  const kinds = (outcome: HandlerRun) =>
    settlementsOf(outcome, { deliveries, answers, command: ["h"] }).map((verdict) =>
      verdict.kind === "nack"
        ? `${verdict.failure.dead ? "dead" : "retry"}: ${verdict.failure.error}`
        : verdict.kind
    );
  const answered = ["ack", "retry: later", "dead: refused for good by the handler"];
  assert.deepEqual(kinds(ended(0)), [...answered, "ack"]);
  assert.deepEqual(kinds(ended(3)), [...answered, "retry: exit code 3"]);
  assert.deepEqual(kinds(ended(65)), [...answered, "dead: exit code 65: refused for good"]);
  assert.deepEqual(kinds({ ...ended(0), signal: "SIGKILL" } as HandlerRun), [
    ...answered,
    "retry: killed by SIGKILL",
  ]);
  assert.deepEqual(kinds(ended(127)), ["pause", "pause", "pause", "pause"]);
});

Deno.test("toNdjson ends every line", () => {
  assert.equal(decoder.decode(toNdjson([encoder.encode("1"), encoder.encode("{}")])), "1\n{}\n");
});
