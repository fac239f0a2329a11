/** What nobody remembers any more when a file is damaged: the newest of it. */
import type { Model } from "../lives/model.ts";

/**
 * True if an event may have gone with a file before it was written down that its topic had got that
 * far: then its number is given again, and nothing is said of it.
 */
export function isJustLost(model: Model, n: number): boolean {
  const { sent: { topic }, askedAt, shownAfter = Infinity } = model.events.get(n)!;
  return model.log(topic).damages.some(({ at, writtenUpTo }) =>
    askedAt <= at && shownAfter >= writtenUpTo
  );
}
