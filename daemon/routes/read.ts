/**
 * `GET /v1/topics/{topic}/events` and `GET /v1/events?topic=…`: stored events and, with `follow`,
 * new ones; as NDJSON, or as server-sent events if the client asks for them.
 */
import { systemClock } from "../../core/base/clock.ts";
import { inTurns } from "../../core/base/in_turns.ts";
import {
  allReady,
  isPromise,
  type MaybePromise,
  whenReady,
} from "../../core/base/maybe_promise.ts";
import { InvalidArgumentError } from "../../core/base/errors.ts";
import { MOST_NAMES, MOST_POSITIONS } from "../../core/event/limits.ts";
import { toWireLine } from "../../core/event/event.ts";
import { compileFilter } from "../../core/filter/filter.ts";
import {
  type Offset,
  type OffsetView,
  parseOffset,
  readerStart,
  resolveOffset,
} from "../../core/event/offset.ts";
import {
  lastOf,
  linesOf,
  type Pages,
  type Range,
  type Render,
  replay,
  type ReplayQuery,
  type Selection,
} from "../../core/reading/replay.ts";
import { findEvent, noSuchEvent } from "../../core/reading/find_event.ts";
import { type Missed, missedLine } from "../../core/reading/missed.ts";
import { newestPerKey } from "../../core/reading/newest_per_key.ts";
import { replayBack } from "../../core/reading/replay_back.ts";
import { SSE_HEARTBEAT_MS } from "../../core/protocol/heartbeat.ts";
import { assertTopicName, compilePattern, isPattern } from "../../core/event/topic_options.ts";
import { drainingError } from "../http/draining_error.ts";
import { toCloudLine } from "../../core/event/cloud_event_text.ts";
import { Heartbeat } from "../http/heartbeat.ts";
import { LinesReply } from "../http/lines_reply.ts";
import type { Reply } from "../http/reply.ts";
import { type RouteRequest, sendBytes } from "../http/router.ts";
import { flag, flagIn, type Parameters, text, valueIn } from "../http/shape.ts";
import { missedSse, SSE_COMMENT, sseLines, sseRender } from "../http/sse.ts";
import {
  CLOUD_BATCH,
  CLOUD_EVENT,
  CLOUD_LINES,
  CloudBatch,
  cloudFormatOf,
  cloudLines,
} from "./cloud_events.ts";
import type { Tail } from "../../core/reading/tail.ts";
import { EventLimit, openTail, type Sending, sendNew } from "./follow.ts";
import { heartbeat, offset, readLimit, topicName, topicPosition, typeName } from "./shapes.ts";

/** The query parameters of a read, for one or more topics. */
export const readQuery: Parameters = {
  from: offset,
  to: offset,
  type: { shape: typeName, repeats: true },
  where: text,
  limit: readLimit,
  lastPerKey: flag,
  reverse: flag,
  follow: flag,
  heartbeat,
  missed: flag,
  except: topicName,
  after: { shape: topicPosition, repeats: true, most: MOST_POSITIONS },
};

interface Query extends Selection {
  /** Names and patterns, as requested. */
  asked: string[];
  /** A topic to leave out, whatever patterns match it. */
  except: string | undefined;
  from: Offset | undefined;
  to: Offset | undefined;
  limit: number | undefined;
  /** Of what is stored, only the newest event of each key. */
  lastPerKey: boolean;
  /** Newest first. */
  reverse: boolean;
  follow: boolean;
  /** Send a heartbeat after this long without anything else, ms. */
  heartbeatMs: number | undefined;
  /** The client wants notices about missed events. */
  missed: boolean;
  /** Maps each topic to the seq after which to read; with `reverse`, below which. */
  after: Map<string, number>;
  format: "wire" | "sse" | "lines" | "batch";
}

/** One event by its seq or id: `GET /v1/topics/{topic}/events/{event}`. */
export async function getEvent(request: RouteRequest, reply: Reply): Promise<void> {
  const { broker } = request.services;
  const topic = request.params["topic"]!;
  const wanted = request.params["event"]!;
  broker.topics.require(topic);
  const finding = findEvent(broker.store, topic, wanted);
  const event = isPromise(finding) ? await finding : finding;
  if (!event && broker.store.refresh) await broker.store.refresh([topic]);
  if (!event) throw noSuchEvent(broker.store, topic, wanted);
  if (cloudFormatOf(request.raw.header("accept")) !== "lines") {
    return sendBytes(reply, { status: 200, type: "application/json", bytes: toWireLine(event) });
  }
  sendBytes(reply, { status: 200, type: CLOUD_EVENT, bytes: toCloudLine(event) });
}

