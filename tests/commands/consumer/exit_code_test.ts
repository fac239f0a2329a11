/** What each exit code of a handler means for its event. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { TailBuffer } from "../../../commands/consumer/tail_buffer.ts";
import {
  type HandlerRun,
  settlementOf,
  showCommand,
} from "../../../commands/consumer/exit_code.ts";

const command = ["mail", "--to", "o'hara x"];

function ended(facts: Partial<HandlerRun & { kind: "ended" }>): HandlerRun {
  return { kind: "ended", exitCode: 0, durationMs: 5, stderr: "", ...facts };
}

Deno.test("judge acks when the exit code is 0", () => {
  assert.deepEqual(settlementOf(ended({}), command), { kind: "ack" });
});

Deno.test("judge dead-letters at once when the exit code is 65", () => {
  const verdict = settlementOf(ended({ exitCode: 65, stderr: "bad\n" }), command);
  assert.equal(verdict.kind, "nack");
  assert.ok(verdict.kind === "nack" && verdict.failure.dead === true);
  assert.equal(verdict.failure.stderr, "bad\n");
});

Deno.test("judge pauses and blames no event when the command cannot be run", () => {
  for (const exitCode of [126, 127]) {
    const verdict = settlementOf(ended({ exitCode }), command);
    assert.ok(verdict.kind === "pause");
    assert.match(verdict.reason, new RegExp(`exit code ${exitCode}`));
    assert.match(verdict.reason, /mail --to 'o'\\''hara x'/);
  }
  const verdict = settlementOf({ kind: "cannot-start", reason: "permission denied" }, command);
  assert.ok(verdict.kind === "pause" && /permission denied/.test(verdict.reason));
});

Deno.test("judge retries on every other exit code, signal and time-out, and never acks a signal", () => {
  fc.assert(fc.property(
    fc.integer({ min: 0, max: 255 }),
    fc.option(fc.constantFrom("SIGTERM", "SIGKILL", "SIGSEGV"), { nil: undefined }),
    fc.option(fc.integer({ min: 1, max: 9_999 }), { nil: undefined }),
    (exitCode, signal, timedOutAfter) => {
      const verdict = settlementOf(ended({ exitCode, signal, timedOutAfter }), command);
      if (signal !== undefined || timedOutAfter !== undefined) {
        return verdict.kind === "nack" && verdict.failure.dead === undefined;
      }
      if (exitCode === 0) return verdict.kind === "ack";
      if (exitCode === 126 || exitCode === 127) return verdict.kind === "pause";
      return verdict.kind === "nack" && (verdict.failure.dead === true) === (exitCode === 65) &&
        verdict.failure.exitCode === exitCode;
    },
  ));
});

Deno.test("judge never acks a handler that timed out or was killed, whatever it ended with", () => {
  for (const how of [{ timedOutAfter: 5 }, { signal: "SIGTERM" }]) {
    assert.equal(settlementOf(ended({ exitCode: 0, ...how }), command).kind, "nack");
  }
});

Deno.test("showCommand cuts when the command is long", () => {
  assert.equal(showCommand(["x".repeat(500)]).length, 200);
});

Deno.test("TailBuffer keeps exactly the last bytes when chunks of any size are pushed", () => {
  fc.assert(fc.property(
    fc.integer({ min: 1, max: 16 }),
    fc.array(fc.uint8Array({ maxLength: 40 })),
    (capacity, chunks) => {
      const tail = new TailBuffer(capacity);
      for (const chunk of chunks) tail.push(chunk);
      const all = chunks.flatMap((chunk) => [...chunk]);
      assert.deepEqual([...tail.bytes()], all.slice(-capacity));
      assert.equal(tail.written, all.length);
    },
  ));
});

Deno.test("TailBuffer leaves a cut character out when its text is read", () => {
  const tail = new TailBuffer(4);
  tail.push(new TextEncoder().encode("aé€")); // 61 c3 a9 e2 82 ac: the last four begin in the middle of é
  assert.equal(tail.text(), "€");
});
