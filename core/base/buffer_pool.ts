/**
 * Large buffers that are used again.
 *
 * A fresh buffer of half a megabyte costs the kernel more than filling it: its pages are mapped,
 * cleared and given back. So those that crossed to a worker come back with its answer
 * (core/worker), and the next batch of a publisher goes into one of them. What a buffer held before
 * is still in it: whoever takes one uses only what it has written itself.
 */

/** Smaller ones are cheap to make. */
const SMALLEST = 64 * 1024;
/** Larger ones are rare, and would stay for ever. */
const LARGEST = 2 * 1024 * 1024;
const MOST = 6;

const spare: ArrayBuffer[] = [];

/** True for a buffer that is worth giving back. */
export function isReusable(buffer: ArrayBufferLike): buffer is ArrayBuffer {
  return buffer instanceof ArrayBuffer && buffer.byteLength >= SMALLEST &&
    buffer.byteLength <= LARGEST;
}

/** A buffer of at least so many bytes. It is not cleared. */
export function takeBuffer(least: number): Uint8Array<ArrayBuffer> {
  const at = spare.findIndex((buffer) => buffer.byteLength >= least);
  return at < 0 ? new Uint8Array(least) : new Uint8Array(spare.splice(at, 1)[0]!);
}

/** Gives a buffer back that nobody uses any more. */
export function giveBuffer(buffer: ArrayBufferLike): void {
  if (isReusable(buffer) && spare.length < MOST) spare.push(buffer);
}
