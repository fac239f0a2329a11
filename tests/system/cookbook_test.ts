/**
 * Every block of docs/cookbook.md runs, in order, in one folder and with one daemon; a `text` block
 * is the output of the shell block before it, and a `ts` block is the file `web.ts` that the next
 * one starts.
 */
import assert from "node:assert/strict";
import { addSshServer } from "../helpers/ssh_server.ts";
import { needTools, Place, project } from "../helpers/shell.ts";

const page = await Deno.readTextFile(`${project}/docs/cookbook.md`);
const blocks = Array.from(page.matchAll(/^```(\w*)\n([^]*?)^```$/gm), (found) => ({
  language: found[1]!,
  code: found[2]!,
  line: lineAt(found.index),
}));
/** Here a second shell begins, with time of its own. */
const HALF = lineAt(page.indexOf("\n## Dead letters at 3 a.m.\n"));

function lineAt(index: number): number {
  assert.ok(index > 0);
  return page.slice(0, index).split("\n").length;
}

Deno.test("docs/cookbook.md has only blocks that run or are compared", () => {
  const recipes = page.match(/^## /gm)?.length ?? 0;
  assert.ok(recipes >= 20, `${recipes} recipes`);
  blocks.forEach(({ language, line }, i) => {
    assert.ok(["sh", "text", "ts"].includes(language), `line ${line}: ${language}`);
    if (language === "text") assert.equal(blocks[i - 1]?.language, "sh", `line ${line}`);
  });
});

Deno.test("docs/cookbook.md prints what it says", async () => {
  needTools("bash", "curl", "go", "jq", "litestream", "node", "python3", "ruby", "sqlite3", "ssh");
  await using place = await Place.make();
  const tools = `${place.folder}/tools`;
  await Deno.mkdir(tools);
  await Deno.symlink(Deno.execPath(), `${tools}/deno`);
  place.env.PATH = `${tools}:${place.env.PATH}`;
  await Deno.symlink(project, `${place.folder}/home/env-event-stream`);
  await addSshServer(place, tools);
  await prepareGo(place);
  const scripts = [
    blocks.filter(({ line }) => line < HALF),
    blocks.filter(({ line }) => line > HALF),
  ].map((half) => half.map(scriptOf).join(""));
  let said = "";
  for (const script of scripts) said += await place.run(script);
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
  assert.deepEqual(await place.lastingProcesses(), [], "the last block stops the daemon");
});

/** What the test runs for a block; the line says where its output begins. */
function scriptOf({ language, code, line }: typeof blocks[number]): string {
  switch (language) {
    case "ts":
      return `cat >web.ts <<'END OF WEB'\n${code}END OF WEB\n`;
    case "text":
      return "";
  }
  return `echo "@@@ ${line}"\n${code}`;
}

/**
 * Compiles the standard library before the script's time begins, into the cache of whoever runs
 * this: with an empty one it takes 20 s of work.
 */
async function prepareGo(place: Place): Promise<void> {
  const { success, stdout, stderr } = await new Deno.Command("go", {
    args: ["env", "GOCACHE"],
    cwd: place.folder,
  }).output();
  const decoder = new TextDecoder();
  assert.ok(success, decoder.decode(stderr));
  Object.assign(place.env, {
    GOCACHE: decoder.decode(stdout).trim(),
    // The go that is here, and no download of another.
    GOTOOLCHAIN: "local",
  });
  await place.run("go build encoding/json fmt os");
}
