/** The ends of pipes to a program that this process holds, read and written without blocking. */
import type { Libc } from "./libc.ts";
import { READABLE, type Readiness, type Wait, WRITABLE } from "./readiness.ts";

const READ_BYTES = 64 * 1024;

/** What reads and writes them. */
export interface PipeHost {
  libc: Libc;
  readiness: Readiness;
}

/** Reads when there is something, and when the next chunk is asked for; closes it at its end. */
export async function* chunksOf(
  fd: number,
  { libc, readiness }: PipeHost,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, void> {
  try {
    for (let wait: "first" | "again" = "first";; wait = "again") {
      await new Promise<void>((ready) => readiness[wait](fd, READABLE, ready));
      const count = Number(libc.read(fd, buffer, BigInt(READ_BYTES)));
      if (count === 0) return;
      // Otherwise somebody else has read it meanwhile: a program can open its own stderr.
      if (count > 0) yield buffer.slice(0, count);
    }
  } finally {
    libc.close(fd);
  }
}

/** For what was read, until it is copied. */
const buffer = new Uint8Array(READ_BYTES);

/**
 * Writes at once what there is room for, and the rest later. Nobody is told of a reader that has
 * gone: how it ended says more.
 */
export class PipeWriter {
  readonly #fd: number;
  readonly #host: PipeHost;
  /** What there was no room for. */
  readonly #rest: Uint8Array[] = [];
  #wait: Wait | undefined;
  #wasWaitedFor = false;
  #isEnding = false;
  #isClosed = false;

  constructor(fd: number, host: PipeHost) {
    this.#fd = fd;
    this.#host = host;
  }

  /** Writes all of it, now or later. */
  write(bytes: Uint8Array): void {
    if (this.#isEnding) return;
    this.#rest.push(bytes);
    if (this.#wait === undefined) this.#go(false);
  }

  /** Closes it when all is written. */
  end(): void {
    this.#isEnding = true;
    if (this.#rest.length === 0) this.cut();
  }

  /** Closes it now. */
  cut(): void {
    if (this.#isClosed) return;
    this.#isEnding = this.#isClosed = true;
    this.#wait?.cancel();
    this.#host.libc.close(this.#fd);
  }

  #go(isReady: boolean): void {
    this.#wait = undefined;
    while (this.#rest.length > 0) {
      const bytes = this.#rest[0] as Uint8Array<ArrayBuffer>;
      const count = Number(this.#host.libc.write(this.#fd, bytes, BigInt(bytes.length)));
      // It is full, or, when it was said to be ready, nobody reads it any more.
      if (count < 0 && isReady) return this.cut();
      if (count === bytes.length) {
        this.#rest.shift();
        // It may be full by now.
        isReady = false;
      } else {
        this.#rest[0] = bytes.subarray(Math.max(count, 0));
        return this.#later();
      }
    }
    if (this.#isEnding) this.cut();
  }

  #later(): void {
    const wait = this.#wasWaitedFor ? "again" : "first";
    this.#wasWaitedFor = true;
    this.#wait = this.#host.readiness[wait](this.#fd, WRITABLE, () => this.#go(true));
  }
}
