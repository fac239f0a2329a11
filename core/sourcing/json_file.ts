/** JSON in a file, replaced by rename: a reader sees either the old value or the new one. */

/** The value in the file; undefined if there is no file. */
export async function readJsonFile<T>(path: string): Promise<T | undefined> {
  try {
    return JSON.parse(await Deno.readTextFile(path));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Replaces the value. Not synced. */
export async function writeJsonFile(path: string, value: unknown): Promise<void> {
  const fresh = `${path}.${crypto.randomUUID()}`;
  try {
    await Deno.writeTextFile(fresh, JSON.stringify(value), { mode: 0o600 });
    await Deno.rename(fresh, path);
  } catch (error) {
    await Deno.remove(fresh).catch(() => {}); // it may not exist; the original error is rethrown
    throw error;
  }
}
