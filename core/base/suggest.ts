/** "Did you mean": the names closest to a mistyped word. */

/** The candidates closest to `word`, best first, at most `most`. Those too far off are left out. */
export function nearest(word: string, candidates: Iterable<string>, most = 3): string[] {
  const wanted = word.toLowerCase();
  const limit = Math.max(1, Math.floor(wanted.length / 3));
  const scored: { name: string; distance: number }[] = [];
  for (const name of candidates) {
    const given = name.toLowerCase();
    const distance = given.startsWith(wanted) && wanted.length > 1
      ? 0.5
      : editDistance(wanted, given);
    if (distance <= limit) scored.push({ name, distance });
  }
  scored.sort((a, b) => a.distance - b.distance || (a.name < b.name ? -1 : 1));
  return scored.slice(0, most).map(({ name }) => name);
}

/**
 * Counts insertions, deletions, substitutions and swaps of neighbours (optimal string alignment)
 * from `a` to `b`.
 */
export function editDistance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 16) return Math.abs(a.length - b.length);
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        cost = Math.min(cost, before[j - 2]! + 1);
      }
      row.push(cost);
    }
    before = last;
    last = row;
  }
  return last[b.length]!;
}

/** "did you mean a, b or c?", or undefined if nothing is close. */
export function didYouMean(word: string, candidates: Iterable<string>): string | undefined {
  const names = nearest(word, candidates);
  if (names.length === 0) return undefined;
  const last = names.at(-1)!;
  return `did you mean ${
    names.length === 1 ? last : `${names.slice(0, -1).join(", ")} or ${last}`
  }?`;
}
