/** What a person does with scheduled events: lists them in pages, and cancels some. */
import { defined } from "../base/defined.ts";
import { InvalidArgumentError, NotFoundError } from "../base/errors.ts";
import type { ActOptions } from "../event/audit.ts";
import type { Clock } from "../base/clock.ts";
import { audited, byLibrary } from "../state/audited.ts";
import { LARGEST_SCHEDULED_PAGE } from "../event/limits.ts";
import type {
  CancelScheduledReply,
  CancelScheduledRequest,
  ScheduledInfo,
  ScheduledPage,
  ScheduledReply,
  Scheduling,
} from "../protocol/scheduled.ts";
import type { ScheduledItem } from "./due_list.ts";
import type { ScheduledEvents } from "./scheduled_events.ts";

/** Lists and cancels the scheduled events of a broker. */
export function schedulingOf(events: ScheduledEvents, clock: Clock): Scheduling {
  return {
    // deno-lint-ignore require-await -- async turns what it throws into a rejection
    list: async (page) => scheduledPage(events, page),
    cancel: (request) => cancelScheduled(events, request, byLibrary(clock)),
  };
}

/** Most ids that the audit log names. */
const NAMED = 10;

/** The cursor of a page: when its last event is due, and the number of that event. */
export const SCHEDULED_CURSOR = "^[0-9]{1,16}/[0-9]{1,15}$";

/** A page of scheduled events, those due first in front. Throws for an invalid request. */
export function scheduledPage(
  events: ScheduledEvents,
  { topic, limit = LARGEST_SCHEDULED_PAGE, after }: ScheduledPage = {},
): ScheduledReply {
  if (!(Number.isInteger(limit) && limit >= 1 && limit <= LARGEST_SCHEDULED_PAGE)) {
    throw wrong("limit", `limit is a whole number from 1 to ${LARGEST_SCHEDULED_PAGE}`);
  }
  if (after !== undefined && !new RegExp(SCHEDULED_CURSOR).test(after)) {
    throw wrong("after", "after is what `next` of the page before says");
  }
  const all = [...events.all()].filter((item) => topic === undefined || item.topic === topic);
  const [due = 0, number = 0] = (after ?? "").split("/").map(Number);
  const rest = after === undefined
    ? all
    : all.filter((item) => (dueOf(item) - due || item.number - number) > 0);
  rest.sort((a, b) => dueOf(a) - dueOf(b) || a.number - b.number);
  const page = rest.slice(0, limit);
  const last = page.at(-1);
  return {
    scheduled: page.map(infoOf),
    total: all.length,
    ...(last !== undefined && rest.length > limit ? { next: `${dueOf(last)}/${last.number}` } : {}),
  };
}

function wrong(field: string, message: string): InvalidArgumentError {
  return new InvalidArgumentError(message, { details: { field } });
}

function dueOf({ dueAt }: ScheduledItem): number {
  return Math.round(dueAt);
}

function infoOf(item: ScheduledItem): ScheduledInfo {
  const { topic, id, type, key, waitMs, acceptedAt, redacted } = item;
  const times = { dueAt: dueOf(item), delayMs: waitMs, acceptedAt: Math.round(acceptedAt) };
  return defined({ topic, id, type, key, ...times, redacted });
}

/**
 * Cancels scheduled events; durable when it resolves. Rejects with `NotFoundError`, and cancels
 * nothing, if one of the ids is not waiting.
 */
export async function cancelScheduled(
  events: ScheduledEvents,
  { ids, topic }: CancelScheduledRequest,
  { act }: ActOptions = {},
): Promise<CancelScheduledReply> {
  const wanted = new Set(ids);
  const chosen = [...events.all()].filter((item) =>
    wanted.has(item.id) && (topic === undefined || item.topic === topic) && events.waits(item)
  );
  for (const { id } of chosen) wanted.delete(id);
  if (wanted.size > 0) {
    const missing = [...wanted];
    const where = topic === undefined ? "" : ` in ${topic}`;
    throw new NotFoundError(
      "scheduled",
      `no event ${missing.join(", ")} is scheduled${where}; nothing was cancelled`,
      {
        hint: "evs scheduled list shows those that wait; one that was due is in its topic",
        details: { ids: missing },
      },
    );
  }
  const details = { count: chosen.length, ids: ids.slice(0, NAMED) };
  await events.cancel(chosen, audited(act, { act: "scheduled.cancel", topic, details }));
  return { count: chosen.length };
}
