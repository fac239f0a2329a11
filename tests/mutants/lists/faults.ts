/** Sabotages that bring back faults that were found from outside. */
import type { Mutant } from "../mutant.ts";

export const faultMutants: Mutant[] = [];
