/** Waits for a signal that may have aborted before anybody listened: it tells only once. */

/** Calls `work` when the signal aborts, or now if it has. */
export function whenAborted(signal: AbortSignal | undefined, work: () => void): void {
  if (signal?.aborted) work();
  else signal?.addEventListener("abort", work, { once: true });
}
