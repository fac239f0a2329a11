/**
 * Schema versions on the command line: which may follow which, what changed, and a folder applied
 * as a whole.
 */
import assert from "node:assert/strict";
import { startDaemon } from "../helpers/daemon.ts";
import { evs } from "../helpers/evs.ts";

const v1 = { type: "object", properties: { id: { type: "string" } }, additionalProperties: false };
const v2 = { ...v1, properties: { ...v1.properties, name: { type: "string" } } };
const breaking = { ...v2, required: ["name"] };

Deno.test("schema register refuses a version when it breaks with the one before, and says where", async () => {
  await using at = await startDaemon();
  const register = (schema: unknown, ...args: string[]) =>
    evs(["schema", "register", "user", "-", ...args], { at, stdin: JSON.stringify(schema) });
  const first = await register(v1, "--compat", "backward");
  assert.equal(first.code, 0, first.stderr);
  assert.equal(JSON.parse(first.stdout).compatibility, "backward");
  const second = await register(v2);
  assert.equal(second.code, 0, second.stderr);
  const { against } = JSON.parse(second.stdout);
  assert.equal(against.version, "1.0");
  assert.deepEqual(against.backward, []);
  assert.equal(against.forward[0].pointer, "/additionalProperties");

  const dry = await register(breaking, "--dry-run");
  const refused = await register(breaking);
  for (const result of [dry, refused]) {
    assert.equal(result.code, 3, result.stderr);
    assert.match(
      result.stderr,
      /user 3\.0 is not backward compatible with 2\.0: \/required\/0 requires name, which old payloads may leave out/,
    );
    assert.match(result.stderr, /--compat none/);
  }
  assert.equal((await evs(["schema", "list"], { at })).stdout.trim().split("\n").length, 2);

  // What was asked lives as long as the type: a restart keeps it.
  await at.stop();
  await at.start();
  assert.equal((await register(breaking)).code, 3);
  const forced = await register(breaking, "--compat", "none");
  assert.equal(forced.code, 0, forced.stderr);
  assert.equal(JSON.parse(forced.stdout).against.backward[0].pointer, "/required/0");
});

Deno.test("schema register looks at both neighbours when a version comes between two", async () => {
  await using at = await startDaemon();
  const register = (schema: unknown, ...args: string[]) =>
    evs(["schema", "register", "n", "-", ...args], { at, stdin: JSON.stringify(schema) });
  await register({ type: "integer" }, "--version", "1.0", "--compat", "backward");
  await register({ type: ["integer", "string"] }, "--version", "3.0");
  const between = await register({ type: ["integer", "null"] }, "--version", "2.0");
  assert.equal(between.code, 3, between.stdout);
  assert.match(between.stderr, /n 3\.0 is not backward compatible with 2\.0: \/type/);
});

Deno.test("schema diff shows what changed and whom it breaks", async () => {
  await using at = await startDaemon();
  for (const schema of [v1, v2, breaking]) {
    const made = await evs(["schema", "register", "user", "-"], {
      at,
      stdin: JSON.stringify(schema),
    });
    assert.equal(made.code, 0, made.stderr);
  }
  const last = JSON.parse((await evs(["schema", "diff", "user"], { at })).stdout);
  assert.deepEqual([last.from, last.to], ["2.0", "3.0"]);
  assert.deepEqual(last.changes, [{ pointer: "/required", change: "added", new: ["name"] }]);
  assert.equal(last.backward[0].pointer, "/required/0");
  assert.deepEqual(last.forward, []);
  const far = JSON.parse((await evs(["schema", "diff", "user", "1.0", "3.0"], { at })).stdout);
  assert.deepEqual(far.changes.map(({ pointer }: { pointer: string }) => pointer), [
    "/properties/name",
    "/required",
  ]);
  const given = await evs(["schema", "diff", "user", "--with", "-"], { at, stdin: "true" });
  assert.equal(JSON.parse(given.stdout).from, "3.0", given.stderr);
  const first = await evs(["schema", "diff", "nobody"], { at });
  assert.equal(first.code, 1);
  const none = await evs(["schema", "diff", "user", "7.0"], { at });
  assert.equal(none.code, 1);
  assert.match(none.stderr, /it has 1\.0, 2\.0, 3\.0/);
});

Deno.test("schema register takes a folder whole or not at all", async () => {
  await using at = await startDaemon();
  const folder = `${at.folder}/schemas`;
  await Deno.mkdir(`${folder}/order.placed`, { recursive: true });
  const write = (name: string, schema: unknown) =>
    Deno.writeTextFile(`${folder}/${name}`, JSON.stringify(schema));
  await write("user.created.json", v1);
  await write("order.placed/1.0.json", v1);
  await write("order.placed/2.0.json", v2);
  await write("ping@1.5.json", true);
  await Deno.writeTextFile(`${folder}/README.md`, "not a schema");
  const run = (...args: string[]) => evs(["schema", "register", folder, ...args], { at });
  const rows = (text: string) =>
    text.trim().split("\n").map((line) => JSON.parse(line)).map((
      { type, version, created },
    ) => [type, version, created]);
  const expected = [
    ["order.placed", "1.0", true],
    ["order.placed", "2.0", true],
    ["ping", "1.5", true],
    ["user.created", "1.0", true],
  ];
  const dry = await run("--dry-run", "--compat", "backward");
  assert.equal(dry.code, 0, dry.stderr);
  assert.deepEqual(rows(dry.stdout), expected);
  assert.equal((await evs(["schema", "list"], { at })).stdout, "");
  assert.deepEqual(rows((await run("--compat", "backward")).stdout), expected);
  assert.deepEqual(
    rows((await run()).stdout),
    expected.map(([type, version]) => [type, version, false]),
  );

  await write("new.thing.json", true);
  await write("user.created.json", breaking);
  const refused = await run();
  assert.equal(refused.code, 3);
  assert.match(refused.stderr, /user\.created 2\.0 is not backward compatible/);
  assert.equal((await evs(["schema", "show", "new.thing"], { at })).code, 1);

  await write("broken.json", {});
  await Deno.writeTextFile(`${folder}/broken.json`, "{");
  const broken = await run();
  assert.equal(broken.code, 4);
  assert.match(broken.stderr, /broken\.json/);
  const missing = await evs(["schema", "register", `${folder}/none`], { at });
  assert.equal(missing.code, 2);
  assert.match(missing.stderr, /there is no such folder/);
});

Deno.test("schema remove refuses the last schema of a type while a topic requires one", async () => {
  await using at = await startDaemon();
  await evs(["schema", "register", "user", "-"], { at, stdin: "true" });
  await evs(["topic", "create", "users", "--schema", "require"], { at });
  const refused = await evs(["schema", "remove", "user", "--version", "1.0", "--yes"], { at });
  assert.equal(refused.code, 3);
  assert.match(refused.stderr, /users takes only types with a schema/);
  await evs(["topic", "update", "users", "--schema", "validate"], { at });
  const removed = await evs(["schema", "remove", "user", "--version", "1.0", "--yes"], { at });
  assert.equal(removed.code, 0, removed.stderr);
});
