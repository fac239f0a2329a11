/**
 * A stream of lines as a row of complete requests on one connection.
 *
 * Three things go on at once: the input is read into a {@link LineBuffer}; whole lines are sent, at once while nothing is
 * under way, else when 1 MiB has come together or the first of them has waited for 5 ms; replies are matched in the order
 * of the requests. What is under way is bounded, so a slow daemon slows the input and memory stays flat.
 */
import type { Connection } from "../../core/client/connection.ts";
import { publishRequest } from "../../core/client/client.ts";
import type { PublishQuery, PublishReply, RefusedLine } from "../../core/protocol/protocol.ts";
import type { Clock } from "../../core/base/clock.ts";
import {
  ConnectionLostError,
  type ErrorBody,
  EvsError,
  RemoteError,
} from "../../core/base/errors.ts";
import { type LineBatch, LineBuffer } from "./line_buffer.ts";

/** A request is sent at this size, bytes. */
const FULL = 1024 * 1024;
/** Lines wait at most this long for others, ms. */
const LONGEST_WAIT_MS = 5;
const MOST_REQUESTS = 8;
/** The longest line that is sent, bytes. What the daemon takes is its own decision; this bounds our memory. */
export const LONGEST_LINE = 16 * 1024 * 1024;

/** The next piece of the input, valid until the next call; null at its end. */
export type NextChunk = () => Promise<Uint8Array | null>;

/** What is published and how. */
export interface PipelineOptions {
  topic: string;
  query: PublishQuery;
  /** Lines to pass over at the beginning. */
  skip: number;
  clock: Clock;
  /** Called for each refused line, in order. */
  onRefused: (refused: RefusedLine) => void;
  /** Called with how many more were refused behind those, which the daemon did not list. */
  onRefusedMore?: (count: number) => void;
  /** Called after each reply. */
  onProgress?: (tally: Readonly<PipelineTally>) => void;
}

/** What became of the lines. */
export interface PipelineTally {
  count: number;
  duplicates: number;
  firstSeq: number;
  lastSeq: number;
  durable: boolean;
  /** Non-empty lines that the daemon looked at, and those refused here. */
  lines: number;
  refused: number;
  /** Every line up to this one has been answered for. */
  acknowledgedLine: number;
  /** The last line that was sent, answered or not. */
  sentLine: number;
  /** The line at which it stopped. */
  stoppedAt?: RefusedLine;
  /** Why it ended early, if not by a refused line. */
  failure?: EvsError;
}

/** Publishes all lines. Never rejects for what the daemon says or for its absence: that is told in the tally. */
export async function sendLines(
  connection: Connection,
  next: NextChunk,
  options: PipelineOptions,
): Promise<PipelineTally> {
  return await new Pipeline(connection, next, options).run();
}

/** What `next` rejects with to end early: whole lines that were read are still sent and acknowledged, a half one is not. */
export class Interrupted extends Error {
  override name = "Interrupted";
}

class Pipeline {
  #connection: Connection;
  #next: NextChunk;
  #options: PipelineOptions;
  #lines: LineBuffer;
  #underWay: Omit<LineBatch, "body">[] = [];
  /** When the oldest line that waits came, monotonic ms. */
  #since = 0;
  #inputEnded = false;
  #inputFailure: unknown;
  #tally: PipelineTally;
  #wake = Promise.withResolvers<void>();

