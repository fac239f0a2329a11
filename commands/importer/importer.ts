/**
 * Puts exported events back into their topics.
 *
 * Lines of one topic are sent together, in order. The daemon remembers an id for a day; so that an
 * import can be repeated later, the ids that a topic already has are read once, before the first of
 * its lines is sent. When the daemon goes away, the import waits for it, looks up which lines of its last
 * request are stored, and sends the rest again.
 */
import type { Client } from "../../core/client/client.ts";
import { publishRequest } from "../../core/client/client.ts";
import { splitLines } from "../../core/client/connection.ts";
import type { PublishReply, RefusedLine } from "../../core/protocol/protocol.ts";
import type { Clock } from "../../core/base/clock.ts";
import {
  type ErrorBody,
  EventRefusedError,
  EvsError,
  type RefusalCode,
  RemoteError,
} from "../../core/base/errors.ts";
import { openFeed } from "../../core/client/feed.ts";
import { ReconnectingClient } from "../publisher/reconnect.ts";

/** A request is sent when it has this many bytes, or this many lines. */
const [FULL, MOST_LINES] = [1024 * 1024, 1000];

/** The result of an import. */
export interface ImportTally {
  topics: number;
  /** Events that were stored. */
  count: number;
  /** Events that already existed. */
  duplicates: number;
  refused: number;
  lines: number;
}

/** The options of an import. */
export interface ImportOptions {
  clock: Clock;
  say(words: string): void;
  onError: "stop" | "skip";
  /** So long a daemon is waited for that goes away, ms. */
  limitMs: number;
}

interface Batch {
  topic: string;
  lines: Uint8Array[];
  /** The number of each line in the input. */
  numbers: number[];
  bytes: number;
}

const decoder = new TextDecoder("utf-8", { fatal: true });

/** Sends exported events to their topics. */
export class Importer {
  readonly #client: Client;
  readonly #options: ImportOptions;
  /** Ids that existed in a topic before, by topic. */
  readonly #known = new Map<string, Set<string>>();
  /** By topic: what is stored of ours without our knowing lies behind this seq. */
  readonly #seen = new Map<string, number>();
  readonly #reconnecting: ReconnectingClient;
  readonly #tally: ImportTally = { topics: 0, count: 0, duplicates: 0, refused: 0, lines: 0 };

  constructor(client: Client, options: ImportOptions) {
    this.#client = client;
    this.#options = options;
    this.#reconnecting = new ReconnectingClient(options);
  }

  /** Stores all lines; rejects at the first refused line, unless refused lines are skipped. */
  async run(chunks: AsyncIterable<Uint8Array>): Promise<ImportTally> {
    const tally = this.#tally;
    let batch: Batch | undefined;
    for await (const line of splitLines(chunks)) {
      tally.lines++;
      if (line.length === 0) continue;
      const event = this.#read(line, tally.lines);
      if (!event) continue;
      if (batch && (batch.topic !== event.topic || isFull(batch))) {
        await this.#send(batch);
        batch = undefined;
      }
      const known = this.#known.get(event.topic) ?? await this.#learn(event.topic);
      if (known.has(event.id)) {
        tally.duplicates++;
        continue;
      }
      batch ??= { topic: event.topic, lines: [], numbers: [], bytes: 0 };
      // The line is a view of a buffer that the next read overwrites.
      batch.lines.push(line.slice());
      batch.numbers.push(tally.lines);
      batch.bytes += line.length + 1;
    }
    if (batch) await this.#send(batch);
    tally.topics = this.#known.size;
    return tally;
  }

