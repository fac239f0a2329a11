/** The pages of `docs` and the man pages, which packages have so that they can be read offline. */
import { writeManPages } from "../docs/man.ts";
import { project } from "./project.ts";
import { textFile, type Tree } from "./tree.ts";

/**
 * All Markdown below `docs`, by its path in the checkout, what Grafana imports, and
 * `man/man1/evs.1`. The README is among it, as `docs/README.md`: packages have one of their own at the top.
 */
export async function documentation(): Promise<Tree> {
  const tree: Tree = new Map();
  const readme = await Deno.readTextFile(`${project}/README.md`);
  tree.set("docs/README.md", textFile(readme.replaceAll("](docs/", "](")));
  await addFiles(tree, { from: `${project}/docs`, to: "docs", ending: ".md" });
  await addFiles(tree, { from: `${project}/docs`, to: "docs", ending: "/grafana.json" });
  const made = await Deno.makeTempDir({ prefix: "evs-man-" });
  try {
    await writeManPages(made);
    await addFiles(tree, { from: made, to: "man", ending: "" });
  } finally {
    await Deno.remove(made, { recursive: true });
  }
  return tree;
}

interface Folders {
  from: string;
  to: string;
  ending: string;
}

async function addFiles(tree: Tree, { from, to, ending }: Folders): Promise<void> {
  for await (const { name, isDirectory } of Deno.readDir(from)) {
    const path = `${from}/${name}`;
    if (isDirectory) await addFiles(tree, { from: path, to: `${to}/${name}`, ending });
    else if (path.endsWith(ending)) {
      tree.set(`${to}/${name}`, textFile(await Deno.readTextFile(path)));
    }
  }
}
