/** Declarations that the promised snippets leave out. */
// deno-lint-ignore-file no-console -- the snippets print
/**
 * What the seed's snippets need around them: a place of their own, and an eye on what they print.
 */

/** Runs `work` in an empty folder, which is the current one meanwhile. */
export async function inFolder(work: () => Promise<void>): Promise<void> {
  const before = Deno.cwd();
  const dir = await Deno.makeTempDir({ prefix: "evs-seed-" });
  Deno.chdir(dir);
  try {
    await work();
  } finally {
    Deno.chdir(before);
    await Deno.remove(dir, { recursive: true });
  }
}

/** What `work` printed with `console.log`. */
export async function printed(work: () => Promise<void>): Promise<unknown[][]> {
  const lines: unknown[][] = [];
  const before = console.log;
  console.log = (...values: unknown[]) => void lines.push(values);
  try {
    await work();
  } finally {
    console.log = before;
  }
  return lines;
}
