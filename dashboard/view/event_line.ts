/** Events as they come, read only when somebody sees them. Pure. */
import { escapeJson } from "../../commands/terminal/escape.ts";
import { type RawEvent, readEvent } from "./raw_event.ts";

/** A line of NDJSON with an event. */
export class EventLine {
  readonly line: string;
  #event: RawEvent | undefined;

  constructor(line: string) {
    this.line = line;
  }

  get event(): RawEvent {
    return this.#event ??= readEvent(this.line);
  }
}

/** The beginning of a payload on one line. */
export function payloadStart(payload: string, most = 300): string {
  const text = escapeJson(payload.slice(0, most));
  return payload.length > most ? `${text}…` : text;
}

/** The newest first, at most so many: what came last stands before what was there. */
export function withNewest(
  rows: readonly EventLine[],
  { lines, most }: { lines: readonly string[]; most: number },
): EventLine[] {
  const fresh = lines.slice(-most).map((line) => new EventLine(line)).reverse();
  return [...fresh, ...rows].slice(0, most);
}

/** Names with how often each occurs, the most frequent first. */
export interface Tally {
  name: string;
  count: number;
}

/** The types and keys of some events. */
export function tallyOf(rows: readonly EventLine[]): { types: Tally[]; keys: Tally[] } {
  return {
    types: tally(rows.map(({ event }) => event.type)),
    keys: tally(rows.map(({ event }) => event.key).filter((key) => key !== undefined)),
  };
}

function tally(names: readonly string[]): Tally[] {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return Array.from(counts, ([name, count]) => ({ name, count }))
    .sort((a, b) => b.count - a.count || (a.name < b.name ? -1 : 1));
}

/** About so many bytes are read to count types and keys: events may be large. */
const ABOUT_BYTES = 8 * 1024 * 1024;
const MOST_EVENTS = 2_000;

/** How many of the newest events to count. */
export function sampledEvents({ events, bytes }: { events: number; bytes: number }): number {
  if (events === 0) return 0;
  const affordable = Math.floor(ABOUT_BYTES / Math.max(1, bytes / events));
  return Math.min(events, MOST_EVENTS, Math.max(1, affordable));
}
