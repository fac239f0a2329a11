/**
 * A copy of the tree in which a file is changed while tests run. It is no work tree of git: no test
 * may find the repository from it, nor change anything in it.
 */
import { dirname, join } from "node:path";

/** A copy of the tree at a folder of its own. */
export class TreeCopy {
  readonly root: string;
  /** The file that is changed, and what it is without. */
  #changed: { path: string; text: string } | undefined;

  private constructor(root: string) {
    this.root = root;
  }

  /** Copies all that is in git, or could be: what is ignored is left out. */
  static async of(source: string, root: string): Promise<TreeCopy> {
    const made = new Set<string>();
    for (const path of await filesOf(source)) {
      const target = join(root, path);
      const folder = dirname(target);
      if (!made.has(folder)) {
        await Deno.mkdir(folder, { recursive: true });
        made.add(folder);
      }
      try {
        await Deno.copyFile(join(source, path), target);
      } catch (error) {
        // Removed from the work tree, and not yet from the index.
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
    }
    const modules = join(source, "node_modules");
    if (await isFolder(modules)) await Deno.symlink(modules, join(root, "node_modules"));
    return new TreeCopy(root);
  }

  /** The text of a file as it is without a change. */
  async read(path: string): Promise<string> {
    if (this.#changed?.path === path) return this.#changed.text;
    return await Deno.readTextFile(join(this.root, path));
  }

  /** Changes a file, until {@link restore}. */
  async change(path: string, text: string): Promise<void> {
    if (this.#changed) throw new Error(`${this.#changed.path} is still changed`);
    const before = await this.read(path);
    this.#changed = { path, text: before };
    await Deno.writeTextFile(join(this.root, path), text);
  }

  /** Undoes the change, if there is one. */
  async restore(): Promise<void> {
    if (!this.#changed) return;
    const { path, text } = this.#changed;
    await Deno.writeTextFile(join(this.root, path), text);
    this.#changed = undefined;
  }
}

async function filesOf(source: string): Promise<string[]> {
  const { success, stdout, stderr } = await new Deno.Command("git", {
    args: ["-C", source, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
  }).output();
  if (!success) throw new Error(`git ls-files: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout).split("\0").filter((path) => path !== "");
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isDirectory;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
