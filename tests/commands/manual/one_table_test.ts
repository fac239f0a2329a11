/**
 * Help, man pages, completions, docs/cli and docs/llms.txt say the same: every flag and every
 * example of every command is in each of them.
 */
import assert from "node:assert/strict";
import { EXAMPLES, overview } from "../../../commands/cli/help.ts";
import { findRoute, helpPage } from "../../../commands/cli/help_page.ts";
import { completionScript, shells } from "../../../commands/completion/scripts.ts";
import { type CompletionNode, completionTree } from "../../../commands/completion/tree.ts";
import {
  type CommandEntry,
  commandsOf,
  commandTable,
} from "../../../commands/manual/command_table.ts";
import { manPages } from "../../../commands/manual/man_pages.ts";
import { verbs } from "../../../commands/mod.ts";
import { palette } from "../../../commands/terminal/colour.ts";

const root = new URL("../../../", import.meta.url);
const read = (path: string) => Deno.readTextFile(new URL(path, root));
const paint = palette(false);

const loaded = await Promise.all(
  [...verbs].map(async ([name, { brief, load }]) => ({
    name,
    brief,
    target: (await load()).route,
  })),
);
const nodes = completionTree(loaded);
const commands = nodes.filter(({ routes }) => routes.length === 0);
const table = await commandTable(verbs);
const entries = new Map(commandsOf(table).map((entry) => [entry.path, entry]));
const man = manPages({
  table,
  examples: EXAMPLES,
  configuration: await read("docs/configuration.md"),
  contract: await read("docs/contract.md"),
});

/** The text of roff without its escapes. */
function unescaped(roff: string): string {
  return roff.replaceAll(/\\f[BIR]/g, "").replaceAll("\\-", "-").replaceAll("\\(aq", "'")
    .replaceAll("\\(dq", '"').replaceAll("\\(ha", "^").replaceAll("\\(ti", "~")
    .replaceAll("\\(ga", "`").replaceAll("\\ ", " ").replaceAll("\\&", "")
    .replaceAll("\\(rs", "\\");
}

/** The part of a page that is about one command of a group; a verb's own page is all about it. */
function partOf(page: string, { path, heading }: { path: string; heading: RegExp }): string {
  if (!path.includes(" ")) return page;
  const parts = page.split(heading);
  const at = parts.indexOf(`evs ${path}`);
  assert.ok(at > 0, `there is a part about evs ${path}`);
  return parts[at + 1]!;
}

/** Every page about a command, by what it is. */
async function pagesAbout(path: string): Promise<Record<string, string>> {
  const [verb = "", ...below] = path.split(" ");
  const top = { route: loaded.find(({ name }) => name === verb)!.target, path: [verb] };
  const roff = unescaped(man.get(`evs-${verb}.1`) ?? "");
  const common = roff.slice(roff.indexOf('.SH "COMMON FLAGS"'));
  return {
    help: helpPage(findRoute(top, below), { paint, columns: 200 }),
    man: partOf(roff, { path, heading: /^\.SS "(.+)"$/m }) + common,
    "docs/cli": partOf(await read(`docs/cli/${verb}.md`), { path, heading: /^## (evs .+)$/m }),
  };
}

function assertFlag(text: string, { flag, where }: { flag: string; where: string }): void {
  const word = new RegExp(`(?<![\\w-])${flag}(?![\\w-])`);
  assert.match(text, word, `${where} has ${flag}`);
}

Deno.test("help, man pages and docs/cli have every flag and every example of every command", async () => {
  assert.ok(commands.length > 45);
  assert.deepEqual(commands.map(({ path }) => path), [...entries.keys()]);
  for (const { path, flags } of commands) {
    const pages = await pagesAbout(path);
    for (const [kind, text] of Object.entries(pages)) {
      const where = `the ${kind} of evs ${path}`;
      for (const { name } of flags) assertFlag(text, { flag: name, where });
      for (const [line] of entries.get(path)!.examples) {
        assert.ok(text.includes(`evs ${line}\n`), `${where} has the example: ${line}`);
      }
    }
  }
});

Deno.test("docs/llms.txt has every flag and every example of every command", async () => {
  const text = await read("docs/llms.txt");
  const parts = text.split(/^- \[(evs .+?)\]/m);
  for (const { path, flags } of commands) {
    const part = parts[parts.indexOf(`evs ${path}`) + 1]!;
    // What every command has is said once, at the top.
    for (const { name } of flags) assertFlag(parts[0] + part, { flag: name, where: path });
    for (const [line] of entries.get(path)!.examples) assert.ok(part.includes(`\`evs ${line}\``));
  }
});

/** What a script offers behind a command: its line in the table of flags, or the one below it. */
function offered(script: string, { path }: CompletionNode): string {
  const lines = script.split("\n");
  const table = lines.findIndex((line) => /_evs_flags(?:\(\) \{)?$/.test(line));
  const entry = new RegExp(`^ +(?:case )?'?${path}'?(?:\\) echo .*)?$`);
  const at = lines.findIndex((line, index) => index > table && entry.test(line));
  assert.ok(table > 0 && at > table, `the script knows evs ${path}`);
  return lines[at]! + lines[at + 1];
}

Deno.test("the completions of each shell have every flag of every command", () => {
  for (const shell of shells) {
    const script = completionScript(shell, nodes);
    for (const node of commands) {
      const line = offered(script, node);
      for (const { name } of node.flags) {
        assertFlag(line, { flag: name, where: `${shell}: ${node.path}` });
      }
    }
  }
});

Deno.test("evs --help and evs(1) list every verb and have the same examples", () => {
  const help = overview(verbs, { paint, version: "1" });
  const page = unescaped(man.get("evs.1")!);
  for (const [name, { brief }] of verbs) {
    assert.match(help, new RegExp(`^  ${name} +${brief}$`, "m"));
    assert.ok(page.includes(`evs-${name}(1)\n${brief}\n`), name);
  }
  for (const [line] of EXAMPLES) {
    assert.ok(help.includes(`  ${line}\n`));
    assert.ok(page.includes(`\n${line}\n`));
  }
});

Deno.test("every verb's file says of itself what the list of verbs says", () => {
  const briefs = new Map(table.map(({ path, brief }: CommandEntry) => [path, brief]));
  assert.deepEqual([...briefs], [...verbs].map(([name, { brief }]) => [name, brief]));
});
