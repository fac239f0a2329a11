/**
 * Makes the points of a chart from rows: places the rows in time, joins rows of minutes, and divides
 * time into steps. Pure.
 */
import type { HistoryColumn } from "../protocol/history.ts";
import type { RowField, Stamp, Values } from "./layout.ts";

/**
 * When rows were taken, by the clock as it is `now`. Where it was set back, what is before was at
 * most as long before as was measured without it. Rows are in the order in which they were taken.
 */
export function placed(stamps: readonly Stamp[], now: number): number[] {
  const times = new Array<number>(stamps.length);
  let next = { at: now, known: 0 };
  for (let i = stamps.length - 1; i >= 0; i--) {
    const { at, known } = stamps[i]!;
    next = { at: at <= next.at ? at : next.at - next.known, known };
    times[i] = next.at;
  }
  return times;
}

/** Several values of one field as one; NaN where none is known. */
function joined(as: RowField["as"], values: readonly number[]): number {
  const known = values.filter((value) => !Number.isNaN(value));
  if (known.length === 0) return NaN;
  return known.reduce((a, b) => {
    if (as === "sum") return a + b;
    return as === "least" ? Math.min(a, b) : Math.max(a, b);
  });
}

/** Several cells as one; cells that are not known are left out. */
export function joinCells(
  fields: readonly RowField[],
  cells: readonly (Values | undefined)[],
): Values | undefined {
  const known = cells.filter((cell) => cell !== undefined);
  if (known.length < 2) return known[0];
  return fields.map(({ as }, i) => joined(as, known.map((cell) => cell[i]!)));
}

/** What a cell leaves behind: what was measured stays, and nothing more is counted. */
export function remainder(fields: readonly RowField[], cell: Values): Values {
  return cell.map((value, i) => {
    const { as } = fields[i]!;
    return as === "sum" ? 0 : as === "peak" ? NaN : value;
  });
}

/** The stamp of joined rows. */
export function joinStamps(stamps: readonly Stamp[], through: number): Stamp {
  const times = placed(stamps, stamps.at(-1)!.at);
  const at = times.at(-1)!;
  const known = stamps.reduce((sum, stamp) => sum + stamp.known, 0);
  return { at, known, width: at - times[0]! + stamps[0]!.width, through };
}

/** The time that is divided into steps. */
export interface Steps {
  /** Unix ms. */
  from: number;
  step: number;
  count: number;
}

/** When rows were taken, and what time each is about. */
export interface Timeline {
  times: readonly number[];
  stamps: readonly Stamp[];
}

/** Which steps a row is about. Numbers of steps may be outside of what was asked for. */
interface Place {
  time: number;
  width: number;
  /** Since when it says what was there: at the earliest since the row before. */
  since: number;
  /** The step of that, the step that something may have come in, the middle one, the last one. */
  first: number;
  narrow: number;
  middle: number;
  last: number;
  /** It goes on where the row before ends: what that says was so in between. */
  goesOn: boolean;
}

/** What is between two rows is taken for no gap if it is shorter, ms. */
const SLACK = 1000;

/** Rows among steps. */
export interface Grid {
  steps: Steps;
  places: readonly Place[];
}

/** Finds the steps of rows; made once for all columns. */
export function gridOf({ times, stamps }: Timeline, steps: Steps): Grid {
  const stepOf = (time: number) => Math.floor((time - steps.from) / steps.step);
  const places = times.map((time, i): Place => {
    const { known, width } = stamps[i]!;
    const since = i === 0 ? time - known : Math.max(time - known, times[i - 1]!);
    return {
      time,
      width,
      since,
      first: stepOf(since),
      narrow: stepOf(Math.max(since, time - Math.max(1, width))),
      middle: stepOf(time - width / 2),
      // A row ends its step.
      last: Math.ceil((time - steps.from) / steps.step) - 1,
      goesOn: i > 0 && times[i - 1]! >= since - SLACK,
    };
  });
  return { steps, places };
}