  #read(line: Uint8Array, number: number): { topic: string; id: string } | undefined {
    try {
      const { topic, id } = JSON.parse(decoder.decode(line)) as { topic?: unknown; id?: unknown };
      if (typeof topic === "string" && typeof id === "string") return { topic, id };
    } catch (error) {
      if (!(error instanceof SyntaxError || error instanceof TypeError)) throw error;
    }
    this.#refuse({
      line: number,
      code: "event/invalid-envelope",
      message: "this is not an event as evs export prints it: it needs a topic and an id",
    });
    return undefined;
  }

  /** Skips a refused line, or throws. */
  #refuse({ line, code, message, hint }: RefusedLine): void {
    this.#tally.refused++;
    if (this.#options.onError === "skip") {
      this.#options.say(`line ${line}: ${message}`);
      return;
    }
    const { count, duplicates } = this.#tally;
    throw new EventRefusedError(
      code as RefusalCode,
      `line ${line}: ${message}; of the lines before it ${count} were stored, ${duplicates} were there`,
      {
        hint: `${hint === undefined ? "fix the line" : hint}, then the same import again: ` +
          "what is stored is not stored twice",
        details: { line },
      },
    );
  }

  async #learn(topic: string): Promise<Set<string>> {
    const known = new Set<string>();
    this.#known.set(topic, known);
    if (!await this.#hasEvents(topic)) return known;
    const feed = openFeed(this.#client, { query: { topic: [topic] }, ...this.#options });
    for await (const line of splitLines(feed.blocks)) {
      const { id, seq } = JSON.parse(decoder.decode(line)) as { id: string; seq: number };
      known.add(id);
      this.#seen.set(topic, seq);
    }
    return known;
  }

  async #hasEvents(topic: string): Promise<boolean> {
    try {
      return (await this.#ask(() => this.#client.topic(topic))).events > 0;
    } catch (error) {
      if (error instanceof RemoteError && error.status === 404) return false;
      throw error;
    }
  }

  async #send(batch: Batch): Promise<void> {
    let left = batch;
    let isAgain = false;
    const reply = await this.#ask(async () => {
      if (isAgain) left = await this.#withoutStored(left);
      isAgain = true;
      return left.lines.length === 0 ? undefined : await this.#request(left);
    }, () => left.lines.length);
    if (reply === undefined) return;
    this.#tally.count += reply.count;
    this.#tally.duplicates += reply.duplicates;
    if (reply.lastSeq > 0) this.#seen.set(batch.topic, reply.lastSeq);
    for (const refused of reply.refused) {
      this.#refuse({ ...refused, line: left.numbers[refused.line - 1] ?? refused.line });
    }
  }

  /** What of a request is not stored; what is, is counted. */
  async #withoutStored(batch: Batch): Promise<Batch> {
    const stored = new Set<string>();
    const seen = this.#seen.get(batch.topic) ?? 0;
    try {
      const query = { topic: [batch.topic], from: String(seen + 1) };
      for await (const line of (await this.#client.read(query)).lines()) {
        stored.add((JSON.parse(decoder.decode(line)) as { id: string }).id);
      }
    } catch (error) {
      // It was not even made.
      if (!(error instanceof RemoteError && error.status === 404)) throw error;
    }
    const left: Batch = { topic: batch.topic, lines: [], numbers: [], bytes: 0 };
    for (const [i, line] of batch.lines.entries()) {
      const { id } = JSON.parse(decoder.decode(line)) as { id: string };
      if (stored.has(id)) {
        this.#tally.count++;
        continue;
      }
      left.lines.push(line);
      left.numbers.push(batch.numbers[i]!);
      left.bytes += line.length + 1;
    }
    return left;
  }

  /** `sent`: lines whose fate is unknown while the daemon is away. */
  #ask<T>(ask: () => Promise<T>, sent: () => number = () => 0): Promise<T> {
    return this.#reconnecting.ask(ask, (error) => this.#broken(error, sent()));
  }

  #broken(error: EvsError, unknown: number): EvsError {
    const { count, duplicates } = this.#tally;
    const rest = unknown === 0 ? "" : `; of the ${unknown} sent last it is unknown`;
    return new EvsError(
      { code: error.code, status: error.status, exit: error.exit },
      `${error.message}: ${count} events were stored, ${duplicates} were there${rest}`,
      {
        hint: "the same import again: what is stored is not stored twice",
        details: { ...error.details, count, duplicates },
        cause: error,
      },
    );
  }

  async #request({ topic, lines, bytes }: Batch): Promise<PublishReply> {
    const body = new Uint8Array(bytes);
    let at = 0;
    for (const line of lines) {
      body.set(line, at);
      at += line.length + 1;
      body[at - 1] = 0x0a;
    }
    const { onError } = this.#options;
    const request = publishRequest(topic, {
      body,
      query: { onError },
      contentType: "application/x-ndjson",
    });
    const response = await this.#client.fetchAny(request);
    const text = decoder.decode(await response.bytes());
    const reply = JSON.parse(text) as PublishReply | { error: ErrorBody };
    if (!("refused" in reply) || isStopping(reply)) {
      throw new RemoteError((reply as { error: ErrorBody }).error, response.status);
    }
    return reply;
  }
}

/** A daemon that stops may have carried out a part of a request. */
function isStopping(reply: object): boolean {
  return (reply as { error?: ErrorBody }).error?.code === "daemon/stopping";
}

function isFull({ bytes, lines }: Batch): boolean {
  return bytes >= FULL || lines.length >= MOST_LINES;
}
