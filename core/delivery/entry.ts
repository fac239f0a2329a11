/** What a queue holds: events on their way, their keys, their leases. */
import type { StoredEvent } from "../event.ts";
import type { RetryRecord } from "../state/state.ts";
import type { SeqSet } from "./seq_set.ts";

/** The present, twice: `wall` (Unix ms) is written down, `mono` (ms) is what timers run by. */
export interface Now {
  wall: number;
  mono: number;
}

/** A topic as one subscription sees it. */
export interface TopicLane {
  readonly topic: string;
  /** Done, dead, or kept as a retry row: no longer the cursor's business. Its first gap is the cursor. */
  readonly settled: SeqSet;
  /** Stream events that are leased now, by seq. */
  readonly held: Map<number, Entry>;
  /** The next seq to read from the store. */
  readNext: number;
  /** The last seq that is known to be there. */
  lastSeq: number;
  /** The cursor as it is on disk; 0 when it never was written. */
  writtenNext: number;
  /** Skipped or missed events are settled in memory, and not yet on disk. */
  dirty: boolean;
  missed?: { from: number; to: number; count: number; written: boolean };
}

/** One event on its way. */
export interface Entry {
  /**
   * `stream`: read from the topic, settled by the cursor. `retry`: has a row of its own. `ephemeral`: of a topic that
   * stores nothing.
   */
  kind: "stream" | "retry" | "ephemeral";
  topic: string;
  seq: number;
  id: string;
  type: string;
  key: string | undefined;
  group: KeyGroup | undefined;
  /** The event, while it is not a retry. */
  event: StoredEvent | undefined;
  size: number;
  nextAttempt: number;
  failures: number;
  /** Its place among those that are ready. */
  order: number;
  ready: boolean;
  /** Retries: whether the wait is over, and when it is. */
  due: boolean;
  dueMono: number;
  lease: Lease | undefined;
  /** It left the queue; what still points at it must look away. */
  gone: boolean;
}

/** The events of one key on one topic: one at a time, in order. */
export interface KeyGroup {
  readonly name: string;
  leased: Entry | undefined;
  /** Retries, lowest seq first. They go before what waits. */
  scheduled: Entry[];
  /** Stream events, in order. */
  waiting: Entry[];
}

/** An event in the hands of a consumer. */
export interface Lease {
  readonly token: string;
  readonly entry: Entry;
  readonly attempt: number;
  readonly consumer: string;
  /** Given back when the consumer goes. */
  readonly bound: boolean;
  readonly startedAt: number;
  readonly startedMono: number;
  expiresMono: number;
  /** Its outcome is on its way to disk: nobody else may settle it. */
  settling: boolean;
  /** The row of a retry, as it was read for this lease. */
  record: RetryRecord | undefined;
}
