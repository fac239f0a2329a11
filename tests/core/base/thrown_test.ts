/**
 * What was thrown, described without risk and without cost: a stack is formatted only for those who
 * read it.
 */
import assert from "node:assert/strict";
import { asCause, thrownText, UNREADABLE } from "../../../core/base/thrown.ts";
import { parseJson } from "../../../core/json/json.ts";

/** How many stacks are formatted while `work` runs. */
function formattedIn(work: () => void): number {
  let count = 0;
  const before = Object.getOwnPropertyDescriptor(Error, "prepareStackTrace");
  Object.defineProperty(Error, "prepareStackTrace", {
    configurable: true,
    writable: true,
    value: (error: Error) => {
      count++;
      return `${error.name}: formatted`;
    },
  });
  try {
    work();
  } finally {
    if (before) Object.defineProperty(Error, "prepareStackTrace", before);
    else delete (Error as { prepareStackTrace?: unknown }).prepareStackTrace;
  }
  return count;
}

Deno.test("parseJson formats no stack when it refuses a text", () => {
  assert.equal(formattedIn(() => void new Error("read").stack), 1, "reading a stack formats it");
  const refuse = () => assert.throws(() => parseJson("x"), { code: "event/invalid-json" });
  // assert.throws may read the stack of what it compares, so this one is only caught.
  const caught = () => {
    try {
      parseJson("x");
    } catch {
      return;
    }
    assert.fail("it was not refused");
  };
  refuse();
  assert.equal(formattedIn(caught), 0);
});

Deno.test("asCause replaces an error whose stack cannot be read or is no text", () => {
  const throwing = Object.defineProperty(new Error("a"), "stack", {
    get: () => {
      throw new Error("no stack");
    },
  });
  const odd = Object.defineProperty(new Error("b"), "stack", { value: { frames: [] } });
  class Getter extends Error {}
  Object.defineProperty(Getter.prototype, "stack", {
    get: () => {
      throw new Error("no stack");
    },
  });
  const inherited = new Getter("c");
  delete (inherited as { stack?: unknown }).stack;
  for (const error of [throwing, odd, inherited]) {
    const cause = asCause(error);
    assert.ok(cause instanceof Error && cause !== error, error.message);
    assert.equal(cause.message, error.message);
    assert.equal(typeof cause.stack, "string");
  }
  const plain = new Error("plain");
  assert.equal(asCause(plain), plain);
});

Deno.test("thrownText says what can be said of whatever was thrown", () => {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  const cases: [thrown: unknown, text: string][] = [
    [new Error("no such order"), "no such order"],
    ["a text", "a text"],
    [{ code: 5 }, '{"code":5}'],
    [[404, "gone"], '[404,"gone"]'],
    [{ toString: () => "its own words" }, "its own words"],
    [Object.create(null), "an object without a message was thrown"],
    [proxy, UNREADABLE],
    [undefined, "undefined"],
  ];
  for (const [thrown, text] of cases) assert.equal(thrownText(thrown), text);
});
