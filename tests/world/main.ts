/**
 * Runs simulated worlds: `deno task test:world --seeds 10000`. docs/testing.md says how it works.
 *
 * --seeds N [--from S]   so many worlds; --jobs 2 processes share them
 * --seed S [--story]     one world, and what happened in it
 * --kept NAME            the same for a failure that is kept (or the path of its file)
 * --life NAME            which life, or the scenario that is a life alone; default: the first life;
 *                        all: the lives share the seeds
 * --keep NAME            makes the failure of --seed smaller and keeps it
 * --twice                every world twice, to compare its traces; otherwise one in ten
 * --coverage             names decisions that no seed has reached; all lives, if none is named
 * --coverage-reasons     the same, and why those are left that no world can reach
 */
import { shellQuote } from "../../core/base/shell_quote.ts";
import { parseArgs } from "./arguments.ts";
import { type Kept, readKept, writeKept } from "./engine/kept.ts";
import { planOf, type Result, runWorld } from "./engine/run.ts";
import { shrink } from "./engine/shrink.ts";
import { verdictOf, verdictText } from "./coverage/coverage.ts";
import { lifeNamed, sharesOf } from "./lives/mod.ts";
import { addAll, newTotals, runBatches, runSeeds } from "./batches.ts";
import { failureText, totalsText } from "./report.ts";
import type { Life, Plan } from "./types.ts";

const say = (text: string) => {
  const bytes = new TextEncoder().encode(`${text}\n`);
  for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
};

/** Runs many; returns whether all were well. */
async function many(args: ReturnType<typeof parseArgs>): Promise<boolean> {
  const totals = newTotals();
  const which = args.life ?? (args.coverage === undefined ? undefined : "all");
  for (const { life: { name }, seeds } of sharesOf(which, args.seeds)) {
    const about = await runBatches({ ...args, seeds, life: name }, {
      failed(failure) {
        say(failureText(failure));
        say(`  deno task test:world --life ${shellQuote(name)} --seed ${failure.seed} --story`);
      },
      progress: (text) => Deno.stderr.writeSync(new TextEncoder().encode(`${name}: ${text}\n`)),
    });
    addAll(totals, about);
  }
  say(totalsText(totals));
  const isWell = totals.failures.length === 0;
  if (args.coverage === undefined) return isWell;
  const verdict = verdictOf(args.coverage);
  for (const line of verdictText(verdict, { withReasons: args.coverageReasons })) say(line);
  return isWell && verdict.wrong.length === 0;
}

/** Runs one, tells its story, and makes it smaller if it is to be kept. */
async function one(life: Life, plan: Plan, args: ReturnType<typeof parseArgs>): Promise<boolean> {
  const options = { plan, story: args.story, keep: true };
  const first = await runWorld(life, plan.seed, options);
  const second = await runWorld(life, plan.seed, { ...options, story: false });
  for (const line of first.story ?? []) say(line);
  say(`seed ${plan.seed}: ${first.events} events, trace ${first.hash}`);
  const parted = whereTheyPart(first, second);
  if (parted !== undefined) say(parted);
  if (first.broke === undefined) return parted === undefined;
  say(failureText({ seed: plan.seed, ...first.broke }));
  if (args.keep === undefined) return false;
  const { plan: smaller, broke, runs } = await shrink(life, plan, first.broke, {
    onSmaller: (steps) => say(`${steps} steps are left`),
  });
  const kept: Kept = { life: life.name, plan: smaller, broke };
  say(`${runs} worlds later it is ${writeKept(args.keep, kept)}`);
  const { story = [] } = await runWorld(life, plan.seed, { plan: smaller, story: true });
  for (const line of story) say(line);
  return false;
}

function whereTheyPart(first: Result, second: Result): string | undefined {
  if (first.hash === second.hash) return undefined;
  const at = first.lines!.findIndex((line, i) => line !== second.lines![i]);
  const [one, other] = [first, second].map(({ lines }) => lines!.slice(at - 2, at + 2).join("\n"));
  return `two runs of it differ, from line ${at} on:\n${one}\n  and\n${other}`;
}

async function main(): Promise<boolean> {
  const args = parseArgs(Deno.args);
  if (args.batch !== undefined) {
    for await (const line of runSeeds(lifeNamed(args.life), args)) say(JSON.stringify(line));
    return true;
  }
  if (args.kept !== undefined) {
    const { life, plan } = readKept(args.kept);
    return await one(lifeNamed(life), plan, args);
  }
  if (args.seed === undefined) return await many(args);
  const life = lifeNamed(args.life);
  return await one(life, planOf(life, args.seed), args);
}

if (import.meta.main) Deno.exit(await main() ? 0 : 1);
