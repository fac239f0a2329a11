/** What {@link ScheduledEvents} needs of its broker, and what it answers. */
import type { Clock } from "../base/clock.ts";
import type { RedactedEvents } from "../state/redactions.ts";
import type { CatalogRefresh } from "../state/stale.ts";
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
  /** Set if other nodes use the state, too. */
  shared?: CatalogRefresh | undefined;
  onError(error: unknown, context: string): void;
}

/** What became of an event with a schedule. */
export interface Acceptance {
  /** When it is published, Unix ms. Absent: it has been published. */
  dueAt?: number;
  /** 0 if it waits, or if its topic stores nothing. */
  seq: number;
  /** It waits or was published already. */
  duplicate?: true;
  /** Its time had passed, so it was published at once. */
  past?: true;
  /** Of one that was published at once: when it expires, Unix ms, if it does. */
  expiresAt?: number;
  /** Of one that was published at once or before: its number within its key, if it has one. */
  keySeq?: number;
}
