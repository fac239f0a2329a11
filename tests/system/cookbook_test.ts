/**
 * Every block of docs/cookbook.md runs, in order and in one shell; a `text` block is the output of
 * the shell block before it, and a `ts` block is the file `web.ts` that the next one starts.
 */
import assert from "node:assert/strict";
import { needTools, Place, project } from "../helpers/shell.ts";

const page = await Deno.readTextFile(`${project}/docs/cookbook.md`);
const blocks = Array.from(page.matchAll(/^```(\w*)\n([^]*?)^```$/gm), (found) => ({
  language: found[1]!,
  code: found[2]!,
  line: page.slice(0, found.index).split("\n").length,
}));
/** As the reader's own project would: with an import map that has the library. */
const RUN = `"$EVS_DENO" run --quiet --no-lock --config "${project}/deno.json" -A`;

Deno.test("docs/cookbook.md has only blocks that run or are compared", () => {
  const recipes = page.match(/^## /gm)?.length ?? 0;
  assert.ok(recipes >= 15, `${recipes} recipes`);
  blocks.forEach(({ language, line }, i) => {
    assert.ok(["sh", "text", "ts"].includes(language), `line ${line}: ${language}`);
    if (language === "text") assert.equal(blocks[i - 1]?.language, "sh", `line ${line}`);
  });
});

Deno.test("docs/cookbook.md prints what it says", async () => {
  needTools("bash", "curl", "jq", "node", "python3", "sqlite3");
  await using place = await Place.make();
  const script = blocks.filter(({ language }) => language !== "text").map((block) =>
    block.language === "ts"
      ? `cat >web.ts <<'END OF WEB'\n${block.code}END OF WEB\n`
      : `echo "@@@ ${block.line}"\n${block.code.replace("deno run -A", RUN)}`
  );
  const said = await place.run(script.join(""));
  const printed = new Map(
    said.split(/^@@@ /m).slice(1).map((part): [number, string] => {
      const end = part.indexOf("\n");
      return [Number(part.slice(0, end)), part.slice(end + 1)];
    }),
  );
  blocks.forEach(({ language, code }, i) => {
    if (language !== "text") return;
    const { line } = blocks[i - 1]!;
    assert.equal(printed.get(line), code, `the output of the block at line ${line}`);
  });
  assert.deepEqual(place.processes(), [], "the last block stops the daemon");
});
