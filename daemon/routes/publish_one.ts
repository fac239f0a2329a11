/**
 * A publish of one bare payload of which only its being JSON is checked: what most small requests
 * are. It takes no object that several requests can share, and no parsing of what nobody reads;
 * everything else goes the way of daemon/routes/publish.ts, which says the same of such a payload.
 */
import { assertEventSize } from "../../core/event/event_size.ts";
import type { NewEvent } from "../../core/event/event.ts";
import { assertStored } from "../../core/broker/expectation.ts";
import type { AppendOutcome, Expected } from "../../core/store/store.ts";
import { scannedPayload } from "../ingest/payload_slab.ts";
import type { Reply } from "../http/reply.ts";
import { type RouteRequest, sendJson } from "../http/router.ts";
import type { PublishParameters } from "./publish_options.ts";
import { PublishTally } from "./publish_tally.ts";

export type Stored = Extract<AppendOutcome, { ok: true }>;

/** The largest body that is looked at here, bytes. */
const MOST = 4096;

/**
 * The event; undefined if it takes more to know it. The body is taken only if it is known. Throws
 * what {@link EventDecoder} throws.
 */
export function plainEvent(
  { raw, params, services }: Pick<RouteRequest, "raw" | "params" | "services">,
  options: PublishParameters,
): NewEvent | undefined {
  const { type, keyPointer, schedule, idPrefix, key, id, metadata, ttlMs } = options;
  if (type === undefined || (keyPointer ?? schedule ?? idPrefix) !== undefined) return;
  const { broker, ids, maxEventBytes } = services;
  const version = options.schemaVersion;
  const schemaVersion = broker.gate.unchecked(params["topic"]!, { type, version });
  if (schemaVersion === undefined) return;
  const body = raw.body.peekWhole(MOST);
  const payload = body && scannedPayload(body);
  if (payload === undefined) return;
  raw.body.drop();
  assertEventSize({ type, key, id, metadata, payload }, maxEventBytes);
  const timestamp = Date.now();
  return broker.expiry.stamp({
    id: id ?? ids.next(timestamp),
    idGiven: id !== undefined,
    type,
    timestamp,
    schemaVersion,
    key,
    ttlMs,
    metadata,
    payload,
  });
}

/** Stores it, if that is what its topic is expected to take. */
export function storeOne(
  { params, services: { broker, disk } }: RouteRequest,
  event: NewEvent,
  expected: Expected | undefined,
): Promise<AppendOutcome> {
  disk.admit();
  return broker.append({ topic: params["topic"]!, events: [event], expected });
}

/** Answers what has become of it. */
export function sendStored(
  reply: Reply,
  { request: { params, services: { broker } }, event, outcome }: {
    request: Pick<RouteRequest, "params" | "services">;
    event: NewEvent;
    outcome: AppendOutcome;
  },
): void {
  const topic = params["topic"]!;
  const stored = assertStored(topic, outcome);
  const isDurable = broker.isDurable(topic);
  if (stored.count === 1 && stored.duplicates.length === 0) {
    return reply.send(200, {
      type: "application/json",
      body: storedText(event, stored, isDurable),
    });
  }
  const tally = new PublishTally();
  tally.lines = 1;
  tally.addEvents([event], stored);
  sendJson(reply, 200, tally.reply(isDurable));
}

/** What {@link PublishTally} says of one event that was not there before, as JSON. */
export function storedText(
  { id, schemaVersion, expiresAt }: Pick<NewEvent, "id" | "schemaVersion" | "expiresAt">,
  { firstSeq: seq, keySeqs }: Pick<Stored, "firstSeq"> & Partial<Pick<Stored, "keySeqs">>,
  isDurable: boolean,
): string {
  const keySeq = keySeqs?.[0] || undefined;
  return `{"count":1,"duplicates":0,"firstSeq":${seq},"lastSeq":${seq},"durable":${isDurable},` +
    `"lines":1,"events":[{"seq":${seq},"id":${JSON.stringify(id)},` +
    `"schemaVersion":${JSON.stringify(schemaVersion)}${
      keySeq === undefined ? "" : `,"keySeq":${keySeq}`
    }${expiresAt === undefined ? "" : `,"expiresAt":${expiresAt}`}}],"refused":[]}\n`;
}
