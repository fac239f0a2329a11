/**
 * Collects short-lived buffers.
 *
 * V8 accounts late for memory that array buffers hold outside the heap, and collects only when the
 * heap itself is full: a stream of large buffers makes the process grow to many times its live
 * size. Collecting the young generation takes about a millisecond and frees them, so it is
 * requested each time a certain number of bytes has gone through. core/client/launch.ts starts the
 * daemon with the flag that makes this possible; without it the process is larger, and nothing else
 * changes.
 */

/**
 * Request a collection after this many bytes: often enough to keep the process small, rarely enough
 * to cost nothing.
 */
const EVERY = 4 * 1024 * 1024;

const collect = (globalThis as { gc?: (options: { type: "minor" }) => void }).gc;
let passed = 0;

/** Records that buffers of this many bytes have gone through this thread and are garbage now. */
export function countGarbage(bytes: number): void {
  passed += bytes;
  if (passed < EVERY) return;
  passed = 0;
  collect?.({ type: "minor" });
}
