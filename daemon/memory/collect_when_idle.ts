/**
 * What a thread keeps from work that is done: code that was compiled once, pages of the heap that
 * are half empty. V8 gives that back when it needs room, and at rest it needs none.
 * core/client/launch.ts starts the daemon with the flag that makes the collection possible; without
 * it the process is larger, and nothing else changes (docs/adr/0019-idle-memory.md).
 */
import { type Clock, systemClock } from "../../core/base/clock.ts";
import { IdleTimer } from "../../core/base/idle_timer.ts";

/** A heap that has grown by less than this since the last collection is left alone, bytes. */
export const GROWN = 2 * 1024 * 1024;

/** The heap of a thread, in tests another. */
export interface HeapUsage {
  /** Bytes that it has of the system. */
  size(): number;
  /** Collects all that can be collected and gives back what is free: some tens of milliseconds. */
  collect(): void;
}

type Collect = (options: { type: "major"; flavor: "last-resort" }) => void;
const { gc } = globalThis as { gc?: Collect };

const ownHeap: HeapUsage = {
  size: () => Deno.memoryUsage().heapTotal,
  collect: () => gc?.({ type: "major", flavor: "last-resort" }),
};

/** Collects this thread's garbage when it comes to rest; to be told of its work. */
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
