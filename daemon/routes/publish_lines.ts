/**
 * A publish of NDJSON: lines are taken as they arrive.
 *
 * What has come goes down as one append, at once while nothing of this connection is under way,
 * else when that is done or when enough has come together: group commit begins at the connection.
 * Bare payloads that nobody has to look at go down packed (daemon/ingest/line_packer.ts), others as
 * events.
 */
import type http from "node:http";
import { eventBytes } from "../../core/event/event_size.ts";
import { EventRefusedError, EvsError, InvalidArgumentError } from "../../core/base/errors.ts";
import { assertStored } from "../../core/broker/expectation.ts";
import {
  countOf,
  idsOf,
  payloadBytesOf,
  type StoreRequest,
  versionsOf,
} from "../../core/store/pack.ts";
import type { PublishStream } from "../../core/store/journal.ts";
import type { EventDecoder } from "../ingest/decode_event.ts";
import { LineDecoder } from "../ingest/decode_lines.ts";
import { bodyOf, isLogged, isUnexpected, type RouteRequest, sendJson } from "../http/router.ts";
import { countGarbage } from "../memory/scavenge.ts";
import type { PublishParameters } from "./publish_options.ts";
import { oneRequest, tagged } from "./publish_batch.ts";
import { PublishTally } from "./publish_tally.ts";

/** What an envelope may add to its payload. */
const ENVELOPE_ROOM = 64 * 1024;
/**
 * Bytes of one connection that go down together though others are under way: a commit costs less
 * the more it carries.
 */
const ENOUGH = 1024 * 1024;
/**
 * Bytes handed down and not yet durable, at which a connection is read no further: enough for one
 * append that is synced and the next one that is written meanwhile.
 */
const MAX_IN_FLIGHT = 6 * 1024 * 1024;
/** The same while many publish at once: what all of them together hold is bounded. */
const FAIR_SHARE = 768 * 1024;
const SHARED = 24 * 1024 * 1024;

/** The largest request that is stored as a whole, bytes: it is held until its end. */
const LARGEST_BATCH = 32 * 1024 * 1024;

/** Bytes of all connections, handed down and not yet durable. */
let allInFlight = 0;

/** True for a connection that has to wait until some of its bytes are durable. */
export function mustWait(own: number, all: number): boolean {
  return own > MAX_IN_FLIGHT || (own > FAIR_SHARE && all > SHARED);
}

/** The publishes of one connection. */
export interface ConnectionTurn {
  /** Resolves when the last publish has handed down all that it will. */
  last: Promise<void>;
  stream: PublishStream;
  stopped: boolean;
  /** Bytes handed down and not yet durable. */
  bytes: number;
  inFlight: Set<Promise<void>>;
  /** Called when nothing is in flight any more: what came meanwhile waits for no more bytes. */
  idle: () => void;
}

/** The turn of a connection that has published nothing yet. */
export function newTurn(): ConnectionTurn {
  return {
    last: Promise.resolve(),
    stream: {},
    stopped: false,
    bytes: 0,
    inFlight: new Set(),
    idle: () => {},
  };
}

/** A publish as it is asked for, and where it stands among those of its connection. */
export interface LinesOptions extends PublishParameters {
  turn: ConnectionTurn;
  decoder: EventDecoder;
  /** To be called when all of this publish is handed down. */
  handedDown: () => void;
}

/**
 * The longest line: what goes along with each payload counts too, and an envelope has room for its
 * own words.
 */
function lineLimit(most: number, { type, key, metadata }: LinesOptions): number {
  if (type === undefined) return most + ENVELOPE_ROOM;
  return Math.max(0, most - eventBytes({ type, key, metadata, payload: 0 }));
}

/** Handles one publish of NDJSON. */
export async function publishLines(
  request: RouteRequest,
  reply: http.ServerResponse,
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
  if (
    options.batch !== undefined && (options.type === undefined || options.idPrefix !== undefined)
  ) {
    throw new InvalidArgumentError("batch goes with a type and without ids of one's own", {
      details: { parameter: "batch" },
    });
  }
  await new LinesPublish(request, options).run(reply);
}

/** One of them while it runs. */
class LinesPublish {
  readonly #request: RouteRequest;
  readonly #turn: ConnectionTurn;
  readonly #handedDown: () => void;
  readonly #tally = new PublishTally();
  readonly #lines: LineDecoder;
  readonly #inFlight = new Set<Promise<void>>();
  readonly #batch: string | undefined;
  #failure: unknown;

