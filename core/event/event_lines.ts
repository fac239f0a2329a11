/** Parses wire lines into events, for applications. */
import type { Event } from "./event.ts";

const decoder = new TextDecoder();

/** The events in `lines` (whole wire lines), as applications see them. */
export function eventsOfLines(lines: Uint8Array): Event[] {
  return decoder.decode(lines).split("\n").filter((line) => line !== "").map(eventOfLine);
}

/** Parses one wire line. Unstored events have no seq. */
export function eventOfLine(line: string): Event {
  const event = JSON.parse(line) as Event;
  if (event.seq === 0) delete event.seq;
  return event;
}
