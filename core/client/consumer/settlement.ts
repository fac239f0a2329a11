/** What a consumer tells the daemon of one event: what its handler made of it. */

/** What is told to the daemon about a failed attempt. */
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
