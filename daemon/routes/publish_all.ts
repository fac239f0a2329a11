/** `POST /v1/events`: a JSON array of events for several topics, stored all or none. */
import { defined } from "../../core/base/defined.ts";
import { EventRefusedError } from "../../core/base/errors.ts";
import { atElement, onTheWhole } from "../../core/broker/element_error.ts";
import {
  type AddressedEvent,
  assertPublishable,
  planGroup,
  type StoredPlace,
  storedPlaces,
} from "../../core/broker/publish_all.ts";
import { splitElements } from "../../core/json/json.ts";
import type { PublishAllReply } from "../../core/protocol/publish_all.ts";
import type { Reply } from "../http/reply.ts";
import { type RouteRequest, sendJson } from "../http/router.ts";
import { AddressedDecoder } from "../ingest/decode_addressed.ts";
import { decoderFor, readJsonBody, textOf } from "./publish.ts";
import { traceOf } from "./publish_options.ts";

/** Handles one publish. */
export async function publishAll(request: RouteRequest, reply: Reply): Promise<void> {
  const { broker, disk } = request.services;
  const body = await readJsonBody(request, { hint: "publish fewer events at once" });
  const events = onTheWhole(() => decodeAll(request, body));
  let places: StoredPlace[] = [];
  if (events.length > 0) {
    disk.admit();
    const plan = planGroup(events);
    places = storedPlaces(plan, await broker.appendGroup(plan.requests, plan.conditions));
  }
  sendJson(reply, 200, replyOf(events, places, (topic) => broker.isDurable(topic)));
}

function decodeAll(request: RouteRequest, body: Uint8Array): AddressedEvent[] {
  const text = textOf(body);
  if (!/^[ \t\r\n]*\[/.test(text)) {
    throw new EventRefusedError(
      "event/invalid-envelope",
      "the body is not a JSON array of events; nothing was stored",
      { hint: "one event goes to POST /v1/topics/{topic}/events" },
    );
  }
  const trace = traceOf(request.raw);
  const metadata = trace === undefined ? "{}" : JSON.stringify(trace);
  const decoder = new AddressedDecoder((topic) => decoderFor(request, topic, { metadata, trace }));
  const elements = splitElements(text, body);
  assertPublishable(elements.length);
  return elements.map(({ text, bytes }, i) =>
    atElement(i + 1, () => decoder.event(i + 1, text, bytes))
  );
}

function replyOf(
  events: readonly AddressedEvent[],
  places: readonly StoredPlace[],
  isDurable: (topic: string) => boolean,
): PublishAllReply {
  const duplicates = places.filter(({ duplicate }) => duplicate).length;
  return {
    count: places.length - duplicates,
    duplicates,
    durable: events.every(({ topic }) => isDurable(topic)),
    events: events.map(({ topic, event: { id, schemaVersion, expiresAt } }, i) => {
      const { seq, duplicate, keySeq } = places[i]!;
      const place = { topic, seq, id, schemaVersion, ...defined({ keySeq }) };
      return duplicate ? { ...place, duplicate } : { ...place, ...defined({ expiresAt }) };
    }),
  };
}
