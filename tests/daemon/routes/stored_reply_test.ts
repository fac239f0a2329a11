/** Responses that are copied from one made before are those that would be made anew. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { concat } from "../../../core/base/bytes.ts";
import type { NewEvent } from "../../../core/event/event.ts";
import { Reply } from "../../../daemon/http/reply.ts";
import { storedText } from "../../../daemon/routes/publish_one.ts";
import { StoredReplies } from "../../../daemon/routes/stored_reply.ts";
import { dose } from "../../helpers/dose.ts";
import { newEvent } from "../../core/store/conformance.ts";

const SINK = { send() {}, destroy() {} };

function stored(firstSeq: number, duplicates: { index: number; seq: number }[] = []) {
  return {
    ok: true,
    count: 1 - duplicates.length,
    firstSeq,
    lastSeq: firstSeq,
    duplicates,
  } as const;
}

/** Without the date, which may be a second later. */
function textOf(reply: Reply): string {
  return new TextDecoder().decode(concat(reply.waiting)).replace(/^date: .*\r\n/m, "date\r\n");
}

Deno.test("StoredReplies.bytesOf makes what Reply.send makes of the same event, whatever came before", () => {
  const replies = new StoredReplies();
  const seq = fc.oneof(
    fc.integer({ min: 0, max: 1200 }),
    fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  );
  const schemaVersion = fc.constantFrom("1.0", "7", '\u00e4"');
  fc.assert(
    fc.property(seq, fc.uuid(), schemaVersion, fc.boolean(), (seq, id, schemaVersion, durable) => {
      const event: NewEvent = { ...newEvent(), id, idGiven: false, schemaVersion };
      const [made, anew] = [
        new Reply(SINK, { keepAlive: true }),
        new Reply(SINK, { keepAlive: true }),
      ];
      made.sendMade(replies.bytesOf(event, stored(seq), durable)!);
      const body = storedText(event, stored(seq), durable);
      anew.send(200, { type: "application/json", body });
      assert.equal(textOf(made), textOf(anew));
      assert.ok(made.isOver && made.isBegun);
    }),
    { numRuns: dose(300) },
  );
});

Deno.test("StoredReplies.bytesOf has nothing for events that differ in more than seq and id", () => {
  const replies = new StoredReplies();
  const plain: NewEvent = { ...newEvent(), id: crypto.randomUUID(), idGiven: false };
  assert.ok(replies.bytesOf(plain, stored(1), true));
  for (
    const other of [
      { idGiven: true },
      { id: "of another length" },
      { key: "k" },
      { expiresAt: 1 },
    ]
  ) assert.equal(replies.bytesOf({ ...plain, ...other }, stored(1), true), undefined);
  assert.equal(replies.bytesOf(plain, stored(0, [{ index: 0, seq: 1 }]), true), undefined);
});

Deno.test("Reply is plain when it is what any other would be, and sends what was made before once", () => {
  const made = new TextEncoder().encode("HTTP/1.1 200 OK\r\n\r\n");
  const reply = new Reply(SINK, { keepAlive: true });
  assert.ok(reply.isPlain);
  reply.sendMade(made);
  reply.sendMade(made);
  assert.deepEqual(reply.waiting, [made]);
  assert.ok(!reply.isPlain);
  const named = new Reply(SINK, { keepAlive: true });
  named.header("x", "y");
  const others = [
    named,
    new Reply(SINK, { keepAlive: false }),
    new Reply(SINK, { keepAlive: true, method: "HEAD" }),
    new Reply(SINK, { keepAlive: true, isHttp10: true }),
  ];
  assert.deepEqual(others.map(({ isPlain }) => isPlain), [false, false, false, false]);
});
