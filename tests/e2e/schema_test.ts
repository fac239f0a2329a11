/** `evs schema` against a real daemon. */
import assert from "node:assert/strict";
import { startDaemon } from "../helpers/daemon.ts";
import { evs } from "../helpers/evs.ts";

const schema = `{
  "type": "object",
  "required": ["userId"],
  "properties": { "userId": { "type": "string" } }
}
`;

Deno.test("schema commands register, show, list, check and remove", async () => {
  await using at = await startDaemon();
  const file = `${at.folder}/user.json`;
  await Deno.writeTextFile(file, schema);
  const run = (args: string[], stdin?: string) => evs(["schema", ...args], { at, stdin });

  const made = await run(["register", "user.created", file, "--version", "1.0"]);
  assert.equal(made.code, 0, made.stderr);
  assert.equal(JSON.parse(made.stdout).created, true);
  const again = await run(["register", "user.created", "-", "--version", "1.0"], schema);
  assert.equal(JSON.parse(again.stdout).created, false, again.stderr);

  const shown = await run(["show", "user.created"]);
  assert.equal(shown.stdout.trim(), schema.trim());
  const listed = await run(["list"]);
  assert.equal(JSON.parse(listed.stdout).type, "user.created");

  const fine = await run(["check", "user.created", "-"], '{\n  "userId": "u1"\n}\n');
  assert.equal(fine.code, 0, fine.stderr);
  const wrong = await run(["check", "user.created"], '{"userId":"u1"}\n{"userId":1}\n{}\nnope\n');
  assert.equal(wrong.code, 4, wrong.stderr);
  const verdicts = wrong.stdout.split("\n").filter(Boolean).map((line) => JSON.parse(line));
  assert.deepEqual(verdicts.map(({ line, valid }) => [line, valid]), [
    [1, true],
    [2, false],
    [3, false],
    [4, false],
  ]);
  assert.equal(verdicts[1].faults[0].pointer, "/userId");

  assert.equal((await run(["remove", "user.created", "--version", "1.0"])).code, 2);
  assert.equal((await run(["remove", "user.created", "--version", "1.0", "--yes"])).code, 0);
  assert.equal((await run(["show", "user.created"])).code, 1);
});

Deno.test("schema register says where a file is wrong and registers nothing", async () => {
  await using at = await startDaemon();
  const broken = await evs(["schema", "register", "t", "-"], {
    at,
    stdin: '{\n  "type": object\n}',
  });
  assert.equal(broken.code, 4);
  assert.match(broken.stderr, /line 2, column 11/);
  const missing = await evs(["schema", "register", "t", "./not-there.json"], { at });
  assert.equal(missing.code, 2);
  assert.match(missing.stderr, /not-there\.json: there is no such file/);
  const dry = await evs(["schema", "register", "t", "-", "--dry-run"], { at, stdin: schema });
  assert.equal(dry.code, 0, dry.stderr);
  const no = await evs(["schema", "register", "t", "-", "--dry-run"], {
    at,
    stdin: '{"type":"nix"}',
  });
  assert.equal(no.code, 4, no.stderr);
  assert.equal((await evs(["schema", "list"], { at })).stdout, "");
});

Deno.test("schema register warns of formats that nobody checks, on stderr alone", async () => {
  await using at = await startDaemon();
  const stdin = '{"properties":{"at":{"format":"datetime"}}}';
  for (const args of [["--dry-run"], ["--json"]]) {
    const made = await evs(["schema", "register", "t", "-", ...args], { at, stdin });
    assert.equal(made.code, 0, made.stderr);
    assert.match(
      made.stderr,
      /warning: t at \/properties\/at\/format: the format "datetime" is not known and not checked; did you mean date-time\?/,
    );
    assert.equal(JSON.parse(made.stdout).warnings.length, 1);
  }
});
