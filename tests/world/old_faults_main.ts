/**
 * `deno task test:old-faults`: puts faults back that were found and fixed once, and shows that the
 * world finds each by its seed. Prints a line for each, and exits with 1 if one is not found.
 * `--only TEXT`: those whose entry or mutant contains it. `--search N`: looks for the first seed up
 * to N that finds it, for when scenarios or the engine have changed.
 */
import { parseArgs } from "node:util";
import { OLD_FAULTS } from "./old_faults.ts";
import { findOldFaults, lineOf } from "./old_faults_run.ts";

const say = (text: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
const { values: { only = "", search } } = parseArgs({
  args: Deno.args,
  options: { only: { type: "string" }, search: { type: "string" } },
});
const chosen = OLD_FAULTS.filter(({ fault, mutant }) => `${fault} ${mutant}`.includes(only));
const found = await findOldFaults(chosen, {
  say: (one) => say(lineOf(one)),
  upTo: search === undefined ? undefined : Number(search),
});
const lost = found.filter(({ wrong }) => wrong !== undefined);
const entries = new Set(found.filter((one) => !lost.includes(one)).map(({ fault }) => fault.fault));
say(
  `${entries.size} faults found again by ${found.length - lost.length} seeds, ${lost.length} not`,
);
Deno.exit(lost.length === 0 && found.length > 0 ? 0 : 1);
