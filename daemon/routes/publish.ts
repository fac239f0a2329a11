/**
 * `POST /v1/topics/{topic}/events`.
 *
 * Pipelined requests on one connection keep their order: each waits until the previous one has
 * passed on its last line. After a stop, nothing after it on that connection is stored.
 */
import { LARGEST_JSON_BODY } from "../../core/event/limits.ts";
import { EventRefusedError, EvsError, InvalidArgumentError } from "../../core/base/errors.ts";
import { inTurns } from "../../core/base/in_turns.ts";
import { atElement, onTheWhole } from "../../core/broker/element_error.ts";
import type { NewEvent } from "../../core/event/event.ts";
import { parseJson, splitElements } from "../../core/json/json.ts";
import { assertStored } from "../../core/broker/expectation.ts";
import type { AppendRequest } from "../../core/store/store.ts";
import type { Schedule } from "../../core/event/schedule.ts";
import { readBinaryCloudEvent } from "../ingest/binary_cloud_event.ts";
import { appendDistinct, distinctIds, knownIds } from "../ingest/distinct_sources.ts";
import { EventDecoder, type EventDecoderOptions, type OneEvent } from "../ingest/decode_event.ts";
import { badByteOf } from "../../core/json/utf8.ts";
import type { Reply } from "../http/reply.ts";
import { readBody, type RouteRequest, sendJson } from "../http/router.ts";
import { type CloudMode, cloudModeOf, notABatch, refuseOwnParameters } from "./cloud_events.ts";
import { isLines, publishLines } from "./publish_lines.ts";
import { plainEvent, sendStored, storeOne } from "./publish_one.ts";
import { type PublishParameters, publishParameters, traceOf } from "./publish_options.ts";
import { assertNoSchedule, publishLater, scheduleIn } from "./publish_later.ts";
import { PublishTally } from "./publish_tally.ts";
import { type ConnectionTurn, turnOf } from "./publish_turn.ts";

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
/** Elements of an array that are checked together, before everything else has its turn. */
const TOGETHER = 100;

/** Handles one publish. */
export async function publish(request: RouteRequest, reply: Reply): Promise<void> {
  const { raw, query, services } = request;
  let held: ConnectionTurn | undefined;
  try {
    const options = publishParameters(query, traceOf(raw));
    const turn = turnOf(raw.connection);
    const before = turn.enter();
    held = turn;
    if (before) await before;
    // The response that stopped it closes the connection. It may still be waiting for the lines
    // before the refused one to be durable: closing here would lose it.
    if (turn.stopped) return;
    const type = raw.header("content-type");
    const mode = cloudModeOf(raw, type);
    if (mode !== undefined) refuseOwnParameters(query);
    if (mode === "lines" || (mode === undefined && isLines(options, type))) {
      held = undefined;
      return await linesInTurn(request, reply, {
        ...options,
        cloudEvents: mode === "lines",
        turn,
      });
    }
    if (mode === undefined) {
      const { body } = raw;
      if (!body.isComplete && !body.hasPieces) await body.arrival();
      const event = plainEvent(request, options);
      if (event !== undefined) {
        const outcome = await storeOne(request, event, options.expected);
        return sendStored(reply, { request, event, outcome });
      }
    }
    await publishJson(request, reply, { ...options, mode });
  } catch (error) {
    if (error instanceof EvsError) services.metrics.refuse(error.code);
    throw error;
  } finally {
    held?.leave();
  }
}

/** It leaves its turn when all of its lines have been passed on. */
async function linesInTurn(
  request: RouteRequest,
  reply: Reply,
  options: PublishParameters & { cloudEvents: boolean; turn: ConnectionTurn },
): Promise<void> {
  let isHeld = true;
  const leave = () => {
    if (isHeld) options.turn.leave();
    isHeld = false;
  };
  try {
    await publishLines(request, reply, {
      ...options,
      decoder: decoderFor(request, request.params["topic"]!, options),
      handedDown: leave,
    });
  } finally {
    leave();
  }
}

/** A decoder of events for a topic. */
export function decoderFor(
  request: RouteRequest,
  topic: string,
  options: EventDecoderOptions,
): EventDecoder {
  const { broker, ids } = request.services;
  return new EventDecoder(options, {
    admit: (candidate) => broker.admit(topic, candidate),
    nextId: (now) => ids.next(now),
    now: () => Date.now(),
    stamp: (event) => broker.expiry.stamp(event),
    maxEventBytes: request.services.maxEventBytes,
  });
}

/** The parameters of a publish that is read as a whole. */
interface JsonOptions extends PublishParameters {
  mode: CloudMode | undefined;
}

