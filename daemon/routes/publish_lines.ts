/**
 * A publish of NDJSON: lines are processed as they arrive.
 *
 * What has arrived is appended together: at once while nothing else of this connection is in
 * progress, otherwise when that is done or when enough has accumulated. Group commit thus starts at
 * the connection. Bare payloads that need no inspection are passed on packed
 * (daemon/ingest/line_packer.ts), others as events.
 */
import { orFailed } from "../http/failed_error.ts";
import { moduleState } from "../../core/base/module_state.ts";
import { turn as otherWork } from "../../core/base/in_turns.ts";
import { eventBytes } from "../../core/event/event_size.ts";
import { EventRefusedError, EvsError, InvalidArgumentError } from "../../core/base/errors.ts";
import { assertStored } from "../../core/broker/expectation.ts";
import {
  countOf,
  expiresOf,
  idsOf,
  isPacked,
  payloadBytesOf,
  type StoreRequest,
  versionsOf,
} from "../../core/store/pack.ts";
import type { AppendOutcome, AppendRequest } from "../../core/store/store.ts";
import type { EventDecoder } from "../ingest/decode_event.ts";
import { appendDistinct, distinctIds, knownIds } from "../ingest/distinct_sources.ts";
import { LineDecoder } from "../ingest/decode_lines.ts";
import type { Reply } from "../http/reply.ts";
import { bodyOf, isLogged, isUnexpected, type RouteRequest, sendJson } from "../http/router.ts";
import { countGarbage } from "../memory/scavenge.ts";
import type { PublishParameters } from "./publish_options.ts";
import { oneRequest, tagged } from "./publish_batch.ts";
import { PublishTally } from "./publish_tally.ts";
import type { ConnectionTurn } from "./publish_turn.ts";

/** What an envelope may add to its payload. */
const ENVELOPE_ROOM = 64 * 1024;
/**
 * Bytes of one connection that are appended together even while other appends are in progress: a
 * commit is cheaper per byte the more it contains.
 */
const ENOUGH = 1024 * 1024;
/** The same of CloudEvents, whose ids are looked up: that takes longer than everything else. */
const ENOUGH_CLOUD_EVENTS = 32 * 1024;
/**
 * Bytes passed on and not yet durable at which a connection is read no further: enough for one
 * append being synced and the next one being written.
 */
const MAX_IN_FLIGHT = 6 * 1024 * 1024;
/** The same while many publish at once: the total of all connections is limited. */
const FAIR_SHARE = 768 * 1024;
const SHARED = 24 * 1024 * 1024;

/** The largest request that is stored as a whole, bytes: it is buffered until its end. */
const LARGEST_BATCH = 32 * 1024 * 1024;

/**
 * Refusing a line takes far longer than accepting one. After a chunk with more refused lines than
 * this, the next one is read in pieces of this many bytes, and other work gets a turn after each
 * (contract row 25).
 */
const MANY_REFUSED = 100;
const SMALL_PIECE = 1024;

const LINES = /^application\/x-ndjson\b/i;

/** Bytes of all connections that were passed on and are not yet durable. */
const all = moduleState(() => ({ inFlight: 0 }));

/** True if a connection has to wait until some of its bytes are durable. */
export function mustWait(own: number, all: number): boolean {
  return own > MAX_IN_FLIGHT || (own > FAIR_SHARE && all > SHARED);
}

/** A publish request, and its place among those of its connection. */
export interface LinesOptions extends PublishParameters {
  turn: ConnectionTurn;
  decoder: EventDecoder;
  /** Call it when all of this publish has been passed on. */
  handedDown: () => void;
}

/**
 * The longest line: what is added to each payload counts, too, and an envelope has its own members.
 */
function lineLimit(most: number, { type, key, metadata }: LinesOptions): number {
  if (type === undefined) return most + ENVELOPE_ROOM;
  return Math.max(0, most - eventBytes({ type, key, metadata, payload: 0 }));
}

/** True for a body of lines, each of which is an event. */
export function isLines({ text }: PublishParameters, contentType: string | undefined): boolean {
  return text === true || (contentType !== undefined && LINES.test(contentType));
}

