/**
 * One end of a simulated connection. Bytes leave in pieces, each arrives when the network says so,
 * and what has arrived is read when the process has its turn, as from a kernel's buffer.
 */
import { currentProcess, currentThread, type SimProcess, type Thread } from "./process.ts";
import type { Scheduler } from "./scheduler.ts";

/** What one end needs of the network. */
export interface ConnectionNet {
  scheduler: Scheduler;
  /** Sends it on its way to the other end; `undefined`: the end of the stream. */
  send(from: SimConnection, piece: Uint8Array | undefined): void;
  closed(connection: SimConnection): void;
}

interface Waiting {
  thread: Thread | undefined;
  reject(error: unknown): void;
}

/** What the kernel holds for a reader before writers have to wait, bytes. */
export const CAPACITY = 208 * 1024;

/** One end. */
export class SimConnection {
  readonly name: string;
  readonly net: ConnectionNet;
  process: SimProcess | undefined;
  peer!: SimConnection;
  /** On the way to this end, or arrived and not read. */
  unread = 0;
  /** When the last piece that was sent to this end arrives: none overtakes another. */
  lastArrival = 0;
  readonly localAddr = { transport: "unix", path: "" } as const;
  readonly remoteAddr = { transport: "unix", path: "" } as const;
  #inbox: Uint8Array[] = [];
  #isAtEnd = false;
  #isReset = false;
  #isShut = false;
  #isClosed = false;
  #reading: (Waiting & { buffer: Uint8Array; resolve(count: number | null): void }) | undefined;
  #writing: (Waiting & { bytes: Uint8Array; resolve(count: number): void })[] = [];

  constructor(name: string, net: ConnectionNet, process: SimProcess | undefined) {
    this.name = name;
    this.net = net;
    if (process) this.own(process);
  }

