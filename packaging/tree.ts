/**
 * The files of a package, in memory: names, bytes and modes, nothing of the machine that built it.
 * Every package has `bin/evs`, `lib/*.js` and its licences; what else there is depends on its kind.
 */

/** A file. */
export interface PackageFile {
  /** The bytes, or the path of a file that has them. */
  content: Uint8Array | { path: string };
  executable?: boolean;
}

/** Files by their path. */
export type Tree = Map<string, PackageFile>;

/** A file from a text. */
export function textFile(content: string, options: { executable?: boolean } = {}): PackageFile {
  return { content: new TextEncoder().encode(content), ...options };
}

/** The bytes of a file. */
export async function bytesOf({ content }: PackageFile): Promise<Uint8Array> {
  return content instanceof Uint8Array ? content : await Deno.readFile(content.path);
}

/** Paths in the order in which every package has them. */
export function sorted(tree: Tree): [string, PackageFile][] {
  return [...tree].sort(([a], [b]) => a < b ? -1 : 1);
}

/** Writes the files into a folder, which is emptied first. */
export async function writeTree(tree: Tree, folder: string): Promise<void> {
  await Deno.remove(folder, { recursive: true }).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
  for (const [path, file] of sorted(tree)) {
    const target = `${folder}/${path}`;
    await makeFolders(folder, path);
    if (file.content instanceof Uint8Array) await Deno.writeFile(target, file.content);
    else await Deno.copyFile(file.content.path, target);
    await Deno.chmod(target, file.executable ? 0o755 : 0o644);
  }
}

/** Makes the folders that a path lies in, readable whatever the umask of whoever builds it. */
async function makeFolders(root: string, path: string): Promise<void> {
  const words = path.split("/").slice(0, -1);
  for (let n = 0; n <= words.length; n++) {
    const folder = [root, ...words.slice(0, n)].join("/");
    await Deno.mkdir(folder, { recursive: true });
    await Deno.chmod(folder, 0o755);
  }
}
