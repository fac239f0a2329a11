/**
 * What `GET /v1/history` replies (wire types: protocol.ts). Element i of every array is about the
 * time from `from + i * step` to before `from + (i + 1) * step`; null: not known.
 */

/** A value for each step. */
export type HistoryColumn = (number | null)[];

/** The daemon as a whole. */
export interface DaemonHistory {
  /** Events stored, or passed on, in the step. */
  published: HistoryColumn;
  /** Events, or publishes as a whole, that were refused in the step. */
  refused: HistoryColumn;
  /** Deliveries acknowledged in the step. */
  acknowledged: HistoryColumn;
  /** Deliveries that failed, or whose lease expired, in the step. */
  failed: HistoryColumn;
  /** Events that became dead letters in the step. */
  dead: HistoryColumn;
  /** 99 of 100 appends were faster, ms: of the worst minute; null where nothing was appended. */
  publishP99Ms: HistoryColumn;
  /** What is there, over all subscriptions: the greatest that was measured in the step. */
  pending: HistoryColumn;
  leased: HistoryColumn;
  scheduled: HistoryColumn;
  deadLetters: HistoryColumn;
  /** The same of events, and of the bytes of their payloads and metadata. */
  events: HistoryColumn;
  bytes: HistoryColumn;
  connections: HistoryColumn;
  /** Resident memory, bytes. */
  memory: HistoryColumn;
  /** The least that was measured, bytes; null where the system does not tell. */
  diskFree: HistoryColumn;
  /** The greatest, bytes. */
  diskUsed: HistoryColumn;
}

/** One topic. */
export interface TopicHistory {
  name: string;
  /** False: beyond the most topics that have a history; only the current step is known. */
  kept: boolean;
  /** Events published in the step. */
  published: HistoryColumn;
  /** What is there: the greatest that was measured in the step. */
  events: HistoryColumn;
  bytes: HistoryColumn;
  lastSeq: HistoryColumn;
}

/** One subscription. */
export interface SubscriptionHistory {
  name: string;
  /** False: beyond the most subscriptions that have a history; only the current step is known. */
  kept: boolean;
  /** Deliveries acknowledged in the step. */
  acknowledged: HistoryColumn;
  /** Deliveries that failed, or whose lease expired, in the step. */
  failed: HistoryColumn;
  /** Events that became dead letters in the step. */
  dead: HistoryColumn;
  /** What is there: the greatest that was measured in the step. */
  pending: HistoryColumn;
  leased: HistoryColumn;
  scheduled: HistoryColumn;
  deadLetters: HistoryColumn;
  /** The age of the oldest event that is pending or in flight, ms; 0 without one. */
  oldestPendingMs: HistoryColumn;
}

/** `GET /v1/history`. */
export interface HistoryReply {
  /** Now, Unix ms. */
  at: number;
  /** Unix ms, multiples of `step`. */
  from: number;
  until: number;
  /** ms. */
  step: number;
  /** For how long of each step a daemon ran, as far as it is known, ms. */
  covered: number[];
  /** Absent where topics or subscriptions were asked for. */
  daemon?: DaemonHistory;
  topics?: TopicHistory[];
  subscriptions?: SubscriptionHistory[];
}

/** What to ask for. Without topics and subscriptions: the daemon as a whole. */
export interface HistoryQuery {
  topics?: readonly string[];
  subscriptions?: readonly string[];
  /** A time as an offset: `@-3h`, `@2026-11-29T10:00:00Z`, `@` and Unix ms. Default: `@-3h`. */
  from?: string;
  /** The same. Default: now. */
  until?: string;
  /** `1m`, `10m`, `1h`; default `1m` up to three hours, `10m` beyond. */
  step?: string;
}

/** The most topics and subscriptions of one request. */
export const MOST_HISTORIES = 100;
