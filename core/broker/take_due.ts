/**
 * Takes out the scheduled events that are due, with their lines.
 *
 * A line that the state brings later is fetched when its event is due. What was taken is leaving from
 * then on: nobody cancels, redacts or holds it, and who wants to, waits until it has left. Only the
 * removal of its topic does not wait; then there is nothing left to publish when the line has come.
 */
import type { Clock } from "../base/clock.ts";
import { allReady, isPromise, type MaybePromise } from "../base/maybe_promise.ts";
import type { NewEvent } from "../event/event.ts";
import { contentIn } from "../state/scheduled_row.ts";
import type { State } from "../state/state.ts";
import type { Clocks, DueList, ScheduledItem } from "./due_list.ts";
import type { ExpiryClock } from "./expiry_clock.ts";

/** Most events that are published together, and most bytes. */
const MOST_TOGETHER = 256;
const MOST_BYTES = 1024 * 1024;

/** A scheduled event that is being published. */
export interface Leaving {
  item: ScheduledItem;
  event: NewEvent;
}

/** What taking needs. */
export interface TakeDueContext {
  clock: Clock;
  state: Pick<State, "scheduledLine">;
  expiry: Pick<ExpiryClock, "stamp">;
  due: DueList;
  /** Being published. */
  leaving: Set<ScheduledItem>;
  /** False once its topic was removed. */
  isKnown(item: ScheduledItem): boolean;
  onError(error: unknown, context: string): void;
}

/**
 * Takes out what is due, as much as is published together. Throws or rejects if the state cannot be
 * read; then nothing was taken.
 */
export function takeDue(context: TakeDueContext, now: () => Clocks): MaybePromise<Leaving[]> {
  const { due, leaving, state } = context;
  const items: ScheduledItem[] = [];
  const lines: MaybePromise<Uint8Array | undefined>[] = [];
  let bytes = 0;
  try {
    while (items.length < MOST_TOGETHER && bytes < MOST_BYTES) {
      const [item] = due.take(now(), 1);
      if (item === undefined) break;
      items.push(item);
      leaving.add(item);
      const line = state.scheduledLine(item.number);
      lines.push(line);
      if (!isPromise(line)) bytes += line?.length ?? 0;
    }
  } catch (error) {
    for (const line of lines) if (isPromise(line)) line.catch(() => {}); // this error is told
    putBack(context, items);
    throw error;
  }
  const come = allReady(lines);
  if (!isPromise(come)) return eventsOf(context, items, come);
  return come.then((come) => eventsOf(context, items, come), (error) => {
    putBack(context, items);
    throw error;
  });
}

/** What can be published; the rest is not leaving any more. */
function eventsOf(
  context: TakeDueContext,
  items: readonly ScheduledItem[],
  lines: readonly (Uint8Array | undefined)[],
): Leaving[] {
  const taken: Leaving[] = [];
  let bytes = 0;
  for (const [i, item] of items.entries()) {
    if (bytes >= MOST_BYTES) {
      putBack(context, items.slice(i));
      break;
    }
    const line = lines[i] ?? new Uint8Array();
    const event = context.isKnown(item) ? eventIn(context, item, line) : undefined;
    if (event === undefined) {
      context.leaving.delete(item);
      continue;
    }
    bytes += line.length;
    taken.push({ item, event });
  }
  return taken;
}

function putBack({ due, leaving, isKnown }: TakeDueContext, items: readonly ScheduledItem[]): void {
  for (const item of items) {
    leaving.delete(item);
    if (isKnown(item)) due.add(item);
  }
}

/** Undefined if it cannot be read: its row stays, and `doctor` names it. */
function eventIn(
  { clock, expiry, onError }: TakeDueContext,
  item: ScheduledItem,
  line: Uint8Array,
): NewEvent | undefined {
  try {
    const { seq: _seq, topic: _topic, line: _line, ...event } = contentIn(line, item);
    const timestamp = item.stamped ? event.timestamp : clock.now();
    return expiry.stamp({ ...event, timestamp, idGiven: true });
  } catch (error) {
    onError(error, "publishing scheduled events");
    return undefined;
  }
}
