/**
 * Schemas from a publisher's point of view: every line gets its verdict, and numbers are judged as
 * written.
 */
import assert from "node:assert/strict";
import { startDaemon } from "../helpers/daemon.ts";
import { evs } from "../helpers/evs.ts";

Deno.test("evs publish stores the neighbours of a line that a conditional schema refuses", async () => {
  await using at = await startDaemon();
  const schema = {
    patternProperties: { "^x-": { type: "string" } },
    if: { required: ["z"] },
    then: { additionalProperties: false },
  };
  await evs(["schema", "register", "note", "-"], { at, stdin: JSON.stringify(schema) });
  const lines = '{"x-note":"n"}\n{"x-note":1}\n{"a":1}\n{"z":1}\n{"x-2":"m"}\n';
  const skipped = await evs(["publish", "t", "note", "--ndjson", "--on-error", "skip"], {
    at,
    stdin: lines,
  });
  assert.equal(skipped.code, 6, skipped.stderr);
  assert.match(skipped.stderr, /line 2: .*\/x-note must be a string/);
  assert.match(skipped.stderr, /line 4: .*\/z must not be there/);
  const { stdout } = await evs(["replay", "t"], { at });
  assert.deepEqual(stdout.trim().split("\n").map((line) => JSON.parse(line).payload), [
    { "x-note": "n" },
    { a: 1 },
    { "x-2": "m" },
  ]);
});

Deno.test("schemas judge whole numbers beyond 2^53 as they were written, in checks, publishes and diffs", async () => {
  await using at = await startDaemon();
  const run = (args: string[], stdin: string) => evs(args, { at, stdin });
  const schema = (maximum: string) =>
    `{"properties":{"n":{"type":"integer","maximum":${maximum}}}}`;
  await run(["schema", "register", "count", "-"], schema("1234567890123456788"));
  const checked = await run(
    ["schema", "check", "count"],
    '{"n":1234567890123456788}\n{"n":1234567890123456789}\n',
  );
  assert.deepEqual(
    checked.stdout.trim().split("\n").map((line) => JSON.parse(line).valid),
    [true, false],
  );
  const published = await run(["publish", "t", "count", "-"], '{"n":1234567890123456789}');
  assert.equal(published.code, 4);
  assert.match(published.stderr, /must be <= 1234567890123456788/);
  const envelope = '{"type":"count","payload":{"n":1234567890123456789}}\n';
  assert.equal((await run(["publish", "t", "--envelope"], envelope)).code, 4);

  const diff = await run(
    ["schema", "diff", "count", "--with", "-", "--json"],
    schema("1234567890123456787"),
  );
  assert.match(diff.stdout, /"old":1234567890123456788/);
  assert.match(diff.stdout, /"new":1234567890123456787/);
  assert.match(diff.stdout, /refuses numbers above 1234567890123456787/);
  const narrower = await run(
    ["schema", "register", "count", "-", "--compat", "backward"],
    schema("1234567890123456787"),
  );
  assert.equal(narrower.code, 3, narrower.stderr);
  const wider = await run(
    ["schema", "register", "count", "-", "--compat", "backward"],
    schema("1234567890123456789"),
  );
  assert.equal(wider.code, 0, wider.stderr);
});
