/** What a person does with scheduled events: lists them in pages, and cancels some. */
import { type MaybePromise, whenReady } from "../base/maybe_promise.ts";
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
import type { Scheduler, WaitingEvent } from "../state/scheduler.ts";
import { dueOf } from "./waiting_page.ts";

/** Lists and cancels the scheduled events of a broker. */
export function schedulingOf(events: Scheduler, clock: Clock): Scheduling {
  return {
    list: async (page) => await scheduledPage(events, page),
    cancel: (request) => cancelScheduled(events, request, byLibrary(clock)),
  };
}

/** Most ids that the audit log names. */
const NAMED = 10;

/** The cursor of a page: when its last event is due, and the number of that event. */
export const SCHEDULED_CURSOR = "^[0-9]{1,16}/[0-9]{1,15}$";

/** A page of scheduled events, those due first in front. Throws for an invalid request. */
export function scheduledPage(
  events: Pick<Scheduler, "page">,
  { topic, limit = LARGEST_SCHEDULED_PAGE, after }: ScheduledPage = {},
): MaybePromise<ScheduledReply> {
  if (!(Number.isInteger(limit) && limit >= 1 && limit <= LARGEST_SCHEDULED_PAGE)) {
    throw wrong("limit", `limit is a whole number from 1 to ${LARGEST_SCHEDULED_PAGE}`);
  }
  if (after !== undefined && !new RegExp(SCHEDULED_CURSOR).test(after)) {
    throw wrong("after", "after is what `next` of the page before says");
  }
  const [due = 0, number = 0] = (after ?? "").split("/").map(Number);
  const place = after === undefined ? undefined : { due, number };
  return whenReady(events.page({ topic, limit, after: place }), ({ items, total }) => {
    const page = items.slice(0, limit);
    const last = page.at(-1);
    return {
      scheduled: page.map(infoOf),
      total,
      ...(last !== undefined && items.length > limit
        ? { next: `${dueOf(last)}/${last.number}` }
        : {}),
    };
  });
}

function wrong(field: string, message: string): InvalidArgumentError {
  return new InvalidArgumentError(message, { details: { field } });
}

function infoOf(item: WaitingEvent): ScheduledInfo {
  const { topic, id, type, key, waitMs, acceptedAt, redacted } = item;
  const times = { dueAt: dueOf(item), delayMs: waitMs, acceptedAt: Math.round(acceptedAt) };
  return defined({ topic, id, type, key, ...times, redacted });
}

/**
 * Cancels scheduled events; durable when it resolves. Rejects with `NotFoundError`, and cancels
 * nothing, if one of the ids is not waiting.
 */
export async function cancelScheduled(
  events: Pick<Scheduler, "cancel">,
  { ids, topic }: CancelScheduledRequest,
  { act }: ActOptions = {},
): Promise<CancelScheduledReply> {
  const { count, missing } = await events.cancel({ ids, topic }, (count) => {
    const details = { count, ids: ids.slice(0, NAMED) };
    return audited(act, { act: "scheduled.cancel", topic, details });
  });
  if (missing.length === 0) return { count };
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
