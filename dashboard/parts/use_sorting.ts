/** What a table is sorted by, and what a click on a column makes of it. */
import { useMemo, useState } from "../packages/preact.ts";
import { nextSorting, sortedBy, type SortValue } from "../view/sorting.ts";

/** The rows in order. Columns of numbers are named. */
export function useSorting<T extends { name: string }>(
  rows: readonly T[],
  { values, initial, texts }: {
    values: Record<string, (row: T) => SortValue>;
    initial: { by: string; isDescending: boolean };
    /** The columns that are no numbers. */
    texts: readonly string[];
  },
) {
  const [sorting, setSorting] = useState(initial);
  const sorted = useMemo(
    () => sortedBy(rows, { value: values[sorting.by]!, isDescending: sorting.isDescending }),
    [rows, sorting],
  );
  const sort = (name: string) =>
    setSorting(nextSorting(sorting, { name, isNumber: !texts.includes(name) }));
  return { sorted, sorting, sort };
}