/** Reads the events of one or more topics. */
export async function readEvents(request: RouteRequest, reply: Reply): Promise<void> {
  const query = await queryOf(request);
  const { broker } = request.services;
  if (!query.follow) {
    for (const name of query.asked) if (!isPattern(name)) broker.topics.require(name);
  }
  const matches = matcherOf(query);
  const out = new LinesReply(reply);
  const positions = new Map<string, number>();
  const { type, begin, end, render: format, stateless } = writerOf(query, positions);
  const limited = limitOf(query, format);
  const render = limited ? limited.render : format;
  const ranges = await rangesOf(request, query, matches);
  const source = await sourceOf(request, query, ranges);
  const notices = new Notices(query, positions);
  const onMissed = (missed: Missed) => notices.add(missed);
  const beat = heartbeatOf(query, { out, isBusy: () => tail?.isTaking ?? false });
  const tail = query.follow
    ? openTail(broker, {
      out,
      beat,
      matches,
      positions: new Map(ranges.map(({ topic, to }) => [topic, to + 1])),
      ...selectionOf(query),
      ...(render ? { render } : {}),
      stateless,
      limited,
      onMissed,
    })
    : undefined;
  const done = tail && registered(tail, request);
  try {
    for (const { topic, from, to } of ranges) {
      positions.set(topic, query.reverse ? to + 1 : from - 1);
    }
    out.begin({
      "content-type": type,
      ...(ranges.length === 1 ? boundsOf(broker.store, ranges[0]!) : {}),
    });
    if (reply.isOver) return; // the head is all that was asked for
    if (begin) await out.write(begin);
    const stored = source({
      ranges,
      limit: query.limit,
      ...(render ? { render } : {}),
      onMissed,
    });
    const sending = { out, notices, beat, signal: request.signal };
    if (!await sendAllStored(stored, sending, () => request.isCut)) {
      // A replay that was cut short must not look like a complete one.
      reply.abort();
      return;
    }
    await notices.write(out);
    if (tail) await sendNew(tail, { ...sending, isOver: () => limited?.reached ?? false });
  } finally {
    beat?.close();
    done?.();
  }
  if (end) await out.write(end);
  out.end();
}

/** The limit of a reader that goes on; the one of others is in what they read. */
function limitOf({ follow, limit }: Query, format: Render | undefined): EventLimit | undefined {
  return follow && limit !== undefined ? new EventLimit(limit, format ?? linesOf) : undefined;
}

/** Counts a tail, and closes it when nobody waits for it any more. Returns what ends both. */
function registered(tail: Tail, { signal, services: { metrics } }: RouteRequest): () => void {
  const stop = () => tail.close();
  signal.addEventListener("abort", stop, { once: true });
  metrics.tails++;
  return () => {
    metrics.tails--;
    signal.removeEventListener("abort", stop);
    stop();
  };
}

/** How the events of a response are written. */
interface Writer {
  type: string;
  /** Absent: as wire lines. */
  render?: Render;
  /** What it makes of events depends on nothing else. */
  stateless: boolean;
  begin?: Uint8Array;
  end?: Uint8Array;
}

function writerOf({ format, asked }: Query, positions: Map<string, number>): Writer {
  if (format === "lines") return { type: CLOUD_LINES, render: cloudLines, stateless: true };
  if (format === "batch") {
    const { begin, end } = CloudBatch;
    return { type: CLOUD_BATCH, begin, end, render: new CloudBatch().render, stateless: false };
  }
  if (format === "wire") return { type: "application/x-ndjson", stateless: true };
  const stateless = asked.length === 1 && !isPattern(asked[0]!);
  const render = stateless ? sseLines : sseRender(positions);
  return { type: "text/event-stream", render, stateless };
}

const EMPTY_LINE = Uint8Array.of(0x0a);

function heartbeatOf(
  { heartbeatMs, format }: Query,
  { out, isBusy }: { out: LinesReply; isBusy: () => boolean },
): Heartbeat | undefined {
  if (heartbeatMs === undefined) return undefined;
  const bytes = format === "sse" ? SSE_COMMENT : EMPTY_LINE;
  return new Heartbeat({
    clock: systemClock,
    everyMs: heartbeatMs,
    send: () => out.write(bytes),
    isBusy,
  });
}

