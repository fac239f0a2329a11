/**
 * `deno task test:mutants`: applies the mutants one after the other and runs their tests. Prints a
 * line for each and exits with 1 if one of them is not killed.
 *
 * `--only TEXT`: those whose names or files contain it. `--area AREA`: those of a list.
 * `--jobs 2`: so many beside each other. `--sample 30`: so many, drawn by `--day YYYY-MM-DD`
 * (default: today, UTC). `--list`: says what would run. `--check`: only whether they are written with
 * names that exist.
 */
import { parseArgs } from "node:util";
import { fileURLToPath } from "node:url";
import { dayOf, drawn } from "./draw.ts";
import { mutantsOf } from "./list.ts";
import { isForNightly } from "./mutant.ts";
import { wronglyWritten } from "./name_check.ts";
import { lineOf, summaryOf } from "./report.ts";
import { runMutants } from "./runner.ts";

const say = (text: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
const { values } = parseArgs({
  args: Deno.args,
  options: {
    only: { type: "string" },
    area: { type: "string" },
    jobs: { type: "string", default: "2" },
    sample: { type: "string" },
    day: { type: "string", default: dayOf(Date.now()) },
    list: { type: "boolean", default: false },
    check: { type: "boolean", default: false },
  },
});

const number = (text: string, name: string) => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new Error(`--${name} is a number from 1`);
  return value;
};

let mutants = mutantsOf(values.area);
if (values.only !== undefined) {
  const { only } = values;
  mutants = mutants.filter(({ name, file }) => name.includes(only) || file.includes(only));
}
if (values.sample !== undefined) {
  // As in the suite.
  const quick = mutants.filter((mutant) => !isForNightly(mutant));
  mutants = drawn(quick, number(values.sample, "sample"), values.day);
}
if (values.list) {
  for (const { name, file, promise } of mutants) say(`${name} (${file}): ${promise}`);
  Deno.exit();
}
if (mutants.length === 0) {
  throw new Error("no such mutant");
}
const root = fileURLToPath(new URL("../..", import.meta.url));
if (values.check) {
  const wrong = await wronglyWritten(root, mutants);
  say(wrong.length === 0 ? `${mutants.length} mutants are written correctly` : wrong.join("\n"));
  Deno.exit(wrong.length === 0 ? 0 : 1);
}
const ending = new AbortController();
Deno.addSignalListener("SIGINT", () => ending.abort(new Error("interrupted")));
Deno.addSignalListener("SIGTERM", () => ending.abort(new Error("interrupted")));
const results = await runMutants({
  root,
  mutants,
  jobs: number(values.jobs, "jobs"),
  say: (result) => say(lineOf(result)),
  signal: ending.signal,
});
say(summaryOf(results));
Deno.exit(results.every(({ verdict }) => verdict === "killed") ? 0 : 1);
