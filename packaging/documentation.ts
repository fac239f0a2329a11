/** The pages of `docs`, which packages have so that they can be read without a network. */
import { project } from "./project.ts";
import { text, type Tree } from "./tree.ts";

/** All Markdown below `docs`, by its path in the checkout. */
export async function documentation(): Promise<Tree> {
  const tree: Tree = new Map();
  await addPages(tree, "docs");
  return tree;
}

async function addPages(tree: Tree, folder: string): Promise<void> {
  for await (const { name, isDirectory } of Deno.readDir(`${project}/${folder}`)) {
    const path = `${folder}/${name}`;
    if (isDirectory) await addPages(tree, path);
    else if (name.endsWith(".md")) {
      tree.set(path, text(await Deno.readTextFile(`${project}/${path}`)));
    }
  }
}
