/** What is required of each further version of a type, and what stays as it was. */
import assert from "node:assert/strict";
import { ConflictError } from "../../../core/base/errors.ts";
import { JsonSchemaRegistry } from "../../../core/schema/registry.ts";

/** Objects that must have these. */
const requiring = (...required: string[]) => JSON.stringify({ type: "object", required });

function incompatible(with_: string, level: string) {
  return (error: unknown) => {
    assert.ok(error instanceof ConflictError);
    assert.equal(error.code, "schema/incompatible");
    const { versions, level: told } = error.details as { versions: string[]; level: string };
    assert.deepEqual([versions[0], told], [with_, level]);
    return true;
  };
}

Deno.test("JsonSchemaRegistry keeps the level of a type until another one is given", async () => {
  const registry = new JsonSchemaRegistry();
  await registry.register("t", { schema: requiring("a"), compatibility: "backward" });
  const narrower = { schema: requiring("a", "b") };
  await assert.rejects(registry.register("t", narrower), incompatible("1.0", "backward"));
  assert.deepEqual(registry.versions("t"), ["1.0"]);
  assert.deepEqual(await registry.register("t", { schema: requiring() }), {
    created: true,
    version: "2.0",
  });
  assert.equal(registry.level("t"), "backward");
  await registry.register("t", { ...narrower, compatibility: "none" });
  assert.equal(registry.level("t"), "none");
  await registry.register("other", { schema: requiring("a") });
  await registry.register("other", narrower);
});

Deno.test("JsonSchemaRegistry looks in both directions for full, and in one for the others", async () => {
  const wider = requiring("a");
  const narrower = requiring("a", "b");
  for (
    const [level, first, next, allowed] of [
      ["backward", wider, narrower, false],
      ["backward", narrower, wider, true],
      ["forward", wider, narrower, true],
      ["forward", narrower, wider, false],
      ["full", wider, narrower, false],
      ["full", narrower, wider, false],
      ["none", wider, narrower, true],
    ] as const
  ) {
    const registry = new JsonSchemaRegistry();
    await registry.register("t", { schema: first, compatibility: level });
    const second = registry.register("t", { schema: next });
    if (allowed) await second;
    else await assert.rejects(second, incompatible("1.0", level), level);
  }
});

Deno.test("JsonSchemaRegistry compares a version between two others with both", async () => {
  const registry = new JsonSchemaRegistry();
  await registry.register("t", {
    schema: requiring("a"),
    version: "1.0",
    compatibility: "forward",
  });
  await registry.register("t", { schema: requiring("a", "b"), version: "3.0" });
  const between = (schema: string) => registry.register("t", { schema, version: "2.0" });
  // Forward: what a later version writes, an earlier one can read.
  await assert.rejects(between(requiring("a", "b", "c")), incompatible("2.0", "forward"));
  await assert.rejects(between(requiring("b")), incompatible("1.0", "forward"));
  assert.deepEqual(registry.versions("t"), ["1.0", "3.0"]);
  await between(JSON.stringify({ type: "object", required: ["a"], title: "between" }));
  assert.deepEqual(registry.versions("t"), ["1.0", "2.0", "3.0"]);
});

Deno.test("JsonSchemaRegistry.plan registers nothing, and lets a later request build on an earlier one", async () => {
  const registry = new JsonSchemaRegistry();
  const plans = await registry.plan([
    { type: "t", schema: requiring("a"), compatibility: "backward" },
    { type: "t", schema: requiring() },
  ]);
  assert.deepEqual(plans.map(({ record, created }) => [record.version, created]), [
    ["1.0", true],
    ["2.0", true],
  ]);
  assert.deepEqual([registry.list(), registry.level("t")], [[], "none"]);
  await assert.rejects(
    registry.plan([
      { type: "t", schema: requiring("a"), compatibility: "backward" },
      { type: "t", schema: requiring("a", "b") },
    ]),
    incompatible("1.0", "backward"),
  );
  assert.deepEqual(registry.list(), []);
});

Deno.test("JsonSchemaRegistry refuses another schema under a version that is taken, however it is given", async () => {
  const registry = new JsonSchemaRegistry();
  registry.registerSchema("t", { type: "object" }, "1.0");
  registry.registerSchema("t", { type: "object" }, "1.0");
  const taken = { code: "schema/version-taken" };
  assert.throws(() => registry.registerSchema("t", { type: "array" }, "1.0"), taken);
  const again = registry.register("t", { schema: '{"type":"array"}', version: "1.0" });
  await assert.rejects(again, taken);
  await registry.ready();
  assert.equal(registry.get("t", "1.0")!.schema, '{"type":"object"}');
  assert.deepEqual(registry.validate("t", undefined, {}).faults, []);
});

Deno.test("JsonSchemaRegistry means the version before when the highest one is removed", async () => {
  const registry = new JsonSchemaRegistry();
  await registry.register("t", { schema: requiring("a") });
  await registry.register("t", { schema: requiring("b") });
  assert.equal(registry.validate("t", undefined, { a: 1 }).version, "2.0");
  assert.equal(registry.remove("t", "2.0"), true);
  assert.deepEqual(registry.validate("t", undefined, { a: 1 }), { version: "1.0", faults: [] });
  assert.throws(() => registry.validate("t", "2.0", { b: 1 }), {
    code: "event/schema-unknown-version",
  });
});

Deno.test("JsonSchemaRegistry checks a number as it was written, beyond what JSON.parse keeps", async () => {
  const registry = new JsonSchemaRegistry();
  await registry.register("t", { schema: '{"properties":{"n":{"const":9007199254740993}}}' });
  const faults = (text: string) =>
    registry.validate("t", undefined, JSON.parse(text), text).faults.length;
  assert.equal(faults('{"n":9007199254740993}'), 0);
  assert.equal(faults('{"n":9007199254740992}'), 1);
});
