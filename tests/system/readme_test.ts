/**
 * Every block of the README and of docs/shell.md runs. Shell blocks run in order in one shell with
 * its own home; a `text` block is the output of the shell block before it. Blocks that run tasks
 * are compared with deno.json and .ci/run, and commands that follow a topic run beside the others.
 */
import assert from "node:assert/strict";
import { needTools, Place, project } from "../helpers/shell.ts";

interface Block {
  language: string;
  code: string;
  line: number;
}

function blocksOf(markdown: string): Block[] {
  const found = markdown.matchAll(/^```(\w*)\n([^]*?)^```$/gm);
  return [...found].map(({ 1: language = "", 2: code = "", index }) => ({
    language,
    code,
    line: markdown.slice(0, index).split("\n").length,
  }));
}

const blocks = blocksOf(await Deno.readTextFile(`${project}/README.md`));
const shellGuide = blocksOf(await Deno.readTextFile(`${project}/docs/shell.md`));
/** Typed in a second terminal, where it follows forever. */
const FOLLOWS = /^evs tail (\w+)\n$/;
const RUNS_A_TASK = /^npx -y deno@[\d.]+ task (\w+)\n$/;

Deno.test("README has only blocks that can be run or compared", () => {
  assert.ok(blocks.length > 10);
  for (const { language, line } of blocks) {
    assert.ok(["sh", "text", "ts"].includes(language), `line ${line}: ${language}`);
  }
});

Deno.test("README's task blocks name tasks that exist, and CI runs its test command", async () => {
  const { tasks } = JSON.parse(await Deno.readTextFile(`${project}/deno.json`));
  const commands = blocks.filter(({ code }) => RUNS_A_TASK.test(code)).map(({ code }) =>
    code.trim()
  );
  assert.deepEqual(commands, ["npx -y deno@2.9.6 task demo", "npx -y deno@2.9.6 task test"]);
  for (const command of commands) assert.ok(tasks[command.split(" ").at(-1)!]);
  const ci = await Deno.readTextFile(`${project}/.ci/run`);
  assert.ok(
    ci.split("\n").some((line) => line.startsWith(`limit ${commands[1]!} 2>&1`)),
    "CI runs the README's own test command",
  );
});

Deno.test("README's demo block ends with 0 and leaves nothing behind", async () => {
  const temporary = await Deno.makeTempDir({ prefix: "evs-readme-" });
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["task", "--quiet", "demo"],
    cwd: project,
    env: { TMPDIR: temporary },
  }).output();
  assert.equal(code, 0, new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr));
  assert.deepEqual([...Deno.readDirSync(temporary)].map(({ name }) => name), []);
  await Deno.remove(temporary, { recursive: true });
});

/**
 * A block as the test runs it: "$PWD" is the project's folder, and what follows runs in the
 * background.
 */
function runnable(code: string): string {
  const [, topic] = FOLLOWS.exec(code) ?? [];
  if (topic) return `evs tail ${topic} >followed.ndjson & follower=$!\n`;
  return code.replaceAll('"$PWD/bin:$PATH"', `"${project}/bin:$PATH"`);
}

/**
 * Runs a page's shell blocks in one shell and compares what each prints with the text block behind
 * it.
 */
async function assertPrinted(place: Place, page: readonly Block[], end = ""): Promise<void> {
  const shell = page.filter(({ language, code }) => language === "sh" && !RUNS_A_TASK.test(code));
  // They run in a folder of their own, so that nothing is left in the tree.
  const said = await place.run(
    shell.map(({ code, line }) => `echo "@@@ ${line}"\n${runnable(code)}`).join("") + end,
  );
  const printed = new Map(
    said.split(/^@@@ /m).slice(1).map((
      part,
    ) => [Number(part.slice(0, part.indexOf("\n"))), part.slice(part.indexOf("\n") + 1)]),
  );
  page.forEach(({ language, code, line }, i) => {
    if (language !== "text") return;
    const before = page[i - 1]!;
    assert.equal(before.language, "sh", `the text block at line ${line} follows a shell block`);
    assert.equal(printed.get(before.line), code, `the output of the block at line ${before.line}`);
  });
}

Deno.test("README's shell blocks print what the README says", async () => {
  needTools("jq");
  await using place = await Place.make();
  // A follower waits for its daemon to come back, so it has to be ended.
  await assertPrinted(place, blocks, 'kill "$follower"\n');
  const followed = await Deno.readTextFile(`${place.folder}/work/followed.ndjson`);
  const names = followed.trim().split("\n").map((line) => JSON.parse(line).payload.username);
  assert.deepEqual(names, ["first", "second", "third"], "the second terminal shows each event");
  assert.deepEqual(await place.lastingProcesses(), [], "the last block stops the daemon");
});

Deno.test("docs/shell.md prints what it says", async () => {
  needTools("curl", "jq", "sqlite3");
  await using place = await Place.make();
  await assertPrinted(place, shellGuide);
  assert.deepEqual(await place.lastingProcesses(), [], "the last block stops the daemon");
});

Deno.test("README's TypeScript blocks type-check and run", async () => {
  for (const { code, line } of blocks.filter(({ language }) => language === "ts")) {
    const file = await Deno.makeTempFile({ suffix: ".ts" });
    await Deno.writeTextFile(file, code);
    const result = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--check", "-A", "--config", `${project}/deno.json`, file],
    }).output();
    assert.equal(result.code, 0, `line ${line}: ${new TextDecoder().decode(result.stderr)}`);
    await Deno.remove(file);
  }
});
