/** The request that `publish --atomic` makes of its input, and its receipt. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { atomicBody, atomicReceipt } from "../../../commands/publisher/atomic.ts";
import { EventRefusedError } from "../../../core/base/errors.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test("atomicBody is an array of exactly the lines' objects, and knows their lines", () => {
  const blank = fc.constantFrom("", " ", "\r");
  const line = fc.oneof(
    fc.dictionary(fc.string(), fc.jsonValue()).map((one) => JSON.stringify(one)),
    blank,
  );
  fc.assert(fc.property(fc.array(line), (lines) => {
    const { body, lines: numbers } = atomicBody(bytes(lines.join("\n")));
    const given = lines.flatMap((text, i) => text.trim() === "" ? [] : [{ text, line: i + 1 }]);
    assert.deepEqual(JSON.parse(body), given.map(({ text }) => JSON.parse(text)));
    assert.deepEqual(numbers, given.map((one) => one.line));
  }));
});

Deno.test("atomicBody refuses every line that is not one object by its number", () => {
  for (const bad of ["7", "null", '"x"', "[]x", "{},{}", "{}{}", "{", '{"a":1} {"b":2}']) {
    assert.throws(() => atomicBody(bytes(`{"a":1}\n\n${bad}\n`)), (error) => {
      assert.ok(error instanceof EventRefusedError, bad);
      assert.match(error.message, /^line 3: .*; nothing was stored$/);
      return true;
    });
  }
  const broken = new Uint8Array([...bytes('{"a":1}\n{"b":"'), 0xff, ...bytes('"}\n')]);
  assert.throws(() => atomicBody(broken), {
    code: "event/invalid-utf8",
    message: "line 2: byte 7 of the line is not UTF-8; nothing was stored",
  });
});

Deno.test("atomicBody gives a cause to events without metadata, and leaves every byte", () => {
  const cause = { causationId: '$& "x"' };
  const own = '{"metadata":{},"topic":"t"}';
  const { body } = atomicBody(bytes(`{}\n{ "n": 1.0 }\n${own}`), cause);
  assert.equal(
    body,
    `[{"metadata":${JSON.stringify(cause)}},\n{"metadata":${
      JSON.stringify(cause)
    }, "n": 1.0 },\n${own}]`,
  );
});

Deno.test("atomicReceipt names the topics and the seqs, of many topics the first", () => {
  const place = (topic: string, seq: number) => ({ topic, seq, id: "i", schemaVersion: "1" });
  const reply = (events: ReturnType<typeof place>[], duplicates = 0) =>
    atomicReceipt({ count: events.length - duplicates, duplicates, durable: true, events });
  assert.equal(reply([]), "Nothing to publish: standard input has no events.");
  assert.equal(reply([place("a", 7)]), "Published 1 event: a 7");
  assert.equal(
    reply([place("a", 7), place("b", 1), place("a", 8)]),
    "Published 3 events: a 7-8, b 1",
  );
  assert.equal(
    reply([place("a", 7), place("a", 8)], 1),
    "Published 2 events, 1 of them there already: a 7-8",
  );
  assert.equal(reply([place("a", 7)], 1), "Was there already: a 7");
  const many = Array.from({ length: 7 }, (_, i) => place(`t${i}`, 1));
  assert.match(reply(many), /^Published 7 events: t0 1, .*, t4 1 and 2 more topics$/);
});
