/**
 * Runs mutants: each is applied in a copy of the tree, and its tests run until one fails. A test
 * that fails without the mutant, too, proves nothing, so each is run unchanged first.
 */
import { join } from "node:path";
import { testFolder } from "../helpers/folder.ts";
import { isModule, type Mutant, mutated, problemOf } from "./mutant.ts";
import { runTest, type TestRun } from "./test_run.ts";
import { TreeCopy } from "./tree_copy.ts";

/** A run with a mutant may take so many times what it takes without, and so many ms on top. */
const PATIENCE = { factor: 10, floor: 20_000 };
/** What a test may take that has not been run before, ms. */
const UNCHANGED_LIMIT = 600_000;

/**
 * What became of a mutant. Only `killed` is good. `stale`: its text is not there any more.
 * `invalid`: it does not load, or its tests cannot tell. `hung`: a test took too long.
 */
export interface MutantResult {
  mutant: Mutant;
  verdict: "killed" | "survived" | "stale" | "invalid" | "hung";
  /** The test that failed, or what is wrong. */
  detail: string;
  milliseconds: number;
}

/** How mutants are run. */
export interface RunnerOptions {
  /** The tree that is copied. */
  root: string;
  mutants: readonly Mutant[];
  /** Copies that are used beside each other. */
  jobs: number;
  /** Told of each result as it comes. */
  say?: (result: MutantResult) => void;
  signal?: AbortSignal;
  patience?: { factor: number; floor: number };
}

/** Runs the mutants; the results are in their order. */
export async function runMutants(options: RunnerOptions): Promise<MutantResult[]> {
  const { root, mutants, jobs, say } = options;
  const folder = await testFolder("test");
  try {
    const unchanged = new Map<string, Promise<TestRun>>();
    const results = new Array<MutantResult>(mutants.length);
    let next = 0;
    const work = async (job: number) => {
      const place = join(folder, String(job));
      await Deno.mkdir(place);
      const cache = await cacheIn(join(place, "cache"));
      const copy = await TreeCopy.of(root, join(place, "tree"));
      const runs = { copy, cache, temporary: join(place, "t"), unchanged, options };
      while (next < mutants.length) {
        const index = next++;
        results[index] = await runMutant(mutants[index]!, runs);
        say?.(results[index]);
      }
    };
    const working = Array.from({ length: Math.min(jobs, mutants.length) }, (_, job) => work(job));
    // The folder stays until the last has ended, also if one of them throws.
    const ended = await Promise.allSettled(working);
    for (const one of ended) if (one.status === "rejected") throw one.reason;
    return results;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** A module cache that shares what comes from npm with the usual one. */
export async function cacheIn(cache: string): Promise<string> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
  const { npmCache } = JSON.parse(new TextDecoder().decode(stdout));
  await Deno.mkdir(npmCache, { recursive: true });
  await Deno.mkdir(cache);
  await Deno.symlink(npmCache, join(cache, "npm"));
  return cache;
}

/** What the runs of one job share. */
interface Runs {
  copy: TreeCopy;
  cache: string;
  temporary: string;
  /** What each test did unchanged; all jobs wait for the one that runs it. */
  unchanged: Map<string, Promise<TestRun>>;
  options: RunnerOptions;
}

async function runMutant(mutant: Mutant, runs: Runs): Promise<MutantResult> {
  const began = performance.now();
  const result = (verdict: MutantResult["verdict"], detail: string): MutantResult => ({
    mutant,
    verdict,
    detail,
    milliseconds: performance.now() - began,
  });
  const { copy } = runs;
  const wrong = await problemOf(mutant, (path) => copy.read(path));
  if (wrong) return result(wrong.startsWith("stale") ? "stale" : "invalid", wrong);
  const limits: number[] = [];
  for (const test of mutant.tests) {
    const run = await unchanged(test, mutant, runs);
    if (run.end !== "passed") {
      return result("invalid", `${test} fails without it, too: ${lastLines(run.output)}`);
    }
    if (run.passed === 0) return result("invalid", `${test} has no test named ${mutant.filter}`);
    const { factor, floor } = runs.options.patience ?? PATIENCE;
    limits.push(run.milliseconds * factor + floor);
  }
  await copy.change(mutant.file, mutated(await copy.read(mutant.file), mutant)!);
  try {
    const unreadable = await syntaxError(join(copy.root, mutant.file));
    if (unreadable) return result("invalid", unreadable);
    for (const [i, file] of mutant.tests.entries()) {
      const run = await runOne(file, mutant, { ...runs, limit: limits[i]! });
      if (run.end === "failed") return result("killed", `${file}: ${run.test}`);
      if (run.end === "broken") return result("invalid", `${file}: ${lastLines(run.output)}`);
      if (run.end === "hung") return result(mutant.hangs ? "killed" : "hung", `${file} hangs`);
    }
    return result("survived", mutant.tests.join(", "));
  } finally {
    await copy.restore();
  }
}

/** The run of a test without a mutant; the same one for all who ask. */
async function unchanged(test: string, mutant: Mutant, runs: Runs): Promise<TestRun> {
  const key = JSON.stringify([test, mutant.filter]);
  let run = runs.unchanged.get(key);
  if (!run) {
    run = runOne(test, mutant, { ...runs, limit: UNCHANGED_LIMIT });
    runs.unchanged.set(key, run);
  }
  return await run;
}

function runOne(
  file: string,
  { filter }: Mutant,
  { copy, cache, temporary, options, limit }: Runs & { limit: number },
): Promise<TestRun> {
  const { signal } = options;
  return runTest({ root: copy.root, cache, temporary, file, filter, limit, signal });
}

/**
 * A test that imports the module as it runs, or a program that a test starts, would fail because of
 * it, and that is no merit of the test.
 */
async function syntaxError(path: string): Promise<string | undefined> {
  if (!isModule(path)) return undefined;
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", "--no-lock", path],
    stderr: "null",
  }).output();
  const { roots, modules } = JSON.parse(new TextDecoder().decode(stdout));
  const found = modules.find(({ specifier }: { specifier: string }) => specifier === roots[0]);
  return found?.error?.split("\n")[0];
}

function lastLines(output: string): string {
  return output.trim().split("\n").slice(-12).join("\n");
}
