/** The route that redacts an event. */
import { isPromise } from "../../core/base/maybe_promise.ts";
import { checkRedaction, MOST_OF_BY, MOST_OF_REASON } from "../../core/event/redaction.ts";
import { NotFoundError } from "../../core/base/errors.ts";
import { findEvent } from "../../core/reading/find_event.ts";
import type { ActOptions } from "../../core/event/audit.ts";
import type { RedactOptions, RedactReply } from "../../core/protocol/redaction.ts";
import { redactSpooled } from "../../core/spool/redact.ts";
import type { Services } from "../services.ts";
import { jsonRoute } from "../http/json_route.ts";
import { type Route, sendJson } from "../http/router.ts";
import { checkedText, object } from "../http/shape.ts";
import { actOf } from "./audit.ts";

const redactRequest = object({
  reason: checkedText({ minLength: 1, maxLength: MOST_OF_REASON }, (reason) => {
    checkRedaction({ reason });
    return reason;
  }),
  by: checkedText({ minLength: 1, maxLength: MOST_OF_BY }, (by) => {
    checkRedaction({ by });
    return by;
  }),
});

/** First where an event waits for a daemon: it must not come from there afterwards. */
async function redactEverywhere(
  { broker, spool }: Services,
  topic: string,
  { event, body, act }: ActOptions & { event: string; body: RedactOptions },
): Promise<RedactReply> {
  // Digits mean a seq where there is one: a spooled event with that id is another one.
  const found = broker.topics.get(topic) ? findEvent(broker.store, topic, event) : undefined;
  const id = (isPromise(found) ? await found : found)?.id ?? event;
  const removed = await removeSpooled(spool, { topic, id });
  try {
    return await broker.redactor.redact(topic, event, body, { act });
  } catch (error) {
    if (removed === 0 || !(error instanceof NotFoundError)) throw error;
    // It was in the spool alone: nobody has seen it, and nobody will.
    return await broker.redactor.record(topic, event, body, { act });
  }
}

/** In how many places of the spool the event was. */
async function removeSpooled(
  spool: Services["spool"],
  event: { topic: string; id: string },
): Promise<number> {
  const counts = await spool?.between((folder) => redactSpooled(folder, event)) ?? [];
  return counts.reduce((sum, count) => sum + count, 0);
}

/** Redact. */
export const redactRoutes: Route[] = [
  jsonRoute({
    method: "POST",
    path: "/v1/topics/{topic}/events/{event}/redact",
    body: redactRequest,
    async accept(request, { body, reply }) {
      const { services, params } = request;
      const result = await redactEverywhere(services, params["topic"]!, {
        event: params["event"]!,
        body,
        ...actOf(request),
      });
      const { topic, seq, id, by, reason } = result;
      if (result.created) services.log.logger.warning("redacted", { topic, seq, id, by, reason });
      sendJson(reply, 200, result);
    },
  }),
];
