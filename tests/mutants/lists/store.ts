/** Sabotages of what is stored: the stores, the data dir, backups, the state. */
import type { Mutant } from "../mutant.ts";

export const storeMutants: Mutant[] = [];
