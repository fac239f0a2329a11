/** Which rows of a long list are in view. Pure. */

/** Rows above and below what is seen, so that scrolling shows no gap. */
const SPARE = 8;

/** The rows to render: from `first` to before `end`. */
export interface VisibleRows {
  first: number;
  end: number;
}

/** The rows in view, and a few more. */
export function rowsInView(
  { scrolled, height, rowHeight, count }: {
    scrolled: number;
    height: number;
    rowHeight: number;
    count: number;
  },
): VisibleRows {
  // A list that has become shorter may still be scrolled beyond its end.
  const top = Math.min(Math.max(0, scrolled), Math.max(0, count * rowHeight - height));
  const first = Math.max(0, Math.floor(top / rowHeight) - SPARE);
  const end = Math.min(count, Math.ceil((top + height) / rowHeight) + SPARE);
  return { first, end };
}

/** True when so little is left below that the next page is needed. */
export function isNearEnd({ end }: VisibleRows, count: number): boolean {
  return end + 2 * SPARE >= count;
}
