/**
 * Archives with the same bytes wherever and whenever they are made: entries in order, one time for
 * all of them, owned by root, modes by kind.
 */
import { constants, gzipSync } from "node:zlib";
import { bytesOf, sorted, type Tree } from "./tree.ts";

/** The time of every file, Unix seconds: the same that npm gives the files of its packages. */
export const MODIFIED_AT = 499162500;

const BLOCK = 512;
const encoder = new TextEncoder();

/** The files below a folder `root`, as `.tar.gz`. */
export async function tarball(tree: Tree, root: string): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  const folders = new Set<string>();
  for (const [path, file] of sorted(tree)) {
    for (const folder of foldersOf(`${root}/${path}`)) {
      if (folders.has(folder)) continue;
      folders.add(folder);
      pieces.push(header(`${folder}/`, { size: 0, mode: 0o755, type: "5" }));
    }
    const bytes = await bytesOf(file);
    const mode = file.executable ? 0o755 : 0o644;
    pieces.push(header(`${root}/${path}`, { size: bytes.length, mode, type: "0" }), bytes);
    pieces.push(new Uint8Array((BLOCK - bytes.length % BLOCK) % BLOCK));
  }
  pieces.push(new Uint8Array(2 * BLOCK));
  const whole = new Uint8Array(await new Blob(pieces as BlobPart[]).arrayBuffer());
  return gzipSync(whole, { level: constants.Z_DEFAULT_COMPRESSION });
}

/** `a/b/c` lies in `a` and `a/b`. */
function foldersOf(path: string): string[] {
  const words = path.split("/").slice(0, -1);
  return words.map((_, i) => words.slice(0, i + 1).join("/"));
}

/** A header of POSIX' ustar format. */
function header(
  name: string,
  { size, mode, type }: { size: number; mode: number; type: string },
): Uint8Array {
  if (encoder.encode(name).length > 100) throw new Error(`${name} is too long for a tar archive`);
  const block = new Uint8Array(BLOCK);
  const put = (text: string, offset: number) => block.set(encoder.encode(text), offset);
  const octal = (value: number, digits: number) => `${value.toString(8).padStart(digits, "0")}\0`;
  put(name, 0);
  put(octal(mode, 7), 100);
  put(octal(0, 7), 108);
  put(octal(0, 7), 116);
  put(octal(size, 11), 124);
  put(octal(MODIFIED_AT, 11), 136);
  put("        ", 148);
  put(type, 156);
  put("ustar\0" + "00", 257);
  put("root", 265);
  put("root", 297);
  put(`${octal(block.reduce((total, byte) => total + byte, 0), 6)} `, 148);
  return block;
}
