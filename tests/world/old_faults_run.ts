/**
 * Shows that the world finds faults again: each is put back into a copy of the tree, by its mutant,
 * and its seed has to break the promise there, and no promise in the tree as it is.
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { testFolder } from "../helpers/folder.ts";
import { mutantsOf } from "../mutants/list.ts";
import { mutated } from "../mutants/mutant.ts";
import { cacheIn } from "../mutants/runner.ts";
import { TreeCopy } from "../mutants/tree_copy.ts";
import type { OldFault } from "./old_faults.ts";
import type { SeedResult } from "./one_seed.ts";

/** What came of one fault. */
export interface FoundFault {
  fault: OldFault;
  /** Why it does not count as found; undefined: it was found. */
  wrong: string | undefined;
  /** What broke with the fault. */
  details: string;
  /** What the world took that broke, s. */
  seconds: number;
}

/** How to look. */
export interface FindOptions {
  /** Told of each as it comes. */
  say?: (found: FoundFault) => void;
  /** Looks for the first seed up to this one that breaks something, whatever the list says. */
  upTo?: number | undefined;
}

/** Looks for the faults, one after the other. */
export async function findOldFaults(
  faults: readonly OldFault[],
  { say, upTo }: FindOptions = {},
): Promise<FoundFault[]> {
  const folder = await testFolder("test");
  try {
    const cache = await cacheIn(join(folder, "cache"));
    const root = fileURLToPath(new URL("../..", import.meta.url));
    const copy = await TreeCopy.of(root, join(folder, "tree"));
    const all: FoundFault[] = [];
    for (const fault of faults) {
      const found = await find(fault, { copy, cache, upTo });
      all.push(found);
      say?.(found);
    }
    return all;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Where worlds run. */
interface Place extends Pick<FindOptions, "upTo"> {
  copy: TreeCopy;
  cache: string;
}

async function find(fault: OldFault, place: Place): Promise<FoundFault> {
  const { copy, upTo } = place;
  const result = (wrong: string | undefined, run?: SeedResult): FoundFault => ({
    fault: { ...fault, seed: run?.seed ?? fault.seed },
    wrong,
    details: run?.broke?.details ?? "",
    seconds: (run?.milliseconds ?? 0) / 1000,
  });
  const mutant = mutantsOf("faults").find(({ name }) => name === fault.mutant);
  if (mutant === undefined) return result("there is no such mutant");
  const text = mutated(await copy.read(mutant.file), mutant);
  if (text === undefined) return result(`its text is not in ${mutant.file} any more`);
  await copy.change(mutant.file, text);
  let run: SeedResult;
  try {
    run = await runSeeds(fault, { ...place, seeds: upTo === undefined ? [fault.seed] : [1, upTo] });
  } finally {
    await copy.restore();
  }
  if (run.broke === undefined) return result("nothing broke", run);
  if (run.broke.promise !== fault.promise) {
    return result(`broke something else: ${run.broke.promise}`, run);
  }
  const clean = await runSeeds(fault, { ...place, seeds: [run.seed] });
  return result(clean.broke && `breaks without it, too: ${clean.broke.details}`, run);
}

async function runSeeds(
  { scenario }: OldFault,
  { copy, cache, seeds }: Place & { seeds: readonly number[] },
): Promise<SeedResult> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "-A", "--quiet", "--no-check", "--lock=tests/deno.lock", "--frozen"],
      "tests/world/one_seed.ts",
      ...[scenario, ...seeds.map(String)],
    ],
    cwd: copy.root,
    env: { DENO_DIR: cache, NO_COLOR: "1" },
  }).output();
  const decoder = new TextDecoder();
  if (!success) throw new Error(`the seeds ${seeds} did not run: ${decoder.decode(stderr)}`);
  return JSON.parse(decoder.decode(stdout).trim().split("\n").at(-1)!) as SeedResult;
}

/** A line about what came of a fault. */
export function lineOf({ fault, wrong, details, seconds }: FoundFault): string {
  const { fault: entry, mutant, scenario, seed } = fault;
  const head = `${entry.padEnd(4)} ${mutant}: ${scenario}, seed ${seed}`;
  return wrong === undefined
    ? `${head}, ${seconds.toFixed(1)} s: ${details.split("\n")[0]}`
    : `${head}: NOT FOUND, ${wrong.split("\n")[0]}`;
}
