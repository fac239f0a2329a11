/** The command line of tests/world/main.ts. */

/** What it asks for. */
export interface Arguments {
  seeds: number;
  from: number;
  jobs: number;
  seed: number | undefined;
  kept: string | undefined;
  life: string | undefined;
  keep: string | undefined;
  story: boolean;
  twice: boolean;
  /** The folder that coverage is collected in. */
  coverage: string | undefined;
  /** Says also what no world can reach, and why. */
  coverageReasons: boolean;
  /** This is a process of a run with several: every so many seeds, and where it begins. */
  batch: number | undefined;
}

const SWITCHES = ["story", "twice", "coverage", "coverage-reasons"] as const;
const VALUES = ["seeds", "from", "jobs", "seed", "kept", "life", "keep", "batch"] as const;

/** Parses it. */
export function parseArgs(args: readonly string[]): Arguments {
  const values = new Map<string, string>();
  for (let i = 0; i < args.length; i++) {
    const name = args[i]!.replace(/^--/, "");
    const isSwitch = SWITCHES.some((one) => one === name);
    if (!isSwitch && !VALUES.some((one) => one === name)) {
      throw new Error(`--${name} is not known`);
    }
    values.set(name, isSwitch ? "" : args[++i] ?? "");
  }
  const number = (name: typeof VALUES[number]) => {
    const value = values.get(name);
    if (value === undefined) return undefined;
    if (/^\d+$/.test(value)) return Number(value);
    throw new Error(`--${name} needs a number`);
  };
  return {
    seeds: number("seeds") ?? 200,
    from: number("from") ?? 1,
    jobs: number("jobs") ?? 2,
    seed: number("seed"),
    kept: values.get("kept"),
    life: values.get("life"),
    keep: values.get("keep"),
    story: values.has("story"),
    twice: values.has("twice"),
    coverage: values.has("coverage") || values.has("coverage-reasons")
      ? Deno.makeTempDirSync({ prefix: "evs-world-cov-" })
      : undefined,
    coverageReasons: values.has("coverage-reasons"),
    batch: number("batch"),
  };
}
