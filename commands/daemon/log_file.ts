/** Reads the daemon's log file from its end, and follows it across rotations. */

const BLOCK = 64 * 1024;
const LF = 0x0a;

/** The last lines of a log, and the length of the log at that time. */
export interface LogEnd {
  lines: Uint8Array;
  size: number;
}

/**
 * The last `count` lines of a file, with their line feeds. Reads only as much of the end as needed.
 */
export function lastLines(path: string, count: number): LogEnd {
  const file = Deno.openSync(path, { read: true });
  try {
    const { size } = file.statSync();
    return { lines: readEnd(file, { size, count }), size };
  } finally {
    file.close();
  }
}

function readEnd(file: Deno.FsFile, { size, count }: { size: number; count: number }): Uint8Array {
  let tail = new Uint8Array(0);
  for (let at = size; at > 0;) {
    const length = Math.min(BLOCK, at);
    at -= length;
    const block = readAt(file, { at, length });
    const longer = new Uint8Array(block.length + tail.length);
    longer.set(block);
    longer.set(tail, block.length);
    tail = longer;
    const start = startOfLast(tail, count);
    if (start !== undefined) return tail.subarray(start);
  }
  return count === 0 ? new Uint8Array(0) : tail;
}

/** Where the last `count` lines start; `undefined` if there are fewer. */
function startOfLast(bytes: Uint8Array, count: number): number | undefined {
  if (count === 0) return bytes.length;
  // The line feed at the very end closes the last line and does not start another.
  let at = bytes.length - 1;
  for (let left = count; left > 0; left--) {
    at = at <= 0 ? -1 : bytes.lastIndexOf(LF, at - 1);
    if (at < 0) return undefined;
  }
  return at + 1;
}

function readAt(file: Deno.FsFile, range: { at: number; length: number }): Uint8Array {
  file.seekSync(range.at, Deno.SeekMode.Start);
  const buffer = new Uint8Array(range.length);
  let filled = 0;
  while (filled < range.length) {
    const count = file.readSync(buffer.subarray(filled));
    if (count === null) break;
    filled += count;
  }
  return buffer.subarray(0, filled);
}

/**
 * Yields what is appended to a log after `from`. When the file is rotated, it continues with the
 * new one.
 */
export async function* followLog(
  path: string,
  options: { from: number; signal: AbortSignal },
): AsyncGenerator<Uint8Array, void, undefined> {
  const { from, signal } = options;
  if (signal.aborted) return;
  const folder = path.slice(0, path.lastIndexOf("/"));
  // Watch before reading, so that nothing written in between is missed.
  const watcher = Deno.watchFs(folder);
  const onAbort = () => watcher.close();
  signal.addEventListener("abort", onAbort, { once: true });
  let file = Deno.openSync(path, { read: true });
  try {
    file.seekSync(from, Deno.SeekMode.Start);
    yield* rest(file);
    for await (const _event of watcher) {
      yield* rest(file);
      if (wasReplaced(path, file)) {
        yield* rest(file);
        file.close();
        file = Deno.openSync(path, { read: true });
        yield* rest(file);
      }
    }
  } finally {
    signal.removeEventListener("abort", onAbort);
    file.close();
    if (!signal.aborted) watcher.close();
  }
}

function* rest(file: Deno.FsFile): Generator<Uint8Array, void, undefined> {
  for (;;) {
    const buffer = new Uint8Array(BLOCK);
    const count = file.readSync(buffer);
    if (count === null) return;
    yield buffer.subarray(0, count);
  }
}

function wasReplaced(path: string, file: Deno.FsFile): boolean {
  try {
    return Deno.statSync(path).ino !== file.statSync().ino;
  } catch (error) {
    // In the middle of a rotation: the next event announces the new file.
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
