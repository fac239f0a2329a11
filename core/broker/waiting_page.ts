/** A page of the scheduled events that a process has in memory. */
import type { WaitingEvent, WaitingPage } from "../state/scheduler.ts";

/** When an event is due, to the millisecond: what pages go by. */
export function dueOf({ dueAt }: WaitingEvent): number {
  return Math.round(dueAt);
}

/** As in {@link Scheduler.page}. */
export function pageOf(
  waiting: Iterable<WaitingEvent>,
  { topic, limit, after }: WaitingPage,
): { items: WaitingEvent[]; total: number } {
  const all = [...waiting].filter((item) => topic === undefined || item.topic === topic);
  const rest = after === undefined
    ? all
    : all.filter((item) => (dueOf(item) - after.due || item.number - after.number) > 0);
  rest.sort((a, b) => dueOf(a) - dueOf(b) || a.number - b.number);
  return { items: rest.slice(0, limit + 1), total: all.length };
}
