/**
 * The daemon's config file, for the few settings that commands have to know, too. It is the
 * daemon's to check: what is wrong with it is no error here.
 */

/** Longer than any real config file, bytes. */
export const LONGEST_CONFIG = 1024 * 1024;

/**
 * The table in a config file; undefined if there is none, or if `word` is nowhere in it: parsing
 * TOML costs a package, which most starts do without.
 */
export async function configTable(
  path: string,
  { word }: { word: string },
): Promise<Record<string, unknown> | undefined> {
  const source = textIfThere(path, LONGEST_CONFIG);
  if (source === undefined || !source.includes(word)) return undefined;
  const { parse, TomlError } = await import("smol-toml");
  try {
    return parse(source);
  } catch (error) {
    if (error instanceof TomlError) return undefined;
    throw error;
  }
}

/** The text of a plain file; undefined if it cannot be read, or is longer than `most` bytes. */
export function textIfThere(path: string, most: number): string | undefined {
  try {
    const { isFile, size } = Deno.statSync(path);
    return isFile && size <= most ? Deno.readTextFileSync(path) : undefined;
  } catch {
    // The daemon says what is wrong with it.
    return undefined;
  }
}
