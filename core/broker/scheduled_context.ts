/** What {@link ScheduledEvents} needs of its broker. */
import type { Clock } from "../base/clock.ts";
import type { RedactedEvents } from "../state/redactions.ts";
import type { State } from "../state/state.ts";
import type { JournalStore } from "../store/store.ts";
import type { TopicCatalog } from "../topic/catalog.ts";
import type { EventWriter } from "./event_writer.ts";
import type { ExpiryClock } from "./expiry_clock.ts";

/** What scheduling needs. */
export interface ScheduledEventsContext {
  clock: Clock;
  state: State;
  store: Pick<JournalStore, "find" | "head" | "readPage">;
  topics: TopicCatalog;
  expiry: ExpiryClock;
  /** How long the store remembers given ids, ms. */
  dedupWindow: number | undefined;
  writer: EventWriter;
  /** Shared with the deliveries. */
  redacted: RedactedEvents;
  onError(error: unknown, context: string): void;
}
