/**
 * Makes a failing plan smaller: leaves out steps as long as the same promise breaks. First all steps
 * of an actor or of a kind, then halves, quarters and so on, at last single ones ("delta debugging",
 * A. Zeller and R. Hildebrandt, 2002).
 */
import type { Life, Plan, Step, Violation } from "../types.ts";
import { type Result, runWorld } from "./run.ts";

/** What is left of a plan. */
export interface Shrunk {
  plan: Plan;
  broke: Violation;
  /** Worlds that it took. */
  runs: number;
}

/** How far to go. */
export interface ShrinkOptions {
  /** The most worlds to run; default 400. */
  most?: number;
  /** Called with each smaller plan. */
  onSmaller?: (steps: number) => void;
  /** Default: {@link runWorld}. */
  run?: (life: Life, plan: Plan) => Promise<Pick<Result, "broke">>;
}

/** Returns the smallest plan that was found to break the same promise. */
export async function shrink(
  life: Life,
  plan: Plan,
  broke: Violation,
  options: ShrinkOptions = {},
): Promise<Shrunk> {
  const { most = 400, onSmaller, run = runPlan } = options;
  const shrunk: Shrunk = { plan, broke, runs: 0 };
  const without = async (left: readonly Step[]): Promise<boolean> => {
    if (left.length === shrunk.plan.steps.length || shrunk.runs >= most) return false;
    shrunk.runs++;
    const smaller = { ...shrunk.plan, steps: [...left] };
    const { broke: found } = await run(life, smaller);
    if (found?.promise !== broke.promise) return false;
    shrunk.plan = smaller;
    shrunk.broke = found;
    onSmaller?.(left.length);
    return true;
  };
  for (const kind of [(step: Step) => step.actor, (step: Step) => step.act]) {
    for (const one of new Set(plan.steps.map(kind))) {
      await without(shrunk.plan.steps.filter((step) => kind(step) !== one));
    }
  }
  // Once more after each round in which something could be left out: one step may have kept another.
  for (let before = Infinity; shrunk.plan.steps.length < before && shrunk.runs < most;) {
    before = shrunk.plan.steps.length;
    for (let size = Math.ceil(before / 2); size >= 1; size = size === 1 ? 0 : size >> 1) {
      for (let at = 0; at < shrunk.plan.steps.length && shrunk.runs < most;) {
        const left = shrunk.plan.steps.toSpliced(at, size);
        if (!await without(left)) at += size;
      }
    }
  }
  return shrunk;
}

function runPlan(life: Life, plan: Plan): Promise<Result> {
  return runWorld(life, plan.seed, { plan });
}
