/** What {@link SubscriptionManager} needs of its broker. */
import type { Clock } from "../base/clock.ts";
import type { Event } from "../event/event.ts";
import type { RedactedEvents } from "../state/redactions.ts";
import type { Coordinator } from "../state/coordinator.ts";
import type { CatalogRefresh } from "../state/stale.ts";
import type { State } from "../state/state.ts";
import type { JournalStore } from "../store/store.ts";
import type { TopicCatalog } from "../topic/catalog.ts";
import type { Ledger } from "./committer.ts";
import type { DriverContext } from "./driver_context.ts";
import type { EventTimes } from "./subscription_info.ts";

/** What the manager needs. */
export interface ManagerContext {
  clock: Clock;
  random: () => number;
  store: JournalStore;
  state: State;
  /** Set if other nodes change subscriptions, too. */
  shared?: CatalogRefresh | undefined;
  /** Set if other nodes deliver them, too. */
  coordinator?: Coordinator | undefined;
  topics: TopicCatalog;
  meters: EventTimes;
  expiry?: DriverContext["expiry"];
  /** Remembered last seqs of topics, in case their stores have lost them. */
  floors?: ReadonlyMap<string, number>;
  redacted?: RedactedEvents;
  compileFilter(expression: string): Promise<(event: Event) => boolean>;
  /** Where a subscription stores its durable state. */
  ledger(name: string): Ledger;
  /** A named subscription has finished something of a topic, or is gone. */
  progressed(topic: string): void;
  onError(error: unknown, context: string): void;
}
