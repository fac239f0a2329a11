/** The dashboard reads events and dead letters without a change to their payloads. */
import assert from "node:assert/strict";
import {
  attemptOutcome,
  entryWithPayload,
  readDeadLetters,
} from "../../dashboard/view/dead_letter_detail.ts";
import { readEvent } from "../../dashboard/view/raw_event.ts";

const EVENT =
  '{"seq":9007199254740993,"id":"i","type":"t","topic":"orders","timestamp":5,"schemaVersion":"1.0",' +
  '"key":"k","metadata":{"big":12345678901234567890},"payload":{"n":9007199254740993,"n":1.0}}';

Deno.test("readEvent keeps seq, payload and metadata as they were written", () => {
  assert.deepEqual(readEvent(EVENT), {
    topic: "orders",
    seq: "9007199254740993",
    id: "i",
    type: "t",
    timestamp: 5,
    schemaVersion: "1.0",
    key: "k",
    keySeq: undefined,
    expiresAt: undefined,
    metadata: '{"big":12345678901234567890}',
    payload: '{"n":9007199254740993,"n":1.0}',
  });
});

Deno.test("entryWithPayload replaces the payload of the event, and nothing else", () => {
  const entry = `{"subscription":"s","topic":"orders","payload":"not this","event":${EVENT}}`;
  const [read] = readDeadLetters(`{"deadLetters":[${entry}]}`);
  assert.equal(read!.line, entry);
  assert.equal(read!.detail.subscription, "s");
  assert.equal(
    entryWithPayload(read!, '{\n  "n": 9007199254740995\n}\n'),
    entry.replace('{"n":9007199254740993,"n":1.0}', '{"n":9007199254740995}'),
  );
});

Deno.test("attemptOutcome says how an attempt ended", () => {
  const attempt = { attempt: 1, startedAt: 0, durationMs: 1, outcome: "retry" as const, error: "" };
  assert.equal(attemptOutcome(attempt), "failed");
  assert.equal(attemptOutcome({ ...attempt, exitCode: 65 }), "exit 65");
  assert.equal(attemptOutcome({ ...attempt, signal: "SIGKILL" }), "killed by SIGKILL");
  assert.equal(attemptOutcome({ ...attempt, outcome: "expired" }), "lease expired");
});
