/** Sabotages of delivery, and of brokers, dead letters, schemas and sourcing around it. */
import type { Mutant } from "../mutant.ts";
import { settlingMutants } from "./settling.ts";

export const deliveryMutants: Mutant[] = [
  ...settlingMutants,
];
