/** Sabotages of delivery, and of brokers, dead letters, schemas and sourcing around it. */
import type { Mutant } from "../mutant.ts";
import { brokerMutants } from "./broker.ts";
import { deadLetterMutants } from "./dead_letter.ts";
import { followerMutants } from "./followers.ts";
import { lateReadMutants } from "./late_reads.ts";
import { actMutants } from "./acts.ts";
import { jobMutants } from "./jobs.ts";
import { dividedMutants } from "./divided.ts";
import { lateStateReadMutants } from "./late_state_reads.ts";
import { leaseMutants } from "./leases.ts";
import { partMutants } from "./parts.ts";
import { retryMutants } from "./retries.ts";
import { scheduledMutants } from "./scheduled.ts";
import { schemaMutants } from "./schema.ts";
import { settlingMutants } from "./settling.ts";
import { sourcingMutants } from "./sourcing.ts";

export const deliveryMutants: Mutant[] = [
  ...settlingMutants,
  ...leaseMutants,
  ...lateReadMutants,
  ...followerMutants,
  ...actMutants,
  ...jobMutants,
  ...lateStateReadMutants,
  ...partMutants,
  ...dividedMutants,
  ...retryMutants,
  ...deadLetterMutants,
  ...brokerMutants,
  ...scheduledMutants,
  ...schemaMutants,
  ...sourcingMutants,
];
