/** All lives, by which a seed can be lived. The first is what is meant where none is named. */
import type { Life } from "../types.ts";
import { scenarios } from "../scenarios/life.ts";
import { randomLife } from "./random_life.ts";
import { smallestLife } from "./smallest.ts";

/** See above. */
export const lives: readonly Life[] = [randomLife, scenarios, smallestLife];

/** The life of this name. */
export function lifeNamed(name: string | undefined): Life {
  const life = name === undefined ? lives[0] : lives.find((one) => one.name === name);
  if (life !== undefined) return life;
  throw new Error(`there is no life ${name}: ${lives.map((one) => one.name).join(", ")}`);
}

/** The lives of these names, `A,B`. Where none is named: the first, or all. */
export function livesNamed(
  names: string | undefined,
  { all }: { all: boolean },
): readonly Life[] {
  if (names !== undefined) return names.split(",").map(lifeNamed);
  return all ? lives : [lives[0]!];
}
