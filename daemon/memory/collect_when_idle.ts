/**
 * Releases memory that a thread keeps after finished work: code that was compiled once, half-empty
 * heap pages. V8 gives it back when it needs room, which it does not when idle.
 * core/client/launch.ts starts the daemon with the flag that makes the collection possible; without
 * it the process is larger, and nothing else changes (docs/adr/0019-idle-memory.md).
 */
import { type Clock, systemClock } from "../../core/base/clock.ts";
import { IdleTimer } from "../../core/base/idle_timer.ts";

/** No collection if the heap has grown by less than this since the last one, bytes. */
export const GROWN = 2 * 1024 * 1024;

/** A thread's heap; tests use a fake one. */
export interface HeapUsage {
  /** The bytes it has obtained from the system. */
  size(): number;
  /**
   * Collects everything that can be collected and releases what is free: takes some tens of
   * milliseconds.
   */
  collect(): void;
}

type Collect = (options: { type: "major"; flavor: "last-resort" }) => void;
const { gc } = globalThis as { gc?: Collect };

const ownHeap: HeapUsage = {
  size: () => Deno.memoryUsage().heapTotal,
  collect: () => gc?.({ type: "major", flavor: "last-resort" }),
};

/** Collects this thread's garbage once it is idle. Call the result whenever there is work. */
export function collectWhenIdle(
  { clock, heap }: { clock: Clock; heap: HeapUsage } = { clock: systemClock, heap: ownHeap },
): IdleTimer {
  let kept = -Infinity;
  return new IdleTimer({
    clock,
    rested() {
      if (heap.size() < kept + GROWN) return;
      heap.collect();
      kept = heap.size();
    },
  });
}
