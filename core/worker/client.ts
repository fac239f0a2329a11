/** Numbered calls to a worker: the calling side. The answering side is core/worker/server.ts. */
import { giveBuffer, isReusable } from "../base/buffer_pool.ts";
import type { ErrorBody } from "../base/errors.ts";
import { CannotStoreError, DataDirError, InternalError } from "../base/errors.ts";

/** A call sent to a worker. */
export interface WorkerCall {
  id: number;
  call: unknown;
  /** Buffers that are returned with the answer. */
  lent: ArrayBuffer[];
}

/** The answer to a call. */
export type WorkerAnswer =
  & { id: number; lent: ArrayBuffer[] }
  & ({ ok: true; value: unknown } | { ok: false; error: ErrorBody });

/** May precede the answer: the worker is ready for the next call. */
export interface WorkerSign {
  id: number;
  ready: true;
}

/** Up to this size copying a buffer costs both threads less than transferring it, bytes. */
const COPIED = 8 * 1024;

/** Options of a call. */
export interface WorkerCallOptions {
  /** Buffers to transfer instead of copying, where that is cheaper. */
  transfer?: ArrayBufferLike[];
  /**
   * Called if the worker is ready for the next call before it answers this one; never afterwards.
   */
  onReady?: () => void;
}

/** One worker, and the calls waiting for its answers. */
export class WorkerClient {
  readonly #worker: Worker;
  readonly #waiting = new Map<
    number,
    { resolve(value: unknown): void; reject(error: unknown): void; onReady?: () => void }
  >();
  #next = 1;
  #dead: Error | undefined;
  #answered = false;

  /** `unbegun`: added to the error if the worker dies before its first answer. */
  constructor(script: URL, { unbegun = "" }: { unbegun?: string } = {}) {
    this.#worker = new Worker(script, { type: "module" });
    this.#worker.onmessage = ({ data }: MessageEvent<WorkerAnswer | WorkerSign>) => {
      this.#answered = true;
      const waiting = this.#waiting.get(data.id);
      if ("ready" in data) return waiting?.onReady?.();
      this.#waiting.delete(data.id);
      data.lent.forEach(giveBuffer);
      if (data.ok) waiting?.resolve(data.value);
      else waiting?.reject(reviveError(data.error));
    };
    this.#worker.onerror = (event) => {
      event.preventDefault();
      const beside = this.#answered || unbegun === "" ? "" : `; ${unbegun}`;
      this.#dead = new InternalError(`a worker of the daemon died: ${event.message}${beside}`);
      for (const { reject } of this.#waiting.values()) reject(this.#dead);
      this.#waiting.clear();
      // Report it even if no call is waiting: the process must find out at once
      // (daemon/uncaught.ts).
      reportError(this.#dead);
    };
  }

  /**
   * Sends the call. The caller must not use the buffers of `transfer` any more: it loses those that
   * are transferred. Large ones return to the pool when the worker answers
   * (core/base/buffer_pool.ts).
   */
  call<T>(call: unknown, { transfer = [], onReady }: WorkerCallOptions = {}): Promise<T> {
    if (this.#dead) return Promise.reject(this.#dead);
    const id = this.#next++;
    return new Promise<T>((resolve, reject) => {
      this.#waiting.set(id, { resolve: (value) => resolve(value as T), reject, onReady });
      const large = transfer.filter(({ byteLength }) => byteLength > COPIED) as ArrayBuffer[];
      const lent = large.filter(isReusable);
      this.#worker.postMessage({ id, call, lent } satisfies WorkerCall, large);
    });
  }

  /** Stops the worker. Calls in progress are never answered, so settle them first. */
  terminate(): void {
    this.#worker.terminate();
  }
}

const DATA_DIR_CODES = [
  "datadir/newer-format",
  "datadir/unsafe",
  "datadir/damaged",
  "datadir/taken-away",
  "datadir/unreadable",
] as const;

/** Errors lose their class on the way between threads; the code tells which one to restore. */
function reviveError({ code, message, hint }: ErrorBody): Error {
  if (code.startsWith("store/")) return new CannotStoreError(message, { code, hint });
  const known = DATA_DIR_CODES.find((one) => one === code);
  if (known !== undefined) return new DataDirError(known, message, { hint });
  return new InternalError(message, { hint });
}
