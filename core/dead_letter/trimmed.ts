/** Which entries of a dead-letter queue the limits of a topic remove. Pure. */
import type { DeadLetterTrim } from "./queue.ts";

/** An entry, as far as limits look at it. */
export interface TrimEntry {
  subscription: string;
  topic: string;
  id: string;
  /** When it was added, Unix ms. */
  timestamp: number;
}

/** An entry to remove, and why. */
export interface TrimStep<E extends TrimEntry> {
  name: E;
  why: "expired" | "capped";
}

/** What to remove of `entries`, which are in the order in which they were added. */
export function trimmed<E extends TrimEntry>(
  entries: readonly E[],
  { topic, retention, max }: DeadLetterTrim,
  now: number,
): TrimStep<E>[] {
  const steps: TrimStep<E>[] = [];
  const left = new Map<string, E[]>();
  for (const name of entries) {
    if (name.topic !== topic) continue;
    if (retention > 0 && name.timestamp <= now - retention) {
      steps.push({ name, why: "expired" });
      continue;
    }
    const others = left.get(name.subscription);
    if (others) others.push(name);
    else left.set(name.subscription, [name]);
  }
  if (max === 0) return steps;
  for (const names of left.values()) {
    for (const name of names.slice(0, Math.max(0, names.length - max))) {
      steps.push({ name, why: "capped" });
    }
  }
  return steps;
}
