/** What became of one attempt to handle an event. */

/** One attempt to deliver an event. */
export interface Attempt {
  /** From 1; never reset by a crash. */
  attempt: number;
  /** Unix ms. */
  startedAt: number;
  durationMs: number;
  outcome: "retry" | "dead" | "expired";
  /** What went wrong, for people: its first 4096 characters. */
  error: string;
  exitCode?: number;
  signal?: string;
  /** The end of the handler's stderr: 8192 characters. */
  stderr?: string;
  /** Its first 8192 characters. */
  stack?: string;
}
