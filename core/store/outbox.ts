/**
 * Events that an application writes in a transaction of its own, in the database that also has the
 * broker's events. They wait in a table, the outbox, and are appended once the transaction has
 * committed.
 */
import { UnsupportedError } from "../base/errors.ts";
import type { NewEvent } from "../event/event.ts";
import type { Appended } from "./store.ts";

/**
 * A transaction of the application: what `sql.begin(async (tx) => …)` of the package `postgres`
 * gives, or a client of `pg` between its `BEGIN` and its `COMMIT`.
 */
export type OutboxTransaction =
  // deno-lint-ignore no-explicit-any -- each driver has types of its own for values
  | { unsafe(text: string, values?: any[]): PromiseLike<unknown> }
  // deno-lint-ignore no-explicit-any -- as above
  | { query(text: string, values?: any[]): PromiseLike<unknown> };

/** What left the outbox. */
export interface Moved {
  /** How many events; 0: none waits. */
  count: number;
  /** Absent if all of them are repeats. */
  appended?: Appended;
}

/** Where such events wait. */
export interface Outbox {
  /**
   * Writes an event in the application's transaction. Rejects with `InvalidArgumentError` for what is
   * no transaction, with `CannotStoreError` if its database has no outbox or its user no right to it,
   * and with the driver's own error otherwise.
   */
  put(tx: OutboxTransaction, topic: string, event: NewEvent): Promise<void>;
  /** The topics for which events wait. */
  topics(): Promise<string[]>;
  /**
   * Appends the oldest events that wait for a topic, each once and in the order in which they were
   * written. Resolves with how many waited and what was appended, of which listeners of the store are
   * told, too. `rev`: of the topic's record, where nodes share it. Undefined: another process is at
   * it, or the topic has another rev.
   */
  move(topic: string, rev?: number): Promise<Moved | undefined>;
  /** Calls `listener` when some process writes to the outbox; returns what removes it. */
  onUsed(listener: () => void): () => void;
}

/** The error where there is no outbox. */
export function noOutbox(): UnsupportedError {
  return new UnsupportedError("publishIn needs a broker that has its events in PostgreSQL", {
    code: "store/no-outbox",
    hint: "new EventBroker({ eventStore: new PostgresEventStore(url) }); or use publish",
  });
}
