/** The header in which clients say who acts: it comes back as it was sent, and nonsense is refused. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { InvalidArgumentError } from "../../../core/base/errors.ts";
import { type ActorClaim, decodeActor, encodeActor } from "../../../core/protocol/actor.ts";

const text = fc.string({ unit: "grapheme", minLength: 1, maxLength: 60 })
  .filter((value) => value.isWellFormed() && !value.includes("\0") && value.length <= 200);
const claim = fc.record({
  way: fc.constantFrom<ActorClaim["way"]>("cli", "http", "library", "dashboard"),
  user: text,
  host: text,
  pid: fc.integer({ min: 1, max: 4_194_304 }),
  command: text,
}, { requiredKeys: ["way"] });

Deno.test("decodeActor reads what encodeActor wrote, in plain ASCII", () => {
  fc.assert(fc.property(claim, ({ way, ...by }) => {
    const header = encodeActor({ way, ...by });
    assert.match(header, /^[!-~]+$/);
    const read = decodeActor(header);
    assert.equal(read.way, way);
    assert.deepEqual({ ...read.by }, { ...by });
  }));
});

Deno.test("decodeActor takes no header for http, and refuses what is no part of one", () => {
  assert.deepEqual(decodeActor(undefined), { way: "http" });
  assert.deepEqual(decodeActor("user=anna"), { way: "http", by: { user: "anna" } });
  const long = `user=${"x".repeat(201)}`;
  for (const wrong of ["way=root", "pid=x", "pid=0", "who=me", "way=daemon", long]) {
    assert.throws(() => decodeActor(wrong), InvalidArgumentError, wrong);
  }
  assert.deepEqual(decodeActor("user=a%00b"), { way: "http", by: { user: "a\u2400b" } });
});

Deno.test("encodeActor leaves out what is not known, and cuts what is too long", () => {
  assert.equal(encodeActor({ way: "cli", user: "" }), "way=cli");
  for (const long of ["x".repeat(999), "\u{1f600}".repeat(300)]) {
    assert.doesNotThrow(() => decodeActor(encodeActor({ way: "cli", command: long })));
  }
});
