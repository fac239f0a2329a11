/** Backoff: how long a failed event waits before its next attempt. */

/** `fixed` waits `base`; `linear` waits `base * n`; `exp` waits `base * 2^(n-1)`; all at most `max` (ms). */
export interface BackoffSpec {
  kind: "fixed" | "linear" | "exp";
  /** Milliseconds. */
  base: number;
  /** Milliseconds. */
  max: number;
  /** Full jitter: a random wait between 0 and the computed one. */
  jitter: boolean;
}
