/** The published suite (testing/), set up for our own stores with sequence numbers. */
import type { JournalStore } from "../../../core/store/store.ts";
import { testEventStore } from "../../../testing/event_store.ts";
import type { UnderTest } from "../../../testing/suite.ts";

export { newEvent } from "../../../testing/new_event.ts";

/** A store under test, and the clock that it was given. */
export type StoreUnderTest = UnderTest<JournalStore> & { advance(ms: number): void };

/**
 * Registers the suite for the store that `create` makes; one that can be opened again is one that
 * claims to be durable.
 */
export function testJournalStore(
  name: string,
  create: () => Promise<StoreUnderTest>,
  { durable = true }: { durable?: boolean } = {},
): void {
  testEventStore({
    name,
    create,
    capabilities: {
      sequences: true,
      atomic: true,
      durable,
      dedupWindow: true,
      keyCounts: true,
      redaction: true,
      expiry: true,
    },
  });
}