async function publishJson(
  request: RouteRequest,
  reply: Reply,
  options: JsonOptions,
): Promise<void> {
  const { services } = request;
  const topic = request.params["topic"]!;
  const under = services.broker.checkedUnder(topic);
  const { events: given, later } = await eventsIn(request, options, await readJsonBody(request));
  if (later !== undefined) {
    services.disk.admit();
    return sendJson(reply, 200, await publishLater(request, later));
  }
  const tally = new PublishTally();
  const isCloud = options.mode !== undefined;
  const events = isCloud
    ? await inTurns(distinctIds(given, knownIds(topic, services.broker)))
    : given;
  tally.lines = events.length;
  if (options.id !== undefined && events.length !== 1) {
    throw new InvalidArgumentError("id goes with one event", { details: { parameter: "id" } });
  }
  if (events.length > 0) {
    services.disk.admit();
    const append = (request: AppendRequest) => services.broker.append(request);
    const outcome = assertStored(
      topic,
      await append({ topic, events, expected: options.expected, ...(under ? { under } : {}) }),
    );
    const stored = isCloud
      ? await appendDistinct({ events, outcome }, {
        topic,
        store: services.broker.store,
        append,
      })
      : [{ events, outcome }];
    for (const part of stored) tally.addEvents(part.events, part.outcome);
  }
  sendJson(reply, 200, tally.reply(services.broker.isDurable(topic)));
}

/** What a body has: events to store now, or one to publish later. */
interface Given {
  events: NewEvent[];
  later?: OneEvent & { schedule: Schedule };
}

async function eventsIn(
  request: RouteRequest,
  options: JsonOptions,
  body: Uint8Array,
): Promise<Given> {
  const { mode, line } = options;
  const decoder = decoderFor(request, request.params["topic"]!, {
    ...options,
    cloudEvents: mode !== undefined,
  });
  if (mode !== undefined) assertNoSchedule(options);
  if (mode === "binary") {
    return {
      events: [decoder.cloudEvent(readBinaryCloudEvent(request.raw.headers(), body))],
    };
  }
  const text = onTheWhole(() => textOf(body));
  const isArray = /^[ \t\r\n]*\[/.test(text);
  if (mode === "batch" && !isArray) {
    parseJson(text);
    throw notABatch();
  }
  // With a type the body is one bare payload, even if it is an array; without one, an array is
  // several envelopes.
  if (isArray && options.type === undefined && mode !== "structured") {
    assertNoSchedule(options);
    return { events: await inTurns(arrayEvents(decoder, { text, body })) };
  }
  if (mode !== undefined) return { events: [decoder.event(line, text, trimmed(text, body))] };
  const one = decoder.one(text, trimmed(text, body));
  const schedule = scheduleIn(options, one);
  return schedule === undefined
    ? { events: [request.services.broker.expiry.stamp(one.event)] }
    : { events: [], later: { ...one, schedule } };
}

/**
 * All or nothing: every element is checked, and the first fault refuses the array. In steps, so that
 * a large array holds up nothing else.
 */
function* arrayEvents(
  decoder: EventDecoder,
  source: { text: string; body: Uint8Array },
): Generator<undefined, NewEvent[], undefined> {
  const events: NewEvent[] = [];
  for (const { text, bytes } of onTheWhole(() => splitElements(source.text, source.body))) {
    if (events.length > 0 && events.length % TOGETHER === 0) yield undefined;
    const number = events.length + 1;
    events.push(atElement(number, () => decoder.event(number, text, bytes)));
  }
  return events;
}

const SEND_LINES = "send NDJSON (content-type: application/x-ndjson), which is stored line by line";

/** The body; throws `EventRefusedError` if it is too large, with this hint. */
export function readJsonBody(
  request: RouteRequest,
  { hint = SEND_LINES }: { hint?: string } = {},
): Promise<Uint8Array> {
  return readBody(request, {
    limit: LARGEST_JSON_BODY,
    tooLong: (limit) =>
      new EventRefusedError(
        "event/too-large",
        `the body is longer than ${limit} bytes; nothing was stored`,
        {
          details: { limit },
          hint,
        },
      ),
  });
}

/** The text of a body; throws `EventRefusedError` if it is not UTF-8. */
export function textOf(body: Uint8Array): string {
  try {
    return decoder.decode(body);
  } catch (cause) {
    const offset = badByteOf(body);
    throw new EventRefusedError(
      "event/invalid-utf8",
      `byte ${offset + 1} of the body is not UTF-8`,
      {
        details: { offset },
        cause,
      },
    );
  }
}

/** The body without the white space around its value, which is not part of the payload. */
function trimmed(text: string, body: Uint8Array): Uint8Array {
  const before = /^[ \t\r\n]*/.exec(text)![0].length;
  let end = body.length;
  while (end > before && [0x20, 0x09, 0x0a, 0x0d].includes(body[end - 1]!)) end--;
  return body.subarray(before, end);
}