/** Handles one publish of NDJSON. */
export async function publishLines(
  request: RouteRequest,
  reply: Reply,
  options: LinesOptions,
): Promise<void> {
  if (options.expected !== undefined) {
    throw new InvalidArgumentError("expected goes with one event or one array, not with NDJSON", {
      details: { parameter: "expected" },
    });
  }
  if (options.id !== undefined) {
    throw new InvalidArgumentError("id goes with one event; for NDJSON use idPrefix", {
      details: { parameter: "id" },
    });
  }
  if (options.schedule !== undefined) {
    throw new InvalidArgumentError("delayMs and at go with one event, not with NDJSON", {
      details: { parameter: options.schedule.at === undefined ? "delayMs" : "at" },
    });
  }
  if (
    options.batch !== undefined && (options.type === undefined || options.idPrefix !== undefined)
  ) {
    throw new InvalidArgumentError("batch goes with a type and without ids of one's own", {
      details: { parameter: "batch" },
    });
  }
  if (options.text && (options.type === undefined || options.keyPointer !== undefined)) {
    throw new InvalidArgumentError(
      "text goes with a type and without keyPointer: a text has no members",
      { hint: "?type=TYPE&text=lines", details: { parameter: "text" } },
    );
  }
  await new LinesPublish(request, options).run(reply);
}

/** One NDJSON publish while it runs. */
class LinesPublish {
  readonly #request: RouteRequest;
  readonly #turn: ConnectionTurn;
  readonly #handedDown: () => void;
  readonly #tally = new PublishTally();
  readonly #lines: LineDecoder;
  readonly #inFlight = new Set<Promise<void>>();
  readonly #batch: string | undefined;
  readonly #cloudEvents: boolean;
  #failure: unknown;

