/** All mutants, by area. */
import type { Mutant } from "./mutant.ts";
import { deliveryMutants } from "./lists/delivery.ts";
import { edgeMutants } from "./lists/edge.ts";
import { faultMutants } from "./lists/faults.ts";
import { linearizabilityMutants } from "./lists/linearizability.ts";
import { storeMutants } from "./lists/store.ts";

/** The lists by their areas; an area may have several files. */
export const AREAS: Readonly<Record<string, readonly Mutant[]>> = {
  store: storeMutants,
  delivery: deliveryMutants,
  edge: edgeMutants,
  linearizability: linearizabilityMutants,
  faults: faultMutants,
};

/** The mutants of an area, or of all. Throws if two have one name. */
export function mutantsOf(area?: string): Mutant[] {
  if (area !== undefined && !(area in AREAS)) {
    throw new Error(`no area ${area}; there are ${Object.keys(AREAS).join(", ")}`);
  }
  const all = Object.values(AREAS).flat();
  const names = new Set<string>();
  for (const { name } of all) {
    if (names.has(name)) throw new Error(`two mutants are called ${name}`);
    names.add(name);
  }
  return area === undefined ? all : [...AREAS[area]!];
}
