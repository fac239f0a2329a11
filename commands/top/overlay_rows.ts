/** What is in front of the lists: help, a question, a text to read. Pure. */
import { type CellRow, cellsOf, fit, wrapCells } from "../terminal/cells.ts";
import { questionOf, typedCommand } from "./actions.ts";
import type { TopState } from "./state.ts";

interface Room {
  width: number;
  height: number;
}

/** The rows of the overlay, the last at the bottom of the screen; none if there is none. */
export function overlayRows(state: TopState, room: Room): CellRow[] {
  const { overlay } = state;
  if (overlay === undefined || room.width < 1) return [];
  switch (overlay.kind) {
    case "filter":
      return [];
    case "help":
      return filled(HELP.map((text) => cellsOf(text)), room);
    case "confirm":
      return [
        ruler(room),
        ...wrapCells(cellsOf(questionOf(overlay.action), "bold"), room.width),
        ...wrapCells(cellsOf(`  ${typedCommand(overlay.action, state.place)}`, "cyan"), room.width),
      ].slice(-room.height);
    case "text": {
      const head = wrapCells(cellsOf(overlay.command, "cyan"), room.width);
      const body = textRows(overlay.lines, room.width);
      const height = Math.max(0, room.height - head.length - 1);
      const top = topWithin(overlay.top, { rows: body.length, height });
      return filled([...head, ruler(room), ...body.slice(top, top + height)], room);
    }
  }
}

/** How far a text of so many rows can be scrolled. */
export function topWithin(
  top: number,
  { rows, height }: { rows: number; height: number },
): number {
  return Math.max(0, Math.min(top, rows - height));
}

/** The lines of a text as rows; long ones go on in the next row. */
export function textRows(lines: readonly string[], width: number): CellRow[] {
  return lines.flatMap((text) => wrapCells(cellsOf(text), Math.max(2, width)));
}

function ruler({ width }: Room): CellRow {
  return cellsOf("-".repeat(Math.max(0, width)), "dim");
}

/** As many rows as there are: what is behind is covered. */
function filled(rows: readonly CellRow[], { height, width }: Room): CellRow[] {
  return Array.from({ length: height }, (_, i) => fit(rows[i] ?? [], { width }));
}

/** Fits into 23 rows of 80 columns. */
const HELP = [
  "evs top: what the daemon is doing",
  "",
  "  RATE       acknowledged per second",
  "  LAG        events not settled: pending, in flight, waiting for a retry",
  "  OLDEST     the age of the oldest of them",
  "  IN FLIGHT  the oldest lease: since when, #attempt, pid, topic and seq, +others",
  "  RETRY      when the next retry is due",
  "",
  "  Up Down j k       choose a row           Tab    subscriptions, dead letters",
  "  PageUp PageDown   a page                 g G    the first, the last",
  "  s S               the next order, the one before",
  "  /                 filter by name or topic; Escape takes the filter away",
  "  p r               pause, resume the subscription",
  "  t                 retry the dead letters with the cause",
  "  e Enter           show the event in flight, or an example of the cause",
  "  Space             read now               + -    read more often, less often",
  "  q Ctrl-C          quit                   Ctrl-Z stop; fg goes on",
  "  Ctrl-L            draw everything again",
  "",
  "  p, r, t and e ask first, and show the command line that does the same.",
  "  For scripts: evs top --once, evs top --json",
];
