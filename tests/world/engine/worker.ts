/**
 * The threads of a daemon, simulated: each is a thread of its process, whose calls are answered one
 * after the other by the worker's real program. Messages are cloned and transferred as between real
 * threads. What the programs keep is in core/base/module_state.ts, so each thread has its own.
 */
import { SCRIPTS } from "../../../daemon/threads.ts";
import type { Random } from "../types.ts";
import { currentThread, inThread, Thread } from "./process.ts";
import type { Scheduler } from "./scheduler.ts";

type OnMessage = (event: { data: unknown }) => void;

const programs = new Map<string, OnMessage>();
/** What the threads that are running now post answers with. */
const posting = new WeakMap<Thread, (data: unknown, transfer?: ArrayBuffer[]) => void>();

/**
 * Loads the programs of all workers into this thread. Each sets its handler at `self`, which is
 * lent to it meanwhile.
 */
export async function loadWorkers(): Promise<void> {
  const self = Object.getOwnPropertyDescriptor(globalThis, "self")!;
  for (const script of Object.values(SCRIPTS)) {
    if (programs.has(script.href)) continue;
    const port = {
      onmessage: undefined as OnMessage | undefined,
      postMessage: (data: unknown, transfer?: ArrayBuffer[]) =>
        posting.get(currentThread()!)!(data, transfer),
    };
    Object.defineProperty(globalThis, "self", { configurable: true, value: port });
    try {
      await import(script.href);
    } finally {
      Object.defineProperty(globalThis, "self", self);
    }
    programs.set(script.href, port.onmessage!);
  }
}

/** Takes the place of the global `Worker`. */
export function workerClass({ scheduler, random }: { scheduler: Scheduler; random: Random }) {
  return class SimWorker {
    onmessage: OnMessage | undefined;
    onerror: ((event: { message: string; preventDefault(): void }) => void) | undefined;
    readonly #owner = currentThread()!;
    readonly #thread: Thread;
    readonly #program: OnMessage;
    /** When the last message to each of the two arrives: none overtakes another. */
    readonly #arrives = new Map<Thread, number>();

    constructor(script: URL | string) {
      const program = programs.get(String(script));
      if (program === undefined) throw new Error(`the worker ${script} is not simulated`);
      this.#program = program;
      const name = String(script).replace(/^.*\/|_worker\.ts$/g, "");
      this.#thread = new Thread(this.#owner.process, name);
      this.#thread.onError = (error) => this.#failed(error);
      posting.set(this.#thread, (answer, transfer = []) => {
        const data = structuredClone(answer, { transfer });
        this.#later(this.#owner, () => this.onmessage?.({ data }));
      });
    }

    postMessage(message: unknown, transfer: ArrayBuffer[] = []): void {
      const data = structuredClone(message, { transfer });
      this.#later(this.#thread, () => this.#program({ data }));
    }

    terminate(): void {
      this.#thread.ended = true;
    }

    #later(thread: Thread, run: () => void): void {
      const at = Math.max(this.#arrives.get(thread) ?? 0, scheduler.now + random.next() * 0.2);
      this.#arrives.set(thread, at);
      scheduler.after(at - scheduler.now, { kind: "message", thread, run });
    }

    #failed(error: unknown): void {
      this.#thread.ended = true;
      const message = error instanceof Error ? `Uncaught ${error}` : String(error);
      inThread(this.#owner, () => {
        this.#later(this.#owner, () => this.onerror?.({ message, preventDefault() {} }));
      });
    }
  };
}
