/** Sabotages of delivery: subscriptions, retries, dead letters, consumers. */
import type { Mutant } from "../mutant.ts";

export const deliveryMutants: Mutant[] = [];
