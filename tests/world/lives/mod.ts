/** All lives, by which a seed can be lived. The first is what is meant where none is named. */
import type { Life } from "../types.ts";
import { lifeOf, SCENARIOS, scenarios } from "../scenarios/life.ts";
import { randomLife } from "./random_life.ts";
import { smallestLife } from "./smallest.ts";

/** See above. */
export const lives: readonly Life[] = [randomLife, scenarios, smallestLife];

/** The life of this name, or of the scenario of this name. */
export function lifeNamed(name: string | undefined): Life {
  const life = name === undefined ? lives[0] : lives.find((one) => one.name === name);
  if (life !== undefined) return life;
  const names = [...lives, ...SCENARIOS].map((one) => one.name);
  if (name === undefined || !names.includes(name)) {
    throw new Error(`there is no life ${name}: ${names.join(", ")}`);
  }
  return lifeOf(name);
}

/** What stands for all lives where one is named. */
const ALL = "all";

/** Which lives take how many of the seeds: one all of them, or all lives their share. */
export function sharesOf(
  name: string | undefined,
  seeds: number,
): { life: Life; seeds: number }[] {
  if (name !== ALL) return [{ life: lifeNamed(name), seeds }];
  return lives.map((life, i) => ({
    life,
    seeds: Math.floor(seeds * (i + 1) / lives.length) - Math.floor(seeds * i / lives.length),
  }));
}
