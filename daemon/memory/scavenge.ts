/**
 * Bytes that die young.
 *
 * V8 counts what array buffers hold outside of its heap late, and collects when the heap itself is
 * full: a stream of large buffers lets the process grow to many times what is alive. A collection
 * of the young generation takes about a millisecond and gives them back, so one is asked for each
 * time that so many bytes went through. core/client/launch.ts starts the daemon with the flag that
 * makes this possible; without it the process is larger, and nothing else changes.
 */

/**
 * Bytes after which a collection is asked for: enough to cost nothing, little beside what a process
 * weighs anyway.
 */
const EVERY = 4 * 1024 * 1024;

const collect = (globalThis as { gc?: (options: { type: "minor" }) => void }).gc;
let passed = 0;

/** Notes that buffers of so many bytes went through this thread and are of no more use. */
export function countGarbage(bytes: number): void {
  passed += bytes;
  if (passed < EVERY) return;
  passed = 0;
  collect?.({ type: "minor" });
}
