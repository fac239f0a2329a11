/** One attempt to handle an event, and its outcome. */

/** One attempt to deliver an event. */
export interface Attempt {
  /** Counts from 1; a crash never resets it. */
  attempt: number;
  /** The number of the delivery, if earlier ones ended without an answer; absent: the first. */
  delivery?: number;
  /**
   * How many deliveries ended without an answer between the previous attempt and this one; absent:
   * none.
   */
  unanswered?: number;
  /** Unix ms. */
  startedAt: number;
  durationMs: number;
  outcome: "retry" | "dead" | "expired";
  /** What went wrong, for people; the first 4096 characters. */
  error: string;
  exitCode?: number;
  signal?: string;
  /** The last 8192 characters of the handler's stderr. */
  stderr?: string;
  /** The first 8192 characters of the stack. */
  stack?: string;
}

/** How many deliveries ended without an answer, over all attempts. */
export function unansweredOf(attempts: readonly Attempt[]): number {
  return attempts.reduce((sum, { unanswered = 0 }) => sum + unanswered, 0);
}
