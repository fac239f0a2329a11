/**
 * Man pages: `man` renders each without a warning, `apropos` understands what it is about, and an
 * example on the screen is what was written, to be copied.
 */
import assert from "node:assert/strict";
import { commandsOf, commandTable } from "../../commands/manual/command_table.ts";
import { verbs } from "../../commands/mod.ts";
import { writeManPages } from "../../docs/man.ts";
import { needTools } from "../helpers/shell.ts";

async function output(
  program: string,
  args: string[],
  env: Record<string, string> = {},
): Promise<{ stdout: string; stderr: string }> {
  const { success, stdout, stderr } = await new Deno.Command(program, {
    args,
    env: { LC_ALL: "C.UTF-8", MANWIDTH: "80", MANPAGER: "cat", ...env },
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  const told = { stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
  assert.ok(success, `${program} ${args.join(" ")}: ${told.stderr}`);
  return told;
}

Deno.test("man renders every page without a warning, with its examples as they are typed", async () => {
  needTools("man", "groff", "lexgrog");
  const folder = await Deno.makeTempDir({ prefix: "evs-man-" });
  const pages = await writeManPages(folder);
  assert.equal(pages.length, verbs.size + 3);
  const shown = new Map<string, string>();
  for (const page of pages) {
    const name = page.slice(page.lastIndexOf("/") + 1, page.lastIndexOf("."));
    for (const env of [{}, { LC_ALL: "C" }, { MANWIDTH: "120" }] as Record<string, string>[]) {
      const { stdout, stderr } = await output("man", ["--warnings=w", "-l", page], env);
      assert.equal(stderr, "", `man -l ${page}`);
      if (Object.keys(env).length === 0) shown.set(name, stdout);
    }
    const about = await output("lexgrog", [page]);
    assert.match(about.stdout, new RegExp(`^${page}: "${name} - .+"\n$`));
  }
  for (const { path, examples } of commandsOf(await commandTable(verbs))) {
    const page = shown.get(`evs-${path.split(" ")[0]}`)!;
    for (const [line] of examples) {
      assert.ok(page.includes(` evs ${line}\n`), `evs ${line}\n${page}`);
    }
  }
  // The same test finds a page that is wrong.
  await Deno.writeTextFile(`${folder}/wrong.1`, ".TH WRONG 1\n.SH NAME\nwrong \\- x\n.NOSUCH\n");
  const wrong = await output("man", ["--warnings=w", "-l", `${folder}/wrong.1`]);
  assert.match(wrong.stderr, /NOSUCH/);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("man finds every page in the folder that deno task docs:man makes", async () => {
  needTools("man");
  const folder = await Deno.makeTempDir({ prefix: "evs-man-" });
  await output(Deno.execPath(), ["task", "--quiet", "docs:man", folder]);
  for (const [section, name] of [["1", "evs"], ["1", "evs-dlq"], ["5", "evs-config"]] as const) {
    const { stdout } = await output("man", ["-M", folder, section, name]);
    assert.match(stdout, new RegExp(`^${name.toUpperCase()}\\(${section}\\)`));
  }
  const contract = await output("man", ["-M", folder, "7", "evs-contract"]);
  assert.match(contract.stdout, /1\. Acknowledged means durable/);
  await Deno.remove(folder, { recursive: true });
});
