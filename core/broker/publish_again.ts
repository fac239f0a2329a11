/** How scheduled events that were refused are published again: when, and each topic by itself. */

/** The first and the longest wait after a failure, ms. */
const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 60_000;

/** How long to wait after another failure, ms; `lastMs` is the wait before it, 0 at first. */
export function nextWait(lastMs: number): number {
  return Math.min(LONGEST_WAIT_MS, lastMs * 2 || FIRST_WAIT_MS);
}

/**
 * Publishes groups and returns their outcomes. `apart`: one after another, since a store refuses all
 * that is appended together, and those of one topic would be refused with another's again and again.
 */
export async function publishEach<T>(
  groups: readonly (() => Promise<T>)[],
  { apart }: { apart: boolean },
): Promise<PromiseSettledResult<T>[]> {
  if (!apart) return await Promise.allSettled(groups.map((publish) => publish()));
  const outcomes: PromiseSettledResult<T>[] = [];
  for (const publish of groups) outcomes.push(...await Promise.allSettled([publish()]));
  return outcomes;
}
