/**
 * A table of any length: only the rows in view are in the document. Columns disappear where there
 * is no room for them, the least important first.
 */
/** @jsx h */
import { type ComponentChildren, h, useEffect, useRef, useState } from "../packages/preact.ts";
import { isNearEnd, rowsInView } from "../view/window.ts";

/** A column. */
export interface Column<T> {
  name: string;
  title: string;
  cell: (row: T) => ComponentChildren;
  /** As in `grid-template-columns`. */
  width: string;
  isNumber?: boolean;
  /** Shown from this width of the table on, px; absent: always. */
  from?: number;
}

/** What it is sorted by. */
export interface Sorting {
  by: string;
  isDescending: boolean;
}

const ROW_HEIGHT = 34;

interface VirtualTableProps<T> {
  label: string;
  rows: readonly T[];
  columns: readonly Column<T>[];
  rowKey: (row: T) => string;
  /** How many there are altogether, if more than are loaded. */
  total?: number;
  /** Called when the last rows that are loaded come into view. */
  onNearEnd?: () => void;
  sorting?: Sorting;
  onSort?: (name: string) => void;
  /** Rows to show at most before it scrolls; default: what fits the screen. */
  most?: number;
}

/** Fixed height of rows, own scroll bar, arrow keys from row to row. */
export function VirtualTable<T>(props: VirtualTableProps<T>) {
  const { label, rows, columns, rowKey, total, onNearEnd, most } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const { scrolled, width, height } = useScrolling(scroller);
  const shown = columns.filter(({ from }) => from === undefined || width >= from);
  const range = rowsInView({ scrolled, height, rowHeight: ROW_HEIGHT, count: rows.length });
  const isAtEnd = isNearEnd(range, rows.length);
  useEffect(() => {
    if (isAtEnd) onNearEnd?.();
  }, [isAtEnd, rows]);
  const tracks = shown.map((column) => column.width).join(" ");
  const limit = most === undefined ? undefined : `${most * ROW_HEIGHT}px`;
  return (
    <div class="vtable" role="table" aria-label={label} aria-rowcount={(total ?? rows.length) + 1}>
      <HeadRow {...props} columns={shown} tracks={tracks} />
      <div
        class="vtable-body"
        role="rowgroup"
        ref={scroller}
        tabIndex={0}
        aria-label={label}
        style={{ maxHeight: limit }}
        onKeyDown={moveBetweenRows}
      >
        <div role="presentation" style={{ height: `${rows.length * ROW_HEIGHT}px` }}>
          <div
            role="presentation"
            style={{ transform: `translateY(${range.first * ROW_HEIGHT}px)` }}
          >
            {rows.slice(range.first, range.end).map((row, i) => (
              <div
                class="vrow"
                role="row"
                key={rowKey(row)}
                aria-rowindex={range.first + i + 2}
                style={{ gridTemplateColumns: tracks, height: `${ROW_HEIGHT}px` }}
              >
                {shown.map(({ name, cell, isNumber }) => (
                  <div key={name} role="cell" class={isNumber ? "number" : ""}>{cell(row)}</div>
                ))}
              </div>
            ))}
          </div>
        </div>
      </div>
    </div>
  );
}

function HeadRow<T>(
  { columns, tracks, sorting, onSort }: VirtualTableProps<T> & { tracks: string },
) {
  return (
    <div class="vtable-head" role="rowgroup">
      <div class="vrow" role="row" aria-rowindex={1} style={{ gridTemplateColumns: tracks }}>
        {columns.map(({ name, title, isNumber }) => {
          const isSorted = sorting?.by === name;
          const direction = sorting?.isDescending ? "descending" : "ascending";
          return (
            <div
              key={name}
              role="columnheader"
              class={isNumber ? "number" : ""}
              aria-sort={isSorted ? direction : undefined}
            >
              {onSort === undefined
                ? title
                : (
                  <button type="button" class="plain" onClick={() => onSort(name)}>
                    {title}
                    {isSorted
                      ? <span aria-hidden="true">{sorting.isDescending ? " ▾" : " ▴"}</span>
                      : null}
                  </button>
                )}
            </div>
          );
        })}
      </div>
    </div>
  );
}

interface Scrolling {
  scrolled: number;
  width: number;
  height: number;
}

/** How far it is scrolled, and how large it is. */
function useScrolling(ref: { current: HTMLElement | null }): Scrolling {
  const [scrolling, set] = useState<Scrolling>({ scrolled: 0, width: 0, height: 600 });
  useEffect(() => {
    const element = ref.current!;
    const read = () => {
      const { scrollTop, clientWidth, clientHeight } = element;
      set((before) =>
        before.scrolled === scrollTop && before.width === clientWidth &&
          before.height === clientHeight
          ? before
          : { scrolled: scrollTop, width: clientWidth, height: clientHeight }
      );
    };
    const sizes = new ResizeObserver(read);
    sizes.observe(element);
    element.addEventListener("scroll", read, { passive: true });
    read();
    return () => {
      sizes.disconnect();
      element.removeEventListener("scroll", read);
    };
  }, []);
  return scrolling;
}

/** Up and down go to the same link or button of the next row. */
function moveBetweenRows(event: KeyboardEvent): void {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const row = (event.target as Element).closest(".vrow");
  if (step === undefined || row === null || (event.target as Element).matches("input")) return;
  const next = step > 0 ? row.nextElementSibling : row.previousElementSibling;
  const target = next?.querySelector<HTMLElement>("a, button");
  if (!target) return;
  event.preventDefault();
  target.focus();
}
