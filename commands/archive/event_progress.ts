/** A line of progress that counts events. */
import type { EvsContext } from "../cli/context.ts";
import { Progress } from "../terminal/progress.ts";
import { plural } from "../terminal/table.ts";

/** The line; it is removed at the end. */
export interface EventProgress extends Disposable {
  /** So many more. */
  add(events: number): void;
}

/** `done`: what has become of them, such as "copied". */
export function eventProgress(context: EvsContext, done: string): EventProgress {
  const progress = new Progress({
    output: context.stderr,
    enabled: context.stderr.isTerminal && !context.quiet,
    now: () => context.clock.monotonic(),
  });
  let count = 0;
  return {
    add(events) {
      count += events;
      progress.update(() => `${plural(count, "event")} ${done}`);
    },
    [Symbol.dispose]: () => progress[Symbol.dispose](),
  };
}
