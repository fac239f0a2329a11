/** Starting a daemon: the error if it fails to start. */
import assert from "node:assert/strict";
import { startError } from "../../../commands/daemon/process.ts";

Deno.test("startError takes over the daemon's own words, its hint and its exit code", () => {
  const error = startError("evs daemon: another daemon uses /d\n  evs daemon status shows it\n", 7);
  assert.deepEqual(
    [error.message, error.hint, error.exit],
    ["another daemon uses /d", "evs daemon status shows it", 7],
  );
});

Deno.test("startError gives no stack for an advice", () => {
  const error = startError("evs daemon: TypeError: x is not a function\n    at main.ts:1:1\n", 70);
  assert.equal(error.hint, undefined);
  assert.match(
    error.message,
    /^the daemon ended with 70 before it served: TypeError: x.*\n.*at main/,
  );
});

Deno.test("startError tells everything when the daemon did not end in order", () => {
  const error = startError("error: Module not found\n  at x\n", 1);
  assert.match(error.message, /ended with 1 before it served: error: Module not found\n {2}at x/);
  assert.equal(startError("", 0).exit, 70);
});
