/** Sorting of tables by a column. Pure. */

/** What rows are compared by; texts by code units, so that it is the same everywhere. */
export type SortValue = string | number;

/** Sorts by the value of the column, and where that is equal by name. */
export function sortedBy<T extends { name: string }>(
  rows: readonly T[],
  { value, isDescending }: { value: (row: T) => SortValue; isDescending: boolean },
): T[] {
  const sign = isDescending ? -1 : 1;
  return [...rows].sort((a, b) => sign * compare(value(a), value(b)) || compare(a.name, b.name));
}

function compare(a: SortValue, b: SortValue): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** A click on a column sorts by it; the next one turns it round. Numbers begin with the largest. */
export function nextSorting(
  sorting: { by: string; isDescending: boolean },
  { name, isNumber }: { name: string; isNumber: boolean },
): { by: string; isDescending: boolean } {
  return sorting.by === name
    ? { by: name, isDescending: !sorting.isDescending }
    : { by: name, isDescending: isNumber };
}
