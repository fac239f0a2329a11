/**
 * Tells when descriptors are ready, all of them by one thread that waits (`epoll`). A read of a
 * pipe through Deno would take a thread for each, and it has 32.
 */
import { CLOSE_ON_EXEC, type Libc, openPipe } from "./libc.ts";

/** What is waited for. An end of the other side is told in any case. */
export const READABLE = 0x1;
export const WRITABLE = 0x4;
const ONCE = 1 << 30;
const ADD = 1;
const CHANGE = 3;
const FOREVER = -1;
const MOST_AT_ONCE = 64;
/** `struct epoll_event`: a u32, and a u64 of the caller's, which is packed only here. */
const DATA_AT = Deno.build.arch === "x86_64" ? 4 : 8;
const EVENT_BYTES = DATA_AT + 8;

/** A descriptor that is asked about again and again. */
export class Readiness {
  readonly #libc: Libc;
  readonly #epoll: number;
  /**
   * Who waits, by a number that is never used again: a descriptor's own may belong to another one
   * when what was found out about it arrives.
   */
  readonly #waiting = new Map<number, () => void>();
  readonly #found = new DataView(new ArrayBuffer(MOST_AT_ONCE * EVENT_BYTES));
  readonly #asked = new DataView(new ArrayBuffer(EVENT_BYTES));
  #last = 0;
  #isLooking = false;

  private constructor(libc: Libc, epoll: number) {
    this.#libc = libc;
    this.#epoll = epoll;
  }

  static open(libc: Libc): Readiness | undefined {
    const epoll = libc.epoll_create1(CLOSE_ON_EXEC);
    return epoll < 0 ? undefined : new Readiness(libc, epoll);
  }

  /** Waits for a descriptor for the first time. `ready` is called once. */
  first(fd: number, events: number, ready: () => void): Wait {
    return this.#ask({ change: ADD, fd, events, ready });
  }

  /** Waits for it again. */
  again(fd: number, events: number, ready: () => void): Wait {
    return this.#ask({ change: CHANGE, fd, events, ready });
  }

  #ask(
    { change, fd, events, ready }: { change: number; fd: number; events: number; ready(): void },
  ): Wait {
    const key = this.#last = (this.#last + 1) >>> 0;
    this.#asked.setUint32(0, events | ONCE, true);
    this.#asked.setUint32(DATA_AT, key, true);
    if (this.#libc.epoll_ctl(this.#epoll, change, fd, bytesOf(this.#asked)) < 0) {
      throw new Error("a descriptor cannot be waited for (epoll_ctl)");
    }
    this.#waiting.set(key, ready);
    if (!this.#isLooking) void this.#look();
    return {
      cancel: () => {
        if (this.#waiting.delete(key) && this.#waiting.size === 0) this.#wake();
      },
    };
  }

  async #look(): Promise<void> {
    this.#isLooking = true;
    while (this.#waiting.size > 0) {
      const count = await this.#libc.epoll_wait(
        this.#epoll,
        bytesOf(this.#found),
        MOST_AT_ONCE,
        FOREVER,
      );
      for (let i = 0; i < count; i++) {
        const key = this.#found.getUint32(i * EVENT_BYTES + DATA_AT, true);
        const ready = this.#waiting.get(key);
        this.#waiting.delete(key);
        ready?.();
      }
    }
    this.#isLooking = false;
  }

  /** Nothing is waited for any more, so the thread need not wait either: a closed pipe is ready. */
  #wake(): void {
    const pipe = openPipe(this.#libc);
    if (pipe === undefined) return;
    this.#libc.close(pipe.writes);
    this.first(pipe.reads, READABLE, () => this.#libc.close(pipe.reads));
  }
}

/** Something that is waited for. */
export interface Wait {
  /** It is not, any more. */
  cancel(): void;
}

function bytesOf(view: DataView<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return new Uint8Array(view.buffer);
}
