/** Sabotages of the edges: HTTP, the commands, schemas, filters. */
import type { Mutant } from "../mutant.ts";

export const edgeMutants: Mutant[] = [];
