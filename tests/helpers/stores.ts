/** The stores for which the promises hold; the floors in docs/contract.md are totals over them. */
import type { SyncEventReader } from "../../core/store/reader.ts";
import type { JournalStore } from "../../core/store/store.ts";

/** A store in this process, which answers at once. */
export type LocalStore = SyncEventReader & JournalStore;

/** The names that `--store` takes. */
export const STORES = ["sqlite", "file"] as const;

/** The file that an event of a topic is first written to. */
export function logFile(store: typeof STORES[number], dataDir: string, topic: string): string {
  return store === "sqlite"
    ? `${dataDir}/events.db-wal`
    : `${dataDir}/events/${topic}/0000000000000001.ndjson`;
}
