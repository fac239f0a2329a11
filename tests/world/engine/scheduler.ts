/**
 * Owns time: a queue of what happens when. One event runs at a time, in the thread that it belongs
 * to, until nothing is left that it has set off; only then does time go on to the next one.
 */
import { realTurn } from "./real.ts";
import { inThread, type Thread } from "./process.ts";

/** Of a stopped process that continues, these run in this order. */
export type EventKind = "timer" | "immediate" | "disk" | "socket" | "message";

/** Something that happens. */
export interface SimEvent {
  at: number;
  /** Ties are broken by it. */
  order: number;
  kind: EventKind;
  /** Undefined: it belongs to the world itself, and no fault of a process holds it back. */
  thread: Thread | undefined;
  run: (() => void) | undefined;
}

/** What a world wants to be asked. */
export interface SchedulerHost {
  /** An event threw. */
  failed(thread: Thread | undefined, error: unknown): void;
}

/** A world in which something is awaited that never comes. */
export class StalledError extends Error {}

/** The queue and the clock. */
export class Scheduler {
  /** True time, ms. */
  now = 0;
  /** Events that ran. */
  count = 0;
  /** The thread whose event ran last: a rejection that nobody caught is its own. */
  last: Thread | undefined;
  readonly #host: SchedulerHost;
  readonly #heap: SimEvent[] = [];
  #order = 0;

  constructor(host: SchedulerHost) {
    this.#host = host;
  }

  /** Lets something happen after `ms`; returns the event, for {@link cancel}. */
  after(
    ms: number,
    event: { kind: EventKind; thread: Thread | undefined; run: () => void },
  ): SimEvent {
    const made = { ...event, at: this.now + Math.max(0, ms), order: this.#order++ };
    this.#push(made);
    return made;
  }

  cancel(event: SimEvent): void {
    event.run = undefined;
  }

  /** Puts back what a stopped process missed: timers first, as the real runtime does. */
  replay(events: readonly SimEvent[]): void {
    const rank = (event: SimEvent) => event.kind === "timer" ? 0 : 1;
    const sorted = events.filter((event) => event.run !== undefined)
      .toSorted((a, b) => rank(a) - rank(b) || a.at - b.at || a.order - b.order);
    for (const event of sorted) {
      event.at = Math.max(this.now, event.at);
      event.order = this.#order++;
      this.#push(event);
    }
  }

  /** Runs until `isOver`. Throws {@link StalledError} when nothing is left that could happen. */
  async run(isOver: () => boolean, { most }: { most: number }): Promise<void> {
    await realTurn();
    for (;;) {
      if (isOver()) return;
      const event = this.#pop();
      if (event === undefined) throw new StalledError("nothing is ready and no timer runs");
      if (event.run === undefined) continue;
      if (this.now < event.at) this.now = event.at;
      const { thread } = event;
      if (thread !== undefined && !thread.mayRun(event)) continue;
      if (++this.count > most) throw new StalledError(`more than ${most} events: it never ends`);
      this.#run(event);
      // Microtasks, and imports of modules that were loaded before, which take one turn.
      await realTurn();
    }
  }

  #run(event: SimEvent): void {
    const { thread, run } = event;
    event.run = undefined;
    this.last = thread;
    try {
      inThread(thread, run!);
    } catch (error) {
      this.#host.failed(thread, error);
    }
  }

  #push(event: SimEvent): void {
    const heap = this.#heap;
    let at = heap.push(event) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(event, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = event;
  }

  #pop(): SimEvent | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last!)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last!;
    return first;
  }
}

function isBefore(a: SimEvent, b: SimEvent): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
