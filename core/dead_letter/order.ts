/** The order in which dead letters are sent again. */

/** What decides it. */
interface Placed {
  subscription: string;
  topic: string;
  key?: string;
  seq: number;
}

/**
 * Entries that came newest first, as they are to be sent: the oldest first, and those of one key by
 * seq, whichever of them died first. One that was sent alone and died again stands behind those
 * that came after it.
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