  /** From now on it belongs to this process. */
  own(process: SimProcess): void {
    this.process = process;
    process.resources.add(this);
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  read(buffer: Uint8Array): Promise<number | null> {
    if (this.#isClosed) return Promise.reject(new Deno.errors.BadResource("Bad resource ID"));
    return new Promise((resolve, reject) => {
      this.#reading = { buffer, resolve, reject, thread: currentThread() };
      this.#wakeReader();
    });
  }

  write(bytes: Uint8Array): Promise<number> {
    if (this.#isClosed) return Promise.reject(new Deno.errors.BadResource("Bad resource ID"));
    return new Promise((resolve, reject) => {
      this.#writing.push({ bytes, resolve, reject, thread: currentThread() });
      this.#wakeWriters();
    });
  }

  closeWrite(): Promise<void> {
    if (!this.#isShut) this.net.send(this, undefined);
    this.#isShut = true;
    return Promise.resolve();
  }

  close(): void {
    if (this.#isClosed) throw new Deno.errors.BadResource("Bad resource ID");
    this.#leave();
    this.process?.resources.delete(this);
    const error = () => new Deno.errors.Interrupted("operation canceled");
    const waiting = [...this.#reading ? [this.#reading] : [], ...this.#writing.splice(0)];
    this.#reading = undefined;
    for (const one of waiting) this.#soon(one.thread, () => one.reject(error()));
  }

  /** Its process has ended. */
  abandon(): void {
    if (!this.#isClosed) this.#leave();
  }

  [Symbol.dispose](): void {
    if (!this.#isClosed) this.close();
  }

  ref(): void {}
  unref(): void {}

  /** A piece has arrived. */
  arrived(piece: Uint8Array | undefined): void {
    if (this.#isReset || this.#isClosed) return;
    if (piece === undefined) this.#isAtEnd = true;
    else this.#inbox.push(piece);
    this.#wakeReader();
  }

  /** Both ends find it broken. */
  cut(): void {
    for (const end of [this, this.peer]) end.reset();
  }

  /** What has not been read is lost. */
  reset(): void {
    if (this.#isClosed || this.#isReset) return;
    this.#isReset = true;
    this.#inbox = [];
    this.#wakeReader();
    this.#wakeWriters();
  }

  /** The other end will read no more. */
  peerClosed(): void {
    this.#wakeWriters();
  }

  #leave(): void {
    const hasUnread = this.#inbox.length > 0;
    this.#isClosed = true;
    this.net.closed(this);
    // As in the kernel: who closes with something unread resets the connection.
    if (hasUnread) this.peer.reset();
    else if (!this.#isShut) this.net.send(this, undefined);
    this.peer.peerClosed();
  }

  #soon(thread: Thread | undefined, run: () => void): void {
    this.net.scheduler.after(0, { kind: "socket", thread, run });
  }

  #wakeReader(): void {
    const reading = this.#reading;
    if (reading === undefined) return;
    if (this.#inbox.length === 0 && !this.#isAtEnd && !this.#isReset) return;
    this.#reading = undefined;
    this.#soon(reading.thread, () => {
      if (this.#isReset) {
        return reading.reject(
          new Deno.errors.ConnectionReset("Connection reset by peer (os error 104)"),
        );
      }
      const piece = this.#inbox.shift();
      if (piece === undefined) return reading.resolve(null);
      const count = Math.min(piece.length, reading.buffer.length);
      reading.buffer.set(piece.subarray(0, count));
      if (count < piece.length) this.#inbox.unshift(piece.subarray(count));
      this.unread -= count;
      this.peer.#wakeWriters();
      reading.resolve(count);
    });
  }

  #wakeWriters(): void {
    for (const writing of this.#writing.splice(0)) {
      const { bytes, resolve, reject, thread } = writing;
      if (this.#isReset || this.#isShut || this.peer.#isClosed) {
        this.#soon(thread, () => reject(new Deno.errors.BrokenPipe("Broken pipe (os error 32)")));
        continue;
      }
      const room = CAPACITY - this.peer.unread;
      if (room <= 0 && bytes.length > 0) {
        this.#writing.push(writing);
        continue;
      }
      const count = Math.min(room, bytes.length);
      if (count > 0) this.net.send(this, bytes.slice(0, count));
      this.#soon(thread, () => resolve(count));
    }
  }
}

/** Listens at a path. */
export class SimListener {
  readonly addr: Deno.UnixAddr;
  readonly #process = currentProcess();
  readonly #net: ConnectionNet;
  readonly #remove: () => void;
  #queue: SimConnection[] = [];
  #accepting: (Waiting & { resolve(connection: SimConnection): void }) | undefined;
  #isClosed = false;

  constructor(path: string, net: ConnectionNet, remove: () => void) {
    this.addr = { transport: "unix", path };
    this.#net = net;
    this.#remove = remove;
    this.#process.resources.add(this);
  }

  get process(): SimProcess {
    return this.#process;
  }

  /** How many wait to be accepted. */
  get waiting(): number {
    return this.#queue.length;
  }

  /** Somebody connects: this is the end that will be accepted. */
  offer(connection: SimConnection): void {
    this.#queue.push(connection);
    this.#wake();
  }

  accept(): Promise<SimConnection> {
    if (this.#isClosed) return Promise.reject(new Deno.errors.BadResource("Bad resource ID"));
    return new Promise((resolve, reject) => {
      this.#accepting = { resolve, reject, thread: currentThread() };
      this.#wake();
    });
  }

  close(): void {
    if (this.#isClosed) throw new Deno.errors.BadResource("Bad resource ID");
    this.abandon();
    this.#process.resources.delete(this);
    this.#remove();
    const accepting = this.#accepting;
    this.#accepting = undefined;
    if (accepting === undefined) return;
    const error = new Deno.errors.BadResource("Bad resource ID");
    const run = () => accepting.reject(error);
    this.#net.scheduler.after(0, { kind: "socket", thread: accepting.thread, run });
  }

  /** Its process has ended: who waits is refused. */
  abandon(): void {
    this.#isClosed = true;
    for (const connection of this.#queue.splice(0)) connection.peer.reset();
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  #wake(): void {
    const accepting = this.#accepting;
    if (accepting === undefined || this.#queue.length === 0) return;
    this.#accepting = undefined;
    this.#net.scheduler.after(0, {
      kind: "socket",
      thread: accepting.thread,
      run: () => {
        const connection = this.#queue.shift();
        if (connection === undefined) return;
        connection.own(this.#process);
        accepting.resolve(connection);
      },
    });
  }
}
