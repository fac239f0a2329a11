/** Finds text that should be gone from the files of a folder. */

/**
 * The paths of the files below `folder`, its subfolders included, that hold one of the texts. If a
 * file goes meanwhile, which may have a new name then, all are looked at again.
 */
export function filesWith(folder: string, texts: readonly string[]): string[] {
  for (;;) {
    try {
      return filesNow(folder, texts);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      Deno.statSync(folder); // unless it is the folder that is not there
    }
  }
}

function filesNow(folder: string, texts: readonly string[]): string[] {
  const encoder = new TextEncoder();
  const wanted = texts.map((text) => encoder.encode(text));
  const found: string[] = [];
  for (const { name, isDirectory, isFile } of Deno.readDirSync(folder)) {
    const path = `${folder}/${name}`;
    if (isDirectory) found.push(...filesNow(path, texts));
    if (isFile && wanted.some((bytes) => holds(Deno.readFileSync(path), bytes))) found.push(path);
  }
  return found.sort();
}

function holds(bytes: Uint8Array, wanted: Uint8Array): boolean {
  for (let at = bytes.indexOf(wanted[0]!); at >= 0; at = bytes.indexOf(wanted[0]!, at + 1)) {
    if (wanted.every((byte, i) => bytes[at + i] === byte)) return true;
  }
  return false;
}
