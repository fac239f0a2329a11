/** What a mutant is, and what is wrong with one before anything runs. */

/** A one-line sabotage of the code, and the tests that must notice it. */
export interface Mutant {
  /** Says the sabotage in words, "append: acknowledges before the sync"; unique. */
  name: string;
  /** What it breaks: a heading or row of docs/contract.md, or a sentence of the documentation. */
  promise: string;
  /** The file that is changed, from the project's root. */
  file: string;
  /** The text that is replaced. It occurs exactly once in the file. */
  from: string;
  to: string;
  /** Test files of which each is run until one fails. Small and quick ones: at best under 3 s. */
  tests: string[];
  /** Runs only the tests whose names contain it (deno test --filter). */
  filter?: string;
  /** The entry of the list of faults that it brings back, "A9" (only in lists/faults.ts). */
  fault?: string;
  /**
   * The sabotage makes something wait for ever: a test that takes far longer than without it kills
   * it, too. Costs at least the 20 seconds that every test is given; prefer a test that fails.
   */
  hangs?: true;
}

/**
 * The text with the sabotage; undefined if `from` does not occur exactly once in it, so that nobody
 * knows any more what the mutant was about.
 */
export function mutated(text: string, { from, to }: Mutant): string | undefined {
  const at = text.indexOf(from);
  if (from === "" || at < 0 || text.indexOf(from, at + 1) >= 0) return undefined;
  return text.slice(0, at) + to + text.slice(at + from.length);
}

/** Folders with tests that run the code. Those beside them look at the tree, or at git. */
const KILLERS =
  /^tests\/(?:core|daemon|commands|dashboard|e2e|fuzz|packaging|seed|system|testing|world)\/.*_test\.ts$/;

/** What is wrong with a mutant, in words; undefined if it can run. `read` throws for no file. */
export async function problemOf(
  mutant: Mutant,
  read: (path: string) => Promise<string>,
): Promise<string | undefined> {
  const { file, from, to, tests } = mutant;
  if (from === to) return "changes nothing";
  if (file.startsWith("tests/")) return "changes a test";
  if (tests.length === 0) return "names no test";
  for (const test of tests) {
    if (!KILLERS.test(test)) return `${test} is no test of the code`;
    if (await textOf(test, read) === undefined) return `${test} is not there`;
  }
  const text = await textOf(file, read);
  if (text === undefined) return `${file} is not there`;
  return mutated(text, mutant) === undefined
    ? `stale: its text does not occur exactly once in ${file}`
    : undefined;
}

async function textOf(
  path: string,
  read: (path: string) => Promise<string>,
): Promise<string | undefined> {
  try {
    return await read(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/**
 * True if one of its tests needs root and external tools, or several processes that race with each
 * other, which takes long and is not the same each time: it runs at nightly only.
 */
export function isForNightly({ tests }: Mutant): boolean {
  return tests.some((test) => /^tests\/(?:system|e2e)\//.test(test));
}

/** False for a script of a shell, whose faults only a shell can tell. */
export function isModule(path: string): boolean {
  return path.endsWith(".ts");
}
