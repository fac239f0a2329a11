/** `GET /v1/topics/{topic}/newest?key=…`: the newest event of a key. */
import { inTurns } from "../../core/base/in_turns.ts";
import { NotFoundError } from "../../core/base/errors.ts";
import { toWireLine } from "../../core/event/event.ts";
import { newestOfKey } from "../../core/store/by_key.ts";
import { drainingError } from "../http/draining_error.ts";
import type { Reply } from "../http/reply.ts";
import { type RouteRequest, sendBytes } from "../http/router.ts";

/** Sends the event. */
export async function getNewest(request: RouteRequest, reply: Reply): Promise<void> {
  const { broker } = request.services;
  const topic = request.params["topic"]!;
  const key = request.query.get("key")!;
  broker.topics.require(topic);
  const keys = await broker.redactor.keysOf(topic, key);
  const event = await inTurns(newestOfKey(broker.store, topic, keys), () => {
    // Nobody waits for the rest of the search.
    if (request.isCut) throw drainingError();
  });
  if (!event) {
    throw new NotFoundError("event", `topic ${topic} has no event with the key ${key}`, {
      details: { key },
      hint: `evs replay ${topic} --format '%k\\n' shows the keys that are there`,
    });
  }
  sendBytes(reply, { status: 200, type: "application/json", bytes: toWireLine(event) });
}