/** How to read what is stored. */
async function sourceOf(
  request: RouteRequest,
  query: Query,
  ranges: readonly Range[],
): Promise<(how: Omit<ReplayQuery, keyof Selection>) => Pages> {
  const { store } = request.services.broker;
  const selection = selectionOf(query);
  if (query.lastPerKey) {
    const newest = await inTurns(newestPerKey(store, { ranges, ...selection }), () => {
      if (request.isCut) throw drainingError();
    });
    return (how) => replay(newest, how);
  }
  const read = query.reverse ? replayBack : replay;
  return (how) => read(store, { ...how, ...selection });
}

/** Sends the pages as they come; false if the connection is cut before the last one. */
async function sendAllStored(
  stored: Pages,
  sending: Sending,
  isCut: () => boolean,
): Promise<boolean> {
  for (const bytes of stored) {
    if (isPromise(bytes)) await bytes;
    if (isCut()) return false;
    if (!isPromise(bytes)) await sendStored(bytes, sending);
  }
  return true;
}

async function sendStored(bytes: Uint8Array, { out, notices, beat }: Sending): Promise<void> {
  await notices.write(out);
  if (bytes.length > 0) beat?.sent();
  else await beat?.ifDue();
  await out.write(bytes);
}

/**
 * Notices about events that a reader missed. Only clients that ask for them get them among the
 * events.
 */
class Notices {
  readonly #line: ((missed: Missed) => Uint8Array) | undefined;
  readonly #positions: Map<string, number>;
  readonly #reverse: boolean;
  #waiting: Missed[] = [];

  constructor({ format, missed, reverse }: Query, positions: Map<string, number>) {
    this.#reverse = reverse;
    this.#positions = positions;
    this.#line = format === "sse"
      ? missedSse
      : missed && format !== "batch"
      ? missedLine
      : undefined;
  }

