/**
 * docs/cli and docs/llms.txt are what the definitions of the commands say. With EVS_WRITE_DOCS=1
 * (`deno task docs:cli`) they are written anew instead.
 */
import assert from "node:assert/strict";
import { cliPages } from "../../../commands/manual/cli_pages.ts";
import { commandTable } from "../../../commands/manual/command_table.ts";
import { llmsText } from "../../../commands/manual/llms_text.ts";
import { parseMarkdown } from "../../../commands/manual/markdown.ts";
import { readManual, summaryOf } from "../../../commands/manual/sections.ts";
import { verbs } from "../../../commands/mod.ts";

const root = new URL("../../../", import.meta.url);
const writes = Deno.env.get("EVS_WRITE_DOCS") === "1";
const table = await commandTable(verbs);

/** Formats Markdown as `deno task ok` wants it. */
async function formatted(pages: ReadonlyMap<string, string>): Promise<Map<string, string>> {
  const folder = await Deno.makeTempDir({ prefix: "evs-pages-" });
  for (const [name, text] of pages) await Deno.writeTextFile(`${folder}/${name}`, text);
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["fmt", "--quiet", "--no-config", "--line-width", "100", folder],
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
  const read = new Map<string, string>();
  for (const name of pages.keys()) read.set(name, await Deno.readTextFile(`${folder}/${name}`));
  await Deno.remove(folder, { recursive: true });
  return read;
}

/** Compares a folder or a file with what it should be, or writes it. */
async function assertFiles(folder: string, pages: ReadonlyMap<string, string>): Promise<void> {
  for (const [name, text] of pages) {
    const url = new URL(`${folder}/${name}`, root);
    if (writes) await Deno.writeTextFile(url, text);
    else assert.equal(await Deno.readTextFile(url), text, `${folder}/${name}: deno task docs:cli`);
  }
}

Deno.test("docs/cli has a page for each verb, as the definitions say, and no other", async () => {
  const pages = await formatted(cliPages(table));
  assert.equal(pages.size, verbs.size + 1);
  if (writes) await Deno.mkdir(new URL("docs/cli", root), { recursive: true });
  await assertFiles("docs/cli", pages);
  const names = [...Deno.readDirSync(new URL("docs/cli", root))].map(({ name }) => name);
  if (writes) {
    for (const name of names.filter((name) => !pages.has(name))) {
      await Deno.remove(new URL(`docs/cli/${name}`, root));
    }
  } else assert.deepEqual(names.sort(), [...pages.keys()].sort());
});

Deno.test("docs/llms.txt lists every page and every command", async () => {
  const readme = await Deno.readTextFile(new URL("README.md", root));
  const [, about] = parseMarkdown(readme);
  assert.ok(about?.kind === "paragraph");
  // Decisions say why, not how.
  const sections = await readManual(root);
  const pages = sections
    .filter(({ level, isCommand, isDecision }) => level === 1 && !isCommand && !isDecision)
    .map(({ page, title, markdown }) => ({
      path: page === "readme" ? "../README.md" : `${page}.md`,
      title,
      summary: summaryOf(markdown),
    }));
  const text = llmsText(table, { pages, about: about.text });
  await assertFiles("docs", new Map([["llms.txt", text]]));
});

Deno.test("docs/cli links to pages and headings that are there", async () => {
  for (const [name, text] of cliPages(table)) {
    for (const [, link] of text.matchAll(/\]\(([^)]+)\)/g)) {
      const [path = "", anchor] = link!.split("#");
      const target = new URL(`docs/cli/${path === "" ? name : path}`, root);
      const page = await Deno.readTextFile(target);
      if (anchor === undefined) continue;
      const headings = parseMarkdown(page).flatMap((block) =>
        block.kind === "heading" ? [block.text.toLowerCase().replaceAll(" ", "-")] : []
      );
      assert.ok(headings.includes(anchor), `${name} links to ${link}`);
    }
  }
});
