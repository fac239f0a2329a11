/** docs/errors.md has every error code that the source can report, once, and no other. */
import assert from "node:assert/strict";
import { sourceFiles } from "./helpers/source.ts";

const root = new URL("../", import.meta.url);

/** Literals of the same form that are no codes: paths of requests and of files. */
const NO_CODES = ["events/format", "retries/now"];

Deno.test("docs/errors.md has every error code of the source, and no other", async () => {
  const page = await Deno.readTextFile(new URL("docs/errors.md", root));
  const told = [...page.matchAll(/^- `([a-z-]+\/[a-z0-9-]+)`: \S/gm)].map(([, code]) => code!);
  assert.equal(new Set(told).size, told.length, "each code is explained once");
  const kinds = new Set(told.map((code) => code.split("/")[0]));
  const known = new Set<string>();
  for (const file of await sourceFiles("core", "daemon", "commands")) {
    const source = await Deno.readTextFile(new URL(file, root));
    for (const [, code] of source.matchAll(/\bcode: "([a-z-]+\/[a-z0-9-]+)"/g)) known.add(code!);
    for (const [, code, kind] of source.matchAll(/"(([a-z-]+)\/[a-z0-9-]+)"/g)) {
      if (kinds.has(kind!) && !NO_CODES.includes(code!)) known.add(code!);
    }
    for (const [, what] of source.matchAll(/new NotFoundError\(\s*"([a-z-]+)"/g)) {
      known.add(`${what}/not-found`);
    }
  }
  assert.ok(known.size > 80, `${known.size} codes were found in the source`);
  assert.deepEqual([...told].sort(), [...known].sort());
});