  add(missed: Missed): void {
    this.#positions.set(missed.topic, this.#reverse ? missed.from : missed.to);
    if (this.#line !== undefined) this.#waiting.push(missed);
  }

  async write(out: LinesReply): Promise<void> {
    for (const missed of this.#waiting.splice(0)) await out.write(this.#line!(missed));
  }
}

function selectionOf(query: Query): Selection {
  return {
    ...(query.types ? { types: query.types } : {}),
    ...(query.filter ? { filter: query.filter } : {}),
  };
}

async function queryOf(request: RouteRequest): Promise<Query> {
  const { query, params, raw } = request;
  const asked = params["topic"] === undefined ? query.getAll("topic") : [params["topic"]];
  if (asked.length > MOST_NAMES) {
    throw new InvalidArgumentError(`at most ${MOST_NAMES} topics at once`);
  }
  for (const name of asked) if (!isPattern(name)) assertTopicName(name);
  const types = query.getAll("type");
  if (types.length > MOST_NAMES) {
    throw new InvalidArgumentError(`at most ${MOST_NAMES} types at once`);
  }
  const follow = flagIn(query, "follow");
  const to = query.get("to");
  if (follow && to !== null) {
    throw new InvalidArgumentError("follow has no end: leave out to, or follow", {
      details: { parameter: "to" },
    });
  }
  const reverse = flagIn(query, "reverse");
  const lastPerKey = flagIn(query, "lastPerKey");
  checkReverse({ reverse, follow, lastPerKey });
  const format = formatOf(raw.header("accept"), follow);
  const where = query.get("where");
  const from = query.get("from");
  const lastSeen = raw.header("last-event-id");
  const after = query.getAll("after").concat(
    lastSeen === undefined ? [] : lastSeen.split(","),
  );
  return {
    asked,
    except: query.get("except") ?? undefined,
    from: from === null ? undefined : parseOffset(from),
    to: to === null ? undefined : parseOffset(to),
    ...(types.length > 0 ? { types } : {}),
    ...(where === null ? {} : { filter: await compileFilter(where) }),
    limit: valueIn(query, { name: "limit", shape: readLimit }),
    lastPerKey,
    reverse,
    follow,
    heartbeatMs: valueIn(query, { name: "heartbeat", shape: heartbeat }) ??
      (follow && format === "sse" ? SSE_HEARTBEAT_MS : undefined),
    missed: flagIn(query, "missed"),
    after: afterOf(after),
    format,
  };
}

function formatOf(accept: string | undefined, follow: boolean): Query["format"] {
  if (/\btext\/event-stream\b/.test(accept ?? "")) return "sse";
  const format = cloudFormatOf(accept) ?? "wire";
  if (format !== "batch" || !follow) return format;
  throw new InvalidArgumentError("a batch has an end: leave out follow", {
    details: { parameter: "follow" },
    hint: `accept: ${CLOUD_LINES} sends each event as it arrives`,
  });
}

function checkReverse(
  { reverse, follow, lastPerKey }: Pick<Query, "reverse" | "follow" | "lastPerKey">,
): void {
  if (!reverse || !(follow || lastPerKey)) return;
  throw new InvalidArgumentError(
    follow
      ? "follow ends with the newest event: leave out reverse, or follow"
      : "lastPerKey is in the order of the topic: leave out reverse, or lastPerKey",
    { details: { parameter: "reverse" } },
  );
}

function afterOf(values: string[]): Map<string, number> {
  return new Map(values.map((value) => {
    const [, topic, seq] = /^([A-Za-z0-9._-]{1,128}):(\d{1,15})$/.exec(value) ?? [];
    if (topic === undefined) {
      throw new InvalidArgumentError(`after is TOPIC:SEQ, not ${JSON.stringify(value)}`, {
        details: { parameter: "after" },
      });
    }
    return [topic, Number(seq)];
  }));
}

function matcherOf({ asked, except }: Query): (topic: string) => boolean {
  const names = new Set(asked.filter((name) => !isPattern(name)));
  const patterns = asked.filter(isPattern).map(compilePattern);
  // Each commit is held against each tail, and most follow one topic.
  const [only] = names;
  if (names.size === 1 && patterns.length === 0 && except === undefined) {
    return (topic) => topic === only;
  }
  return (topic) =>
    topic !== except && (names.has(topic) || patterns.some((pattern) => pattern(topic)));
}

/** The stored range that was requested of each topic, up to its current end. */
async function rangesOf(
  request: RouteRequest,
  query: Query,
  matches: (topic: string) => boolean,
): Promise<Range[]> {
  const { broker } = request.services;
  const { store } = broker;
  if (store.refresh) await store.refresh(query.asked.some(isPattern) ? undefined : query.asked);
  const topics = broker.topics.list().map(({ name }) => name).filter(matches);
  const from = query.from ?? parseOffset(query.follow && !query.lastPerKey ? "end" : "start");
  const starts = from.kind === "last"
    ? await lastRanges(request, query, { topics, count: from.count })
    : await allReady(topics.map((topic) => {
      const view = viewOf(store, topic);
      return whenReady(readerStart(from, view), (from) => ({ topic, from, to: view.head.lastSeq }));
    }));
  return await allReady(starts.map((range) => {
    const { topic } = range;
    const end = query.to === undefined ? Infinity : lastSeqOf(store, topic, query.to);
    return whenReady(end, (end) => {
      const after = query.after.get(topic);
      const to = Math.min(range.to, end);
      if (after === undefined) return { ...range, to };
      return query.reverse
        ? { ...range, to: Math.min(to, after - 1) }
        : { topic, from: after + 1, to };
    });
  }));
}

type Store = RouteRequest["services"]["broker"]["store"];

/** The headers of a single topic's range: its end, and what is deleted of it. */
function boundsOf(store: Store, { topic, from, to }: Range): Record<string, string> {
  const gone = Math.min(store.head(topic).firstSeq - 1, to);
  return {
    "evs-end-seq": String(to),
    ...(from <= gone ? { "evs-missed": `${from}..${gone}` } : {}),
  };
}

function viewOf(store: Store, topic: string): OffsetView {
  return {
    head: store.head(topic),
    seekTime: (timestamp, latest) => store.seekTime(topic, timestamp, latest),
    now: Date.now(),
  };
}

/** A seq is the last one included; a time is the first moment excluded. */
function lastSeqOf(store: Store, topic: string, offset: Offset): MaybePromise<number> {
  if (offset.kind === "seq") return offset.seq;
  return whenReady(resolveOffset(offset, viewOf(store, topic)), (seq) => seq - 1);
}

async function lastRanges(
  request: RouteRequest,
  query: Query,
  of: { topics: string[]; count: number },
): Promise<Range[]> {
  const steps = lastOf(request.services.broker.store, { ...of, ...selectionOf(query) });
  return await inTurns(steps);
}
