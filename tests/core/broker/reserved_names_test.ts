/** Which names among publish's options are metadata, and which can only be a misspelt option. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { isSlip } from "../../../core/broker/reserved_names.ts";
import { EventBroker, InvalidArgumentError } from "../../../mod.ts";

const ALL = [
  "schemaVersion",
  "id",
  "key",
  "timestamp",
  "expected",
  "signal",
  "metadata",
  "schedule",
  "ttlMs",
];

Deno.test("EventBroker.publish refuses a name that is one or two edits or a case away from an option", async () => {
  await using broker = new EventBroker();
  const slips: Record<string, string> = {
    expcted: "expected",
    expectd: "expected",
    Expected: "expected",
    exepctd: "",
    exepcted: "expected",
    timestmap: "timestamp",
    timeStamp: "timestamp",
    schemaversion: "schemaVersion",
    schemaVersoin: "schemaVersion",
    schmaVersio: "schemaVersion",
    meta_data: "metadata",
    metadta: "metadata",
    signl: "signal",
    signals: "signal",
    scheduel: "schedule",
    ttlms: "ttlMs",
    ttlM: "",
    ttl_Ms: "ttlMs",
    ttl: "ttlMs",
    delayMs: "schedule",
    ID: "id",
    Key: "key",
  };
  for (const [name, meant] of Object.entries(slips)) {
    const publishing = broker.publish("t", "x", 1, { [name]: 7 });
    if (meant === "") {
      assert.deepEqual(
        (await publishing).metadata,
        { [name]: 7 },
        `${name} is too far, or too short to tell`,
      );
      continue;
    }
    await assert.rejects(publishing, (error) => {
      assert.ok(error instanceof InvalidArgumentError, String(error));
      assert.equal(error.code, "argument/invalid");
      assert.equal(error.details!["field"], name);
      assert.match(error.hint!, new RegExp(`^did you mean ${meant}\\?`));
      return true;
    });
    const kept = await broker.publish("t", "x", 1, { metadata: { [name]: 7 } });
    assert.deepEqual(kept.metadata, { [name]: 7 }, "inside metadata every name goes");
  }
});

Deno.test("EventBroker.publish puts every other name into the metadata", async () => {
  await using broker = new EventBroker();
  const names = [
    "correlationId",
    "causationId",
    "originalEventId",
    "traceparent",
    "userId",
    "ids",
    "keys",
    "kex",
    "tags",
    "time",
    "sign",
    "single",
    "source",
    "rejected",
    "version",
    "schema",
    "constructor",
    "toString",
  ];
  const metadata = Object.fromEntries(names.map((name, n) => [name, n]));
  assert.deepEqual((await broker.publish("t", "x", 1, metadata)).metadata, metadata);
});

Deno.test("isSlip says yes exactly within one edit from five letters on, two from eight, or another case", () => {
  const letter = fc.constantFrom(..."abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
  const edit = fc.record({
    kind: fc.constantFrom("insert", "delete", "replace", "swap"),
    at: fc.nat(20),
    letter,
  });
  const apply = (
    text: string,
    { kind, at: where, letter }: { kind: string; at: number; letter: string },
  ) => {
    const at = where % text.length;
    const [before, after] = [text.slice(0, at), text.slice(at)];
    if (kind === "insert") return before + letter + after;
    if (kind === "delete") return before + after.slice(1);
    if (kind === "replace") return before + letter + after.slice(1);
    return before + after.slice(1, 2) + after.slice(0, 1) + after.slice(2);
  };
  fc.assert(
    fc.property(fc.constantFrom(...ALL), fc.array(edit, { maxLength: 2 }), (option, edits) => {
      const name = edits.reduce((text, one) => text === "" ? text : apply(text, one), option);
      if (ALL.includes(name)) return;
      const most = name.length >= 8 ? 2 : name.length >= 5 ? 1 : 0;
      // Two swaps may share a letter, and then they are more than two edits.
      const swaps = edits.filter(({ kind }) => kind === "swap").length;
      if (edits.length <= most && (swaps === 0 || edits.length === 1)) {
        assert.ok(isSlip(name, option), name);
      }
    }),
    { numRuns: 3000 },
  );
  fc.assert(fc.property(fc.string({ maxLength: 4 }), (name) => {
    for (const option of ALL) {
      const isCase = name !== option && name.toLowerCase() === option.toLowerCase();
      assert.equal(isSlip(name, option), isCase, name);
    }
  }));
});

Deno.test("EventBroker.publish refuses an option with a wrong value instead of storing it as metadata", async () => {
  await using broker = new EventBroker();
  for (
    const options of [
      { metadata: "x" },
      { metadata: [1] },
      { expected: "nonne" },
      {
        expected: "5",
      },
      { expected: -1 },
      { ttlMs: 0 },
    ]
  ) {
    await assert.rejects(broker.publish("t", "x", 1, options as never), InvalidArgumentError);
  }
  assert.equal((await broker.publish("t", "x", 1)).seq, 1, "nothing was stored");
});