  constructor(request: RouteRequest, options: LinesOptions) {
    const { services } = request;
    const { turn, handedDown, decoder, onError, schemaVersion: version } = options;
    const topic = request.params["topic"]!;
    this.#request = request;
    this.#batch = options.batch;
    this.#turn = turn;
    this.#handedDown = handedDown;
    this.#lines = new LineDecoder({
      topic,
      options,
      decoder,
      ids: services.ids,
      now: () => Date.now(),
      limit: lineLimit(services.maxEventBytes, options),
      firstLine: options.line,
      unchecked: (type) => services.broker.gate.unchecked(topic, { type, version }),
      refuse: (line, error) => {
        this.#tally.refuse(line, error);
        services.metrics.refused++;
        if (isLogged(error)) services.unexpected(error, `checking line ${line}`);
        return onError === "skip";
      },
    });
  }

  async run(reply: http.ServerResponse): Promise<void> {
    const turn = this.#turn;
    const lines = this.#lines;
    turn.idle = () => {
      if (this.#batch === undefined) this.#handDown();
    };
    let isWhole = false;
    try {
      for await (const chunk of bodyOf(this.#request)) {
        lines.push(chunk);
        countGarbage(chunk.length);
        if (this.#batch !== undefined) this.#assertHoldable();
        else if (turn.inFlight.size === 0 || lines.bytes >= ENOUGH) this.#handDown();
        if (lines.ended || this.#failure !== undefined) break;
        while (mustWait(turn.bytes, allInFlight)) await Promise.race(turn.inFlight);
      }
      lines.end();
      isWhole = true;
    } catch (error) {
      // The daemon stops: what has come whole is stored, and the answer says how much that was.
      if (!(error instanceof EvsError && error.code === "daemon/stopping")) throw error;
      this.#failure ??= error;
    }
    if (this.#batch === undefined) this.#handDown();
    else if (isWhole && this.#failure === undefined) this.#handDownBatch(this.#batch);
    // What comes behind a batch that is not stored must not be stored before it.
    else turn.stopped = true;
    if (lines.ended) turn.stopped = true;
    this.#handedDown();
    await Promise.all(this.#inFlight);
    this.#tally.lines = lines.lines;
    if (this.#failure instanceof EvsError && isUnexpected(this.#failure)) {
      // It is answered with what was stored before it, so nobody behind this tells of it.
      this.#request.services.unexpected(this.#failure, "publishing lines");
    }
    answerLines(reply, {
      tally: this.#tally,
      failure: this.#failure,
      stopped: lines.ended,
      durable: this.#request.services.broker.isDurable(this.#request.params["topic"]!),
    });
  }

  #handDown(): void {
    for (const request of this.#lines.take()) this.#append(request);
  }

  /** All of it at once: it is stored as a whole or not at all. */
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

  #append(request: StoreRequest): void {
    const turn = this.#turn;
    const size = payloadBytesOf(request);
    const count = countOf(request);
    // Asked for now: a packed request is gone once it is handed down.
    const ids = this.#tally.lists(count) ? idsOf(request) : undefined;
    const versions = versionsOf(request);
    turn.bytes += size;
    allInFlight += size;
    const { broker, disk } = this.#request.services;
    const appended: Promise<void> = disk.admitted(() => broker.append(request, turn.stream))
      .then((outcome) => {
        const done = assertStored(this.#request.params["topic"]!, outcome);
        this.#tally.add({ count, ids, versions }, done);
      })
      .catch((error) => {
        disk.note(error);
        this.#failure ??= error;
      })
      .finally(() => {
        turn.bytes -= size;
        allInFlight -= size;
        this.#inFlight.delete(appended);
        turn.inFlight.delete(appended);
        if (turn.inFlight.size === 0) turn.idle();
      });
    this.#inFlight.add(appended);
    turn.inFlight.add(appended);
  }
}

function answerLines(
  reply: http.ServerResponse,
  result: { tally: PublishTally; failure: unknown; stopped: boolean; durable: boolean },
): void {
  const { tally, failure, stopped, durable } = result;
  const body = tally.reply(durable);
  if (failure !== undefined) {
    if (!(failure instanceof EvsError)) throw failure;
    reply.shouldKeepAlive = false;
    return sendJson(reply, failure.status, { ...body, error: failure.toBody() });
  }
  if (!stopped) return sendJson(reply, 200, body);
  const { line, ...error } = body.refused.at(-1)!;
  reply.shouldKeepAlive = false;
  sendJson(reply, error.code === "event/too-large" ? 413 : 422, {
    ...body,
    error: { ...error, message: `line ${line}: ${error.message}` },
  });
}