  constructor(request: RouteRequest, options: LinesOptions) {
    const { services } = request;
    const { turn, handedDown, decoder, onError, schemaVersion: version } = options;
    const topic = request.params["topic"]!;
    this.#request = request;
    this.#batch = options.batch;
    this.#cloudEvents = options.cloudEvents === true;
    this.#turn = turn;
    this.#handedDown = handedDown;
    this.#lines = new LineDecoder({
      topic,
      options,
      decoder,
      ids: services.ids,
      now: () => Date.now(),
      expiryNow: () => services.broker.expiry.now(),
      limit: lineLimit(services.maxEventBytes, options),
      firstLine: options.line,
      text: options.text,
      unchecked: (type) => services.broker.gate.unchecked(topic, { type, version }),
      under: () => services.broker.checkedUnder(topic),
      refuse: (line, error) => {
        this.#tally.refuse(line, error);
        this.#turn.refused++;
        services.metrics.refuse(error.code);
        if (isLogged(error)) services.unexpected(error, `checking line ${line}`);
        return onError === "skip";
      },
    });
  }

  async #pushInPieces(chunk: Uint8Array): Promise<void> {
    for (let at = 0; at < chunk.length && !this.#lines.ended; at += SMALL_PIECE) {
      this.#lines.push(chunk.subarray(at, at + SMALL_PIECE));
      await otherWork();
    }
  }

  async run(reply: Reply): Promise<void> {
    const turn = this.#turn;
    const lines = this.#lines;
    turn.idle = () => {
      if (this.#batch === undefined) this.#handDown();
    };
    const enough = this.#cloudEvents ? ENOUGH_CLOUD_EVENTS : ENOUGH;
    let isWhole = false;
    try {
      for await (const chunk of bodyOf(this.#request)) {
        const isBad = turn.refused > MANY_REFUSED;
        turn.refused = 0;
        if (isBad) await this.#pushInPieces(chunk);
        else lines.push(chunk);
        countGarbage(chunk.length);
        if (this.#batch !== undefined) this.#assertHoldable();
        else if (turn.inFlight.size === 0 || lines.bytes >= enough) this.#handDown();
        if (lines.ended || this.#failure !== undefined) break;
        while (mustWait(turn.bytes, all().inFlight)) await Promise.race(turn.inFlight);
      }
      lines.end();
      isWhole = true;
    } catch (error) {
      // The daemon is stopping: complete lines are stored, and the response says how many.
      if (!(error instanceof EvsError && error.code === "daemon/stopping")) throw error;
      this.#failure ??= error;
    }
    if (this.#batch === undefined) this.#handDown();
    else if (isWhole && this.#failure === undefined) this.#handDownBatch(this.#batch);
    // What follows a batch that was not stored must not be stored, either.
    else turn.stopped = true;
    if (lines.ended) turn.stopped = true;
    this.#handedDown();
    await Promise.all(this.#inFlight);
    this.#tally.lines = lines.lines;
    if (this.#failure instanceof EvsError) {
      this.#request.services.metrics.refuse(this.#failure.code);
    }
    if (this.#failure instanceof EvsError && isUnexpected(this.#failure)) {
      // The response reports only what was stored before it, so nothing else would report this
      // failure.
      this.#request.services.unexpected(this.#failure, "publishing lines");
    }
    answerLines(reply, {
      tally: this.#tally,
      failure: orFailed(this.#failure, this.#request.services),
      stopped: lines.ended,
      durable: this.#request.services.broker.isDurable(this.#request.params["topic"]!),
    });
  }

  #handDown(): void {
    for (const request of this.#lines.take()) this.#append(request);
  }

  /** Passes on all of it at once: it is stored as a whole or not at all. */
  #handDownBatch(tag: string): void {
    const request = oneRequest(this.#lines.take());
    if (request !== undefined) this.#append(tagged(request, tag));
  }

  #assertHoldable(): void {
    if (this.#lines.bytes <= LARGEST_BATCH) return;
    this.#failure ??= new EventRefusedError(
      "event/too-large",
      `the batch is longer than ${LARGEST_BATCH} bytes`,
      { details: { limit: LARGEST_BATCH }, hint: "send smaller batches" },
    );
  }

  #append(given: StoreRequest): void {
    const request = this.#cloudEvents ? this.#distinct(given) : given;
    const turn = this.#turn;
    const size = payloadBytesOf(request);
    const count = countOf(request);
    // Read now: a packed request is gone once it has been passed on.
    const ids = this.#tally.lists(count) ? idsOf(request) : undefined;
    const versions = versionsOf(request);
    const expires = ids && expiresOf(request);
    turn.bytes += size;
    all().inFlight += size;
    const { broker, disk } = this.#request.services;
    const appended: Promise<void> = disk.admitted(() => broker.append(request, turn.stream))
      .then((outcome) => {
        const done = assertStored(this.#request.params["topic"]!, outcome);
        if (this.#cloudEvents && !isPacked(request)) return this.#addDistinct(request, done);
        this.#tally.add({ count, ids, versions, expires }, done);
      })
      .catch((error) => {
        disk.note(error);
        this.#failure ??= error;
      })
      .finally(() => {
        turn.bytes -= size;
        all().inFlight -= size;
        this.#inFlight.delete(appended);
        turn.inFlight.delete(appended);
        if (turn.inFlight.size === 0) turn.idle();
      });
    this.#inFlight.add(appended);
    turn.inFlight.add(appended);
  }

  #distinct(request: StoreRequest): StoreRequest {
    if (isPacked(request)) return request;
    const { topic, events, under } = request;
    const known = knownIds(topic, this.#request.services.broker);
    const steps = distinctIds(events, known);
    // At once: the next lines must not overtake these. They are few.
    for (;;) {
      const { done, value } = steps.next();
      if (done) return { topic, events: value, ...(under ? { under } : {}) };
    }
  }

  async #addDistinct(
    { topic, events }: AppendRequest,
    outcome: Extract<AppendOutcome, { ok: true }>,
  ): Promise<void> {
    const { broker } = this.#request.services;
    const stored = await appendDistinct({ events, outcome }, {
      topic,
      store: broker.store,
      append: (request) => broker.append(request, this.#turn.stream),
    });
    for (const part of stored) this.#tally.addEvents(part.events, part.outcome);
  }
}

function answerLines(
  reply: Reply,
  result: { tally: PublishTally; failure: unknown; stopped: boolean; durable: boolean },
): void {
  const { tally, failure, stopped, durable } = result;
  const body = tally.reply(durable);
  if (failure !== undefined) {
    if (!(failure instanceof EvsError)) throw failure;
    reply.keepAlive = false;
    return sendJson(reply, failure.status, { ...body, error: failure.toBody() });
  }
  if (!stopped) return sendJson(reply, 200, body);
  const { line, ...error } = body.refused.at(-1)!;
  reply.keepAlive = false;
  sendJson(reply, error.code === "event/too-large" ? 413 : 422, {
    ...body,
    error: { ...error, message: `line ${line}: ${error.message}` },
  });
}
