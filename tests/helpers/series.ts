/**
 * Comparisons of times and of memory, repeated: on a busy machine one series can be spoilt by
 * chance, and what is really slow, or grows, does so in every one of them.
 */
import assert from "node:assert/strict";

/** One series: whether what was promised held in it, and the figures. */
export interface Series {
  holds: boolean;
  figures: string;
}

/** Takes up to three series until one holds; fails with the figures of all of them. */
export async function heldInOneOf(take: () => Promise<Series>): Promise<void> {
  const told: string[] = [];
  while (told.length < 3) {
    const { holds, figures } = await take();
    if (holds) return;
    told.push(figures);
  }
  assert.fail(`not once: ${told.join("; ")}`);
}
