/**
 * A pool of large buffers for reuse.
 *
 * Allocating a fresh half-megabyte buffer costs the kernel more than filling it: its pages have to
 * be mapped, zeroed and released. So buffers that were transferred to a worker come back with its
 * reply (core/worker), and a publisher's next batch reuses one of them. A buffer still holds its
 * previous contents: read back only what you have written yourself.
 */
import { moduleState } from "./module_state.ts";

/** Smaller buffers are cheap to allocate. */
const SMALLEST = 64 * 1024;
/** Larger ones are rare, and would be kept for ever. */
const LARGEST = 2 * 1024 * 1024;
const MOST = 6;

const pool = moduleState(() => [] as ArrayBuffer[]);

/** True for a buffer worth returning to the pool. */
export function isReusable(buffer: ArrayBufferLike): buffer is ArrayBuffer {
  return buffer instanceof ArrayBuffer && buffer.byteLength >= SMALLEST &&
    buffer.byteLength <= LARGEST;
}

/** Returns a buffer of at least `least` bytes. It is not zeroed. */
export function takeBuffer(least: number): Uint8Array<ArrayBuffer> {
  const spare = pool();
  const at = spare.findIndex((buffer) => buffer.byteLength >= least);
  return at < 0 ? new Uint8Array(least) : new Uint8Array(spare.splice(at, 1)[0]!);
}

/** Returns a buffer that is no longer in use to the pool. */
export function giveBuffer(buffer: ArrayBufferLike): void {
  const spare = pool();
  if (isReusable(buffer) && spare.length < MOST) spare.push(buffer);
}
