/** What the driver of a subscription needs of its broker. */
import type { Clock } from "../base/clock.ts";
import type { Coordinator } from "../state/coordinator.ts";
import type { JournalStore } from "../store/store.ts";
import type { Ledger } from "./committer.ts";
import type { ExpiryCount } from "./deliverable.ts";

/** What a driver needs. */
export interface DriverContext {
  clock: Clock;
  random: () => number;
  store: JournalStore;
  ledger: Ledger;
  /** The clock that events expire by. Absent: the wall clock. */
  expiry?: ExpiryCount | undefined;
  /** Pauses the subscription when its breaker has tripped. */
  trip(reason: string): Promise<unknown>;
  /** Something of a topic is finished durably. Absent: nobody needs to know. */
  progressed?(topic: string): void;
  /** Set if other nodes may deliver the subscription, too; then its queue begins without parts. */
  coordinator?: Coordinator | undefined;
  /** The topics of the subscription that there are. */
  topics?(): Iterable<string>;
  /** Called for failures that no caller waits for. */
  onError(error: unknown, context: string): void;
}