  constructor(connection: Connection, next: NextChunk, options: PipelineOptions) {
    this.#connection = connection;
    this.#next = next;
    this.#options = options;
    this.#lines = new LineBuffer({ limit: LONGEST_LINE, skip: options.skip });
    this.#tally = {
      count: 0,
      duplicates: 0,
      firstSeq: 0,
      lastSeq: 0,
      durable: true,
      lines: 0,
      refused: 0,
      acknowledgedLine: options.skip,
      sentLine: options.skip,
    };
  }

  async run(): Promise<PipelineTally> {
    // Not awaited: after a stop it may wait for an input that never comes.
    void this.#read();
    while (!this.#over) {
      if (this.#due) await this.#send();
      else if (this.#lines.tooLong && this.#underWay.length === 0) this.#refuseHere();
      else if (this.#inputEnded && this.#idle) break;
      else await this.#change();
    }
    if (this.#inputFailure !== undefined && !(this.#inputFailure instanceof Interrupted)) {
      throw this.#inputFailure;
    }
    return this.#tally;
  }

  get #over(): boolean {
    return this.#tally.stoppedAt !== undefined || this.#tally.failure !== undefined ||
      (this.#inputFailure !== undefined && this.#idle);
  }

  get #idle(): boolean {
    return this.#underWay.length === 0 && this.#lines.ready === 0 &&
      !this.#lines.tooLong;
  }

  get #due(): boolean {
    const { ready } = this.#lines;
    if (ready === 0 || this.#underWay.length >= MOST_REQUESTS) return false;
    return this.#underWay.length === 0 || ready >= FULL || this.#inputEnded ||
      !this.#lines.open || this.#waited >= LONGEST_WAIT_MS;
  }

  get #waited(): number {
    return this.#options.clock.monotonic() - this.#since;
  }

  async #read(): Promise<void> {
    try {
      while (!this.#over) {
        // What is ready is due: there is no use in reading on before it is on its way.
        while (this.#lines.ready >= FULL || !this.#lines.open) await this.#changed();
        const chunk = await this.#next();
        if (chunk === null) break;
        const before = this.#lines.ready;
        this.#lines.push(chunk);
        if (before === 0) this.#since = this.#options.clock.monotonic();
        this.#notify();
      }
    } catch (error) {
      this.#inputFailure = error;
    }
    // What broke off in the middle of a line is no line.
    if (this.#inputFailure === undefined) this.#lines.end();
    this.#inputEnded = true;
    this.#notify();
  }

  async #send(): Promise<void> {
    const batch = this.#lines.take();
    if (batch === undefined) return;
    const { body, ...lines } = batch;
    this.#underWay.push(lines);
    this.#tally.sentLine = batch.firstLine + batch.lines - 1;
    if (this.#underWay.length === 1) void this.#receive();
    this.#notify();
    try {
      await this.#connection.send(publishRequest(this.#options.topic, {
        body,
        query: { ...this.#options.query, line: batch.firstLine },
        contentType: "application/x-ndjson",
      }));
      this.#lines.recycle(body);
    } catch (error) {
      // The daemon may have said why before it closed: the replies tell, and if there are none, they tell that.
      if (this.#connection.closed) this.#fail(error);
      while (!this.#over) await this.#changed();
    }
  }

  /** Takes replies as long as requests are under way. */
  async #receive(): Promise<void> {
    try {
      while (this.#underWay.length > 0) {
        const response = await this.#connection.receive();
        const reply = await response.json<Partial<PublishReply> & { error?: ErrorBody }>();
        this.#settle(reply, response.status);
        if (this.#over) break;
        this.#underWay.shift();
        this.#notify();
      }
    } catch (error) {
      this.#fail(error);
    }
    this.#notify();
  }

  #settle(reply: Partial<PublishReply> & { error?: ErrorBody }, status: number): void {
    const tally = this.#tally;
    const batch = this.#underWay[0];
    if (batch === undefined) return;
    tally.count += reply.count ?? 0;
    tally.duplicates += reply.duplicates ?? 0;
    tally.lines += reply.lines ?? 0;
    if (reply.count !== undefined && reply.count > 0) {
      tally.firstSeq ||= reply.firstSeq ?? 0;
      tally.lastSeq = reply.lastSeq ?? 0;
    }
    if (reply.durable === false) tally.durable = false;
    const refused = reply.refused ?? [];
    tally.refused += refused.length;
    for (const line of refused) this.#options.onRefused(line);
    if (reply.refusedMore !== undefined) {
      tally.refused += reply.refusedMore;
      this.#options.onRefusedMore?.(reply.refusedMore);
    }
    const last = refused.at(-1);
    if (status < 400) {
      tally.acknowledgedLine = batch.firstLine + batch.lines - 1;
    } else if (last !== undefined && this.#options.query.onError !== "skip" && isRefusal(status)) {
      tally.acknowledgedLine = last.line - 1;
      tally.stoppedAt = last;
    } else {
      tally.failure = new RemoteError(
        reply.error ?? {
          code: "internal/bug",
          message: `the daemon answered ${status} without saying why`,
          hint: "evs daemon logs",
        },
        status,
      );
    }
    this.#options.onProgress?.(tally);
  }

  /** A line that is too long even to be sent. */
  #refuseHere(): void {
    const refused: RefusedLine = {
      line: this.#lines.nextLine,
      code: "event/too-large",
      message: `the line is longer than ${LONGEST_LINE} bytes`,
      hint: "publish a reference to the data instead of the data",
      details: { limit: LONGEST_LINE },
    };
    this.#tally.lines++;
    this.#tally.refused++;
    this.#options.onRefused(refused);
    if (this.#options.query.onError === "skip") {
      this.#tally.acknowledgedLine = refused.line;
      this.#lines.passTooLong();
      this.#notify();
    } else {
      this.#tally.stoppedAt = refused;
    }
  }

  #fail(error: unknown): void {
    if (this.#over) return;
    this.#tally.failure = error instanceof EvsError
      ? error
      : new ConnectionLostError("the daemon went away", { cause: error });
  }

  // Waiting: whoever changes something wakes whoever waits for a change.

  #notify(): void {
    const { resolve } = this.#wake;
    this.#wake = Promise.withResolvers<void>();
    resolve();
  }

  #changed(): Promise<void> {
    return this.#wake.promise;
  }

  /** Waits for a change, or until the lines that wait are due. */
  async #change(): Promise<void> {
    const { clock } = this.#options;
    const left = this.#lines.ready > 0 && this.#underWay.length < MOST_REQUESTS
      ? Math.max(0, LONGEST_WAIT_MS - this.#waited)
      : undefined;
    if (left === undefined) return await this.#changed();
    const cancel = clock.setTimer(() => this.#notify(), left);
    await this.#changed();
    cancel();
  }
}

function isRefusal(status: number): boolean {
  return status === 413 || status === 422;
}
