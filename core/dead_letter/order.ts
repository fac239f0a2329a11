/** The order in which dead letters are redelivered. */

/** What the order depends on. */
interface Placed {
  subscription: string;
  topic: string;
  key?: string;
  seq: number;
}

/**
 * Puts entries that are sorted newest first into delivery order: oldest first, and those of one key
 * by seq, whichever of them died first. Otherwise one that was retried alone and died again would
 * come after the later ones of its key.
 */
export function inKeyOrder<T extends Placed>(newestFirst: readonly T[]): T[] {
  const ordered = newestFirst.toReversed();
  const places = new Map<string, number[]>();
  for (const [place, { subscription, topic, key }] of ordered.entries()) {
    if (key === undefined) continue;
    const name = `${subscription}\n${topic}\n${key}`;
    const mine = places.get(name);
    if (mine) mine.push(place);
    else places.set(name, [place]);
  }
  for (const mine of places.values()) {
    const sorted = mine.map((place) => ordered[place]!).sort((a, b) => a.seq - b.seq);
    for (const [i, place] of mine.entries()) ordered[place] = sorted[i]!;
  }
  return ordered;
}
