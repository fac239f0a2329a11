/**
 * Events as blocks of whole lines, straight from the socket, across restarts of the daemon.
 *
 * If the connection breaks, the feed says so, waits, and requests what follows the last event that
 * it returned: nothing is missed and nothing comes twice. A missing daemon at the first request is
 * an error at once. A feed that follows asks for heartbeats, and connects again when three of them
 * are missing.
 */
import type { Client } from "./client.ts";
import type { HttpResponse } from "./connection.ts";
import type { ReadQuery } from "../protocol/protocol.ts";
import type { Clock } from "../base/clock.ts";
import { isGone } from "./consumer/port.ts";
import { ConnectionLostError, NotAnsweringError } from "../base/errors.ts";
import { AwakeTime } from "../base/standstill.ts";
import { HEARTBEAT, HEARTBEAT_MS, MOST_SILENT } from "../protocol/heartbeat.ts";
import { type Missed, NOTICE, partNotices } from "../reading/missed.ts";
import { LineBlocks } from "./line_blocks.ts";
import { Positions } from "./positions.ts";
import { SilenceWatch } from "./silence_watch.ts";

const LF = 0x0a;
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 1000;
/** How long a reader that does not follow waits for the daemon to come back, ms. */
const PATIENCE_MS = 30_000;
/** After needless reconnections, a follower waits up to this long for a sign of life, ms. */
const LONGEST_SILENCE_MS = 60_000;
/** What one try takes at most, with the pause before it, ms. */
export const LONGEST_TRY_MS = 5000;

/** What to read, and how. */
export interface FeedOptions {
  query: ReadQuery & { topic: string[] };
  clock: Clock;
  /** Receives messages about lost connections. */
  say: (text: string) => void;
  /** Called for events that retention deleted before they were read. */
  onMissed?: (missed: Missed) => void;
  /**
   * Called once, when the first request is answered: everything published from then on will be
   * seen.
   */
  opened?: () => void;
  signal?: AbortSignal;
  /** How long a reader that does not follow waits for a daemon that went away, ms. Default 30,000. */
  patienceMs?: number;
}

/** A running feed. */
export interface Feed {
  /** Blocks of whole lines, each valid until the next one is requested. */
  blocks: AsyncGenerator<Uint8Array, void, undefined>;
  /** For a replay of one topic: the last seq of the range. */
  readonly endSeq: number | undefined;
}

/** Opens a feed; the first request is made when the first block is requested. */
export function openFeed(client: Client, options: FeedOptions): Feed {
  const state: { endSeq: number | undefined } = { endSeq: undefined };
  const { follow, lastPerKey } = options.query;
  const begin = follow !== undefined && lastPerKey !== undefined ? readNewestPerKey : read;
  return {
    blocks: begin(client, { ...options, state }),
    get endSeq() {
      return state.endSeq;
    },
  };
}

type ReadOptions = FeedOptions & {
  state: { endSeq: number | undefined };
  /** Another request has been answered before: a missing daemon may come back. */
  goesOn?: true;
};

/**
 * The newest event of each key, then new events. In two requests: after a break it has to be known
 * which of the two was under way.
 */
async function* readNewestPerKey(
  client: Client,
  options: ReadOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { follow: _, ...stored } = options.query;
  const { lastPerKey: __, ...query } = options.query;
  const { compilePattern, isPattern } = await import("../event/topic_options.ts");
  const ends = await client.topics();
  const there = new Set(ends.map(({ name }) => name));
  const topic = stored.topic.filter((name) => isPattern(name) || there.has(name));
  const positions = new Positions(undefined);
  if (topic.length > 0) {
    // What is published once this is answered will be seen, now or afterwards.
    const blocks = read(client, { ...options, query: { ...stored, topic }, patienceMs: Infinity });
    for await (const block of blocks) {
      yield block;
      positions.note(block);
    }
  }
  const patterns = topic.map(compilePattern);
  for (const { name, lastSeq } of ends) {
    if (patterns.some((matches) => matches(name))) positions.atLeast(name, lastSeq);
  }
  // A topic without a position was created meanwhile: all of it is new.
  yield* read(client, {
    ...options,
    query: { ...query, from: "start", after: positions.toList() },
  });
}

