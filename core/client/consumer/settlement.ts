/** What a consumer tells the daemon about one event: its handler's outcome. */

/** The report of a failed attempt. */
export interface Failure {
  error: string;
  durationMs: number;
  exitCode?: number;
  signal?: string;
  stderr?: string;
  stack?: string;
  /** Dead-letter at once. */
  dead?: boolean;
  /** Retry after this long instead of the backoff, ms. */
  afterMs?: number;
}

/** What to do with the event. */
export type ConsumerSettlement =
  | { kind: "ack" }
  | { kind: "nack"; failure: Failure }
  | { kind: "pause"; reason: string };
