/**
 * Begins and ends that the command has not taken yet: a queue for each condition, in which they
 * alternate. Pure but for what it holds.
 */
import type { Notice } from "./notice.ts";
import { subjectKey } from "./machine.ts";

/**
 * The longest queue of one condition. Where a command fails for hours, and a condition comes and
 * goes all the time, a begin and its end are dropped together.
 */
export const MOST_UNTOLD = 100;

/** The queues. */
export class Untold {
  readonly #queues = new Map<string, Notice[]>();

  constructor(facts: readonly Notice[] = []) {
    for (const one of facts) this.add(one);
  }

  /** Adds one; returns the begin and the end that were dropped for it, if any were. */
  add(facts: Notice): Notice[] {
    const key = conditionOf(facts);
    const queue = this.#queues.get(key) ?? [];
    if (queue.length === 0) this.#queues.set(key, queue);
    queue.push(facts);
    if (queue.length <= MOST_UNTOLD) return [];
    // The first one may be on its way: the first whole pair behind it.
    return queue.splice(queue[0]!.state === "begin" ? 2 : 1, 2);
  }

  /** These are another one's to tell, or nobody's. */
  drop(isDropped: (facts: Notice) => boolean): void {
    for (const [key, queue] of this.#queues) if (isDropped(queue[0]!)) this.#queues.delete(key);
  }

  /** The conditions with something to tell, the longest waiting first. */
  get keys(): string[] {
    return [...this.#queues.keys()];
  }

  /** What comes next of a condition. */
  head(key: string): Notice | undefined {
    return this.#queues.get(key)?.[0];
  }

  /** The head was told. */
  shift(key: string): void {
    const queue = this.#queues.get(key);
    queue?.shift();
    if (queue?.length === 0) this.#queues.delete(key);
  }

  /** All, those of each condition in order. */
  get all(): Notice[] {
    return [...this.#queues.values()].flat();
  }
}

function conditionOf({ alert, subscription }: Notice): string {
  return subjectKey({ measure: alert, ...(subscription === undefined ? {} : { subscription }) });
}
