/**
 * When the events of a backup expire in a database. A process that has its events for itself lets
 * them expire by a clock of its own, which goes on where it was and makes no steps
 * (core/broker/expiry_clock.ts). Nodes have the database's, so the difference is taken out: an event
 * has as much time to live as it would have in a process that starts on the backup now.
 */
import { expiryOfLine } from "../../delivery/wire_event.ts";
import { type StoredEvent, toWireLine } from "../../event/event.ts";
import type { StateTables } from "../../state/state_tables.ts";
import { storedOfLine } from "../../store/file/lines.ts";
import type { KeptEvent } from "../../store/kept_events.ts";

/** How far the clock of a backup is ahead of the wall clock at `now`, Unix ms, when it goes on. */
export function expirySkewOf(state: StateTables, now: number): number {
  const [row] = state.rows("SELECT skew, newest FROM expiry_clock");
  // It never goes back.
  return row ? Math.max(row["skew"] as number, row["newest"] as number - now) : 0;
}

/** The event with as much time to live by a clock that is not ahead. */
export function keptWithout(skew: number, kept: KeptEvent): KeptEvent {
  if (skew === 0 || kept.event.expiresAt === undefined) return kept;
  return { ...kept, event: eventWithout(skew, kept.event) };
}

/** The same for its wire line, with its line feed. */
export function lineWithout(
  skew: number,
  line: Uint8Array<ArrayBuffer>,
): Uint8Array<ArrayBuffer> {
  if (skew === 0 || expiryOfLine(line) === undefined) return line;
  return new Uint8Array(toWireLine(eventWithout(skew, storedOfLine(line))));
}

function eventWithout(skew: number, { line: _line, ...event }: StoredEvent): StoredEvent {
  return { ...event, expiresAt: event.expiresAt! - skew };
}