async function* read(
  client: Client,
  options: ReadOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { say } = options;
  const follow = options.query.follow !== undefined;
  const query = {
    ...options.query,
    ...(follow || options.onMissed ? { missed: "1" } : {}),
    ...(follow ? { heartbeat: HEARTBEAT } : {}),
  };
  const only = query.topic.length === 1 && !/\*/.test(query.topic[0] ?? "")
    ? query.topic[0]
    : undefined;
  const positions = new Positions(only);
  let left = query.limit;
  let limitMs = MOST_SILENT * HEARTBEAT_MS;
  for (const place of query.after ?? []) {
    const [topic, seq] = place.split(":");
    positions.base(topic!, Number(seq));
  }
  const reverse = query.reverse !== undefined;
  if ((follow || reverse) && only === undefined) await takeBase(client, query, positions);
  for (let first = true;; first = false) {
    const silence = follow ? new SilenceWatch({ ...options, limitMs }) : undefined;
    const signal = silence?.signal ?? options.signal;
    const response = first && !options.goesOn ? await client.read(query, { signal }) : await reopen(
      client,
      first ? query : resumed(query, positions, { left, endSeq: options.state.endSeq }),
      { ...options, signal },
    );
    if (!first) say("evs: the daemon is back; going on without a gap");
    else if (!options.goesOn) options.opened?.();
    takeEnd(response, { only, positions, ...options });
    const blocks = new LineBlocks(response, silence);
    try {
      for (let lines = await blocks.next(); lines; lines = await blocks.next()) {
        // Scanning takes a fifth of a replay's time; the daemon sends each notice as its own chunk.
        const mayNotify = follow || lines[0] === NOTICE;
        for (const block of mayNotify ? partNotices(lines) : [lines]) {
          if (!(block instanceof Uint8Array)) {
            positions.pass(block.topic, reverse ? block.from : block.to);
            options.onMissed?.(block);
            continue;
          }
          yield block;
          positions.note(block);
          if (left !== undefined) left -= countLines(block);
        }
      }
      if (!follow) return;
    } catch (error) {
      options.signal?.throwIfAborted();
      if (!(error instanceof ConnectionLostError)) throw error;
    } finally {
      await blocks.close();
    }
    if (left === 0) return;
    if (silence?.isSilent) {
      say(`evs: nothing came from the daemon for ${limitMs / 1000} s; connecting again`);
      limitMs = Math.min(limitMs * 2, LONGEST_SILENCE_MS);
    } else say("evs: the daemon went away; waiting for it to come back");
  }
}

/**
 * If several topics are followed from their ends, or read backwards, notes those ends, so that a
 * connection lost before the first event of one causes neither a gap nor later events.
 */
async function takeBase(
  client: Client,
  query: ReadQuery & { topic: string[] },
  positions: Positions,
): Promise<void> {
  const { reverse } = query;
  if (reverse === undefined && !beginsAtEnd(query.from)) return;
  const { compilePattern, isPattern } = await import("../event/topic_options.ts");
  const patterns = query.topic.filter(isPattern).map(compilePattern);
  for (const topic of await client.topics()) {
    const wanted = query.topic.includes(topic.name) ||
      patterns.some((matches) => matches(topic.name));
    if (wanted) positions.base(topic.name, topic.lastSeq + (reverse === undefined ? 0 : 1));
  }
}

function takeEnd(
  response: HttpResponse,
  options: ReadOptions & { only: string | undefined; positions: Positions },
): void {
  const end = response.headers.get("evs-end-seq");
  if (end === undefined || options.only === undefined) return;
  options.state.endSeq ??= Number(end);
  if (options.query.follow !== undefined && beginsAtEnd(options.query.from)) {
    options.positions.base(options.only, Number(end));
  }
}

function beginsAtEnd(from: string | undefined): boolean {
  return from === undefined || from === "end" || from.startsWith("-");
}

/** The query that continues after a lost connection. */
function resumed(
  query: ReadQuery,
  positions: Positions,
  options: { left: number | undefined; endSeq: number | undefined },
): ReadQuery {
  const fromStart = query.follow !== undefined && beginsAtEnd(query.from);
  return {
    ...query,
    // A topic without a position was created after the start: all of it is new.
    from: fromStart ? "start" : query.from,
    after: positions.toList(),
    limit: options.left ?? query.limit,
    ...(query.follow === undefined && options.endSeq !== undefined && query.to === undefined
      ? { to: String(options.endSeq) }
      : {}),
  };
}

async function reopen(
  client: Client,
  query: ReadQuery,
  options: ReadOptions,
): Promise<HttpResponse> {
  const { clock, signal, patienceMs = PATIENCE_MS } = options;
  const time = new AwakeTime(clock);
  for (let pause = FIRST_PAUSE_MS;; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
    await delay(clock, pause, signal);
    try {
      return await client.read(query, { signal });
    } catch (error) {
      signal?.throwIfAborted();
      // Gone, busy or stopping: it may come back. Waiting does not help against another protocol
      // version.
      if (!isGone(error)) throw error;
      if (query.follow !== undefined) continue;
      if (error instanceof NotAnsweringError || time.passed(LONGEST_TRY_MS) > patienceMs) {
        throw error;
      }
    }
  }
}

/** Waits; rejects with the signal's reason if it aborts. */
export function delay(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const onAbort = () => {
      cancel();
      reject(signal?.reason);
    };
    const cancel = clock.setTimer(() => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    }, ms);
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

/** The number of line feeds in a block. */
export function countLines(block: Uint8Array): number {
  let lines = 0;
  for (let at = block.indexOf(LF); at >= 0; at = block.indexOf(LF, at + 1)) lines++;
  return lines;
}
