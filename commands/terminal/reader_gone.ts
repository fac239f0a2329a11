/**
 * Detects that the reader of our standard output has gone, without writing: `evs tail users | head
 * -3` must end when `head` does, not at the next event. Deno has no `poll`, so it calls the C
 * library; if that is not possible (no permission, another C library), the next write finds out.
 */

const POLLERR = 0x08;
const POLLHUP = 0x10;
const STDOUT = 1;
/** `struct pollfd`: int fd, short events, short revents. */
const POLLFD_BYTES = 8;
const FOREVER = -1;

const LIBRARIES = { linux: "libc.so.6", darwin: "libSystem.dylib" } as Record<string, string>;

/**
 * Resolves when nobody can read our output any more; never, if that cannot be determined. Waits
 * without polling.
 */
export async function readerGone(): Promise<void> {
  const wait = openPoll();
  if (wait === undefined) return await new Promise(() => {});
  const request = pollRequest();
  while (true) {
    const count = await wait(new Uint8Array(request.buffer), 1n, FOREVER);
    if (count > 0 && isHungUp(request)) return;
  }
}

/** True if nobody can read our output any more; undefined if that cannot be determined. */
export async function isReaderGone(): Promise<boolean | undefined> {
  poll ??= openPoll();
  if (poll === undefined) return undefined;
  const request = pollRequest();
  return await poll(new Uint8Array(request.buffer), 1n, 0) > 0 && isHungUp(request);
}

let poll: Poll | undefined;

function pollRequest(): DataView<ArrayBuffer> {
  const request = new DataView(new ArrayBuffer(POLLFD_BYTES));
  request.setInt32(0, STDOUT, true);
  return request;
}

function isHungUp(request: DataView): boolean {
  return (request.getInt16(6, true) & (POLLERR | POLLHUP)) !== 0;
}

type Poll = (fds: BufferSource, count: bigint, timeoutMs: number) => Promise<number>;

function openPoll(): Poll | undefined {
  try {
    const library = Deno.dlopen(LIBRARIES[Deno.build.os] ?? "", {
      poll: { parameters: ["buffer", "u64", "i32"], result: "i32", nonblocking: true },
    });
    return library.symbols.poll;
  } catch {
    // As said above, the next write finds out.
    return undefined;
  }
}
