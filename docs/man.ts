/** Writes the man pages into dist/man: `deno task docs:man`. */
import { commandTable } from "../commands/manual/command_table.ts";
import { EXAMPLES } from "../commands/cli/help.ts";
import { manPages } from "../commands/manual/man_pages.ts";
import { verbs } from "../commands/mod.ts";

const root = new URL("../", import.meta.url);
const read = (path: string) => Deno.readTextFile(new URL(path, root));

/** Every man page, written into a folder as it is installed: `man1/evs.1`. */
export async function writeManPages(folder: string): Promise<string[]> {
  const pages = manPages({
    table: await commandTable(verbs),
    examples: EXAMPLES,
    configuration: await read("docs/configuration.md"),
    contract: await read("docs/contract.md"),
  });
  const written: string[] = [];
  for (const [name, text] of pages) {
    const section = `${folder}/man${name.at(-1)}`;
    await Deno.mkdir(section, { recursive: true });
    await Deno.writeTextFile(`${section}/${name}`, text);
    written.push(`${section}/${name}`);
  }
  return written;
}

if (import.meta.main) {
  const folder = Deno.args[0] ?? `${decodeURIComponent(root.pathname)}dist/man`;
  const written = await writeManPages(folder);
  await Deno.stdout.write(
    new TextEncoder().encode(`${written.length} man pages in ${folder}\n`),
  );
}