/** For how long of each step something is known, ms. */
export function coverage({ steps, places }: Grid): number[] {
  const covered = new Array<number>(steps.count).fill(0);
  for (const { time, since, first, last } of places) {
    for (let k = Math.max(0, first); k <= Math.min(last, steps.count - 1); k++) {
      const begin = steps.from + k * steps.step;
      covered[k]! += Math.max(0, Math.min(time, begin + steps.step) - Math.max(since, begin));
    }
  }
  return covered.map(Math.round);
}

/**
 * The columns of one topic, of one subscription or of the daemon. `cells`: its cell in each row;
 * undefined where that is not known.
 */
export function gridColumns(
  fields: readonly RowField[],
  grid: Grid,
  cells: readonly (Values | undefined)[],
): Record<string, HistoryColumn> {
  return Object.fromEntries(fields.map(({ name, as }, i) => {
    const values = cells.map((cell) => cell?.[i] ?? NaN);
    return [name, as === "sum" ? counted(grid, values) : measured(grid, values, as)];
  }));
}

/**
 * The first step that a value is about. Where nothing is known of the time before, what it is about
 * may have come with the first change.
 */
function firstStep({ goesOn, first, narrow }: Place, before: number | undefined): number {
  return Math.max(0, goesOn && !Number.isNaN(before) ? first : narrow);
}

/** Counts are divided among the steps in which they may have been counted. */
function counted({ steps, places }: Grid, values: readonly number[]): HistoryColumn {
  const column = new Array<number | null>(steps.count).fill(null);
  for (const [i, place] of places.entries()) {
    const value = values[i]!;
    if (Number.isNaN(value)) continue;
    const last = Math.min(place.last, steps.count - 1);
    for (let k = firstStep(place, values[i - 1]); k <= last; k++) column[k] ??= 0;
    if (value > 0) divide(column, { steps, place, value });
  }
  return column;
}

/** As much for each step as it has of the time, in whole numbers. */
function divide(
  column: HistoryColumn,
  { steps, place, value }: { steps: Steps; place: Place; value: number },
): void {
  const width = Math.max(1, place.width);
  const begin = place.time - width;
  const before = (moment: number) =>
    Math.round(value * Math.min(1, Math.max(0, (moment - begin) / width)));
  const first = Math.max(0, Math.floor((begin - steps.from) / steps.step));
  let done = before(steps.from + first * steps.step);
  for (let k = first; k <= Math.min(place.last, steps.count - 1); k++) {
    const until = before(steps.from + (k + 1) * steps.step);
    if (until > done) column[k] = (column[k] ?? 0) + until - done;
    done = until;
  }
}

/**
 * What was measured belongs to the step in the middle of the time that the row is about; the steps
 * up to the next row have the same value.
 */
function measured(
  { steps, places }: Grid,
  values: readonly number[],
  as: RowField["as"],
): HistoryColumn {
  const column = new Array<number | null>(steps.count).fill(null);
  const own = new Uint8Array(steps.count);
  for (const [i, place] of places.entries()) {
    const value = values[i]!;
    if (Number.isNaN(value)) continue;
    const { time, middle } = place;
    const before = place.goesOn ? values[i - 1]! : NaN;
    const last = as === "peak" ? -1 : Math.min(place.last, steps.count - 1);
    for (let k = firstStep(place, before); k <= last; k++) {
      if (column[k] !== null) continue;
      const isBefore = k < middle && !Number.isNaN(before);
      const end = Math.min(time, steps.from + (k + 1) * steps.step);
      column[k] = isBefore ? aged(as, before, end - places[i - 1]!.time) : value;
    }
    if (middle < 0 || middle >= steps.count) continue;
    column[middle] = own[middle] ? joined(as, [column[middle]!, value]) : value;
    own[middle] = 1;
  }
  return column;
}

/** What was `value`, this much later. Without an oldest event there is no age. */
function aged(as: RowField["as"], value: number, later: number): number {
  return as === "age" && value > 0 ? value + Math.max(0, later) : value;
}
