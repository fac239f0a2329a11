/**
 * Sends a stream of lines as a sequence of complete requests on one connection.
 *
 * Three things happen concurrently. The input is read into a {@link LineBuffer}. Whole lines are
 * sent: at once if nothing is in flight, otherwise when 1 MiB has accumulated or the first of them
 * has waited for 5 ms. Replies are matched with requests in order. The amount in flight is bounded,
 * so a slow daemon slows the input and memory stays flat. A request is kept until it is answered:
 * if the daemon goes away, what it had not stored is sent to the next one.
 */
import type { Connection } from "../../core/client/connection.ts";
import { publishRequest } from "../../core/client/client.ts";
import type { PublishQuery, PublishReply, RefusedLine } from "../../core/protocol/protocol.ts";
import type { Clock } from "../../core/base/clock.ts";
import {
  ConnectionLostError,
  type ErrorBody,
  EvsError,
  NotAnsweringError,
  RemoteError,
} from "../../core/base/errors.ts";
import { type LineBatch, LineBuffer } from "./line_buffer.ts";
import { allHaveIds, behindFilled, countFilled, lineAt } from "./lines_left.ts";
import { isAway, type Recovery, type StoredRange } from "./recovery.ts";
import type { SpoolLines } from "./spool.ts";

/**
 * A request is sent at this size, bytes: together with another chunk it still fits into the
 * daemon's buffer.
 */
const FULL = 896 * 1024;
/** How long lines may wait for others, ms. */
const LONGEST_WAIT_MS = 5;
const MOST_REQUESTS = 8;
/**
 * The longest line that is sent, bytes. The daemon has its own limit; this one bounds our memory.
 */
export const LONGEST_LINE = 16 * 1024 * 1024;

/** Returns the next piece of the input, valid until the next call; null at its end. */
export type NextChunk = () => Promise<Uint8Array | null>;

/** A refused line, and what else could be tried with it. */
export interface Refusal extends RefusedLine {
  advice?: string;
}

/** What to publish, and how. */
export interface PipelineOptions {
  topic: string;
  query: PublishQuery;
  /** The media type of the lines. Default: NDJSON. */
  contentType?: string;
  /** Lines to skip at the start. */
  skip: number;
  clock: Clock;
  /** How to continue when the daemon goes away. Absent: the stream ends then. */
  recovery?: Recovery;
  /** Where lines go that no daemon takes: from then on, all of them. */
  spool?: SpoolLines | undefined;
  /** What the daemon's answer means for a line as it was typed; `line` is what was sent. */
  explain?: (refused: RefusedLine, line: Uint8Array) => Refusal;
  /** Called for each refused line, in order. */
  onRefused: (refused: Refusal) => void;
  /** Called with the number of further refused lines that the daemon did not list. */
  onRefusedMore?: (count: number) => void;
  /** Called after each reply. */
  onProgress?: (tally: Readonly<PipelineTally>) => void;
}

/** The result of sending the lines. */
export interface PipelineTally {
  count: number;
  /** Lines in the spool. */
  spooled: number;
  duplicates: number;
  firstSeq: number;
  lastSeq: number;
  durable: boolean;
  /** Non-empty lines that the daemon processed, and those refused here. */
  lines: number;
  refused: number;
  /** Every line up to this one has been answered. */
  acknowledgedLine: number;
  /** The last line that was sent, whether answered or not. */
  sentLine: number;
  /** The line at which it stopped. */
  stoppedAt?: Refusal;
  /** Why it ended early, unless a refused line ended it. */
  failure?: EvsError;
}

/**
 * Publishes all lines. Never rejects because of the daemon's errors or absence: the tally reports
 * those. `connection`: undefined if there is no daemon, and all lines go to the spool.
 */
export async function sendLines(
  connection: Connection | undefined,
  next: NextChunk,
  options: PipelineOptions,
): Promise<PipelineTally> {
  return await new Pipeline(connection, next, options).run();
}

/**
 * `next` rejects with this to end early: whole lines that were read are still sent and
 * acknowledged, an incomplete one is not.
 */
export class Interrupted extends Error {
  override name = "Interrupted";
}

/** A request without a reply yet. */
interface Sent extends LineBatch {
  /** Identifies the request after a restart; absent if every line has an id. */
  tag?: string;
}

class Pipeline {
  /** Undefined once lines go to the spool. */
  #connection: Connection | undefined;
  #next: NextChunk;
  #options: PipelineOptions;
  #lines: LineBuffer;
  #underWay: Sent[] = [];
  /** Why the connection cannot be used any more; another one may be available. */
  #lost: EvsError | undefined;
  #receiving = Promise.resolve();
  /** When the oldest waiting line arrived, monotonic ms. */
  #since = 0;
  #inputEnded = false;
  #inputFailure: unknown;
  #tally: PipelineTally;
  #wake = Promise.withResolvers<void>();

  constructor(connection: Connection | undefined, next: NextChunk, options: PipelineOptions) {
    this.#connection = connection;
    this.#next = next;
    this.#options = options;
    this.#lines = new LineBuffer({ limit: LONGEST_LINE, skip: options.skip });
    this.#tally = {
      count: 0,
      spooled: 0,
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
    // Not awaited: after a stop it may wait for input that never comes.
    void this.#read();
    while (!this.#over) {
      if (this.#lost) await this.#recover(this.#lost);
      else if (this.#due) await this.#send();
      else if (this.#lines.tooLong && this.#underWay.length === 0) this.#refuseHere();
      else if (this.#inputEnded && this.#idle) break;
      else await this.#change();
    }
    const failure = this.#inputFailure;
    // Of a replay, whose input is the daemon's: what was published is told with it.
    if (isAway(failure)) this.#tally.failure ??= failure;
    else if (failure !== undefined && !(failure instanceof Interrupted)) throw failure;
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
        // Lines that are ready are due: reading on before they are sent is of no use.
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
    // An input error in the middle of a line: the incomplete line does not count.
    if (this.#inputFailure === undefined) this.#lines.end();
    this.#inputEnded = true;
    this.#notify();
  }

  async #send(): Promise<void> {
    const batch = this.#lines.take();
    if (batch === undefined) return;
    const tag = this.#newTag();
    const sent = tag === undefined ? batch : { ...batch, tag };
    this.#underWay.push(sent);
    this.#tally.sentLine = batch.firstLine + batch.lines - 1;
    const connection = this.#connection;
    if (connection === undefined) {
      await this.#spoolUnderWay();
      return this.#notify();
    }
    if (this.#underWay.length === 1) this.#receiving = this.#receive(connection);
    this.#notify();
    await this.#transmit(connection, sent);
  }

  /** A tag that identifies the lines of a request whose ids the daemon generates. */
  #newTag(): string | undefined {
    const { recovery, query: { type, idPrefix } } = this.#options;
    return type === undefined || idPrefix !== undefined ? undefined : recovery?.newTag();
  }

  async #transmit(connection: Connection, { body, firstLine, tag }: Sent): Promise<void> {
    const { topic, query, contentType = "application/x-ndjson" } = this.#options;
    try {
      await connection.send(publishRequest(topic, {
        body,
        query: { ...query, line: firstLine, batch: tag },
        contentType,
      }));
    } catch (error) {
      // The daemon may have sent the reason before it closed the connection: the replies have it.
      // If there are none, reading them fails.
      if (connection.closed) this.#lose(error);
      while (!this.#over && !this.#lost) await this.#changed();
    }
  }

  /** Reads replies as long as requests are in flight. */
  async #receive(connection: Connection): Promise<void> {
    try {
      while (this.#underWay.length > 0) {
        const response = await connection.receive();
        const reply = await response.json<Partial<PublishReply> & { error?: ErrorBody }>();
        if (this.#options.recovery && reply.error?.code === "daemon/stopping") {
          throw new RemoteError(reply.error, response.status);
        }
        this.#settle(reply, response.status);
        if (this.#over) break;
        const sent = this.#underWay.shift();
        if (sent) this.#lines.recycle(sent.body);
        this.#notify();
      }
    } catch (error) {
      this.#lose(error);
    }
    this.#notify();
  }

  /**
   * Continues with the next daemon: what the old one stored is settled, the rest is sent again, in
   * order.
   */
  async #recover(lost: EvsError): Promise<void> {
    const { recovery, query } = this.#options;
    this.#connection?.close();
    await this.#receiving;
    try {
      // One that stands still would only be asked again.
      const isSilent = lost instanceof NotAnsweringError;
      const connection = isSilent ? undefined : await recovery?.connect();
      const tags = this.#underWay.flatMap(({ tag }) => tag ?? []);
      const stored = connection && await recovery?.stored(tags);
      const isUnknown = ({ tag, body }: Sent) =>
        tag === undefined && query.idPrefix === undefined && !allHaveIds(body);
      if (!connection && this.#options.spool) return await this.#goOnInSpool();
      if (!connection || !stored || this.#underWay.some(isUnknown)) {
        this.#tally.failure = lost;
        return;
      }
      this.#connection = connection;
      this.#lost = undefined;
      this.#underWay = this.#underWay.flatMap((sent) => {
        const range = stored.get(sent.tag ?? "");
        return range ? this.#takeStored(sent, range) : sent;
      });
    } catch (error) {
      // It is gone again: the next iteration waits for another one.
      if (!isAway(error)) throw error;
      return;
    }
    const [again, connection] = [[...this.#underWay], this.#connection];
    if (again.length > 0) this.#receiving = this.#receive(connection);
    for (const sent of again) {
      if (!this.#over && !this.#lost) await this.#transmit(connection, sent);
    }
  }

  /** No daemon takes what is under way: it goes to the spool, and so does all that follows. */
  async #goOnInSpool(): Promise<void> {
    this.#connection = undefined;
    this.#lost = undefined;
    await this.#spoolUnderWay();
  }

  async #spoolUnderWay(): Promise<void> {
    const { spool } = this.#options;
    while (spool !== undefined && this.#underWay.length > 0 && !this.#over) {
      const [sent] = this.#underWay as [Sent];
      try {
        const { reply, status } = await spool(sent);
        this.#settle(reply, status);
      } catch (error) {
        if (!(error instanceof EvsError)) throw error;
        this.#tally.failure = error;
      }
      if (this.#over) return;
      this.#underWay.shift();
      this.#lines.recycle(sent.body);
    }
  }

  /** Counts a request that was stored but whose reply was lost; returns what is left of it. */
  #takeStored(sent: Sent, { firstSeq, lastSeq }: StoredRange): Sent[] {
    const tally = this.#tally;
    const count = lastSeq - firstSeq + 1;
    const text = this.#options.query.text !== undefined;
    const refused = countFilled(sent.body, { text }) - count;
    tally.count += count;
    tally.firstSeq ||= firstSeq;
    tally.lastSeq = lastSeq;
    this.#options.recovery?.acknowledged(lastSeq);
    if (refused > 0 && this.#options.query.onError !== "skip") {
      // It stopped at the line after those: when sent again, that line is refused again, with the
      // reason.
      tally.lines += count;
      const left = behindFilled(sent.body, { count, text });
      tally.acknowledgedLine = sent.firstLine + left.lines - 1;
      return [{
        body: left.body,
        firstLine: sent.firstLine + left.lines,
        lines: sent.lines - left.lines,
        tag: this.#newTag(),
      }];
    }
    tally.lines += count + refused;
    tally.refused += refused;
    if (refused > 0) this.#options.onRefusedMore?.(refused);
    tally.acknowledgedLine = sent.firstLine + sent.lines - 1;
    return [];
  }

  #settle(
    reply: Partial<PublishReply> & { error?: ErrorBody; spooled?: number },
    status: number,
  ): void {
    const tally = this.#tally;
    const batch = this.#underWay[0];
    if (batch === undefined) return;
    tally.count += reply.count ?? 0;
    tally.spooled += reply.spooled ?? 0;
    tally.duplicates += reply.duplicates ?? 0;
    tally.lines += reply.lines ?? 0;
    if (reply.count !== undefined && reply.count > 0) {
      tally.firstSeq ||= reply.firstSeq ?? 0;
      tally.lastSeq = reply.lastSeq ?? 0;
      this.#options.recovery?.acknowledged(tally.lastSeq);
    }
    if (reply.durable === false) tally.durable = false;
    const refused = (reply.refused ?? []).map((line) => this.#explained(line, batch));
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

  #explained(refused: RefusedLine, { body, firstLine }: LineBatch): Refusal {
    const { explain } = this.#options;
    return explain ? explain(refused, lineAt(body, refused.line - firstLine)) : refused;
  }

  /** A line that is too long to be sent at all. */
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

  /** The connection failed: the stream ends, unless another daemon can take over. */
  #lose(error: unknown): void {
    if (this.#over || this.#lost) return;
    const lost = error instanceof EvsError
      ? error
      : new ConnectionLostError("the daemon went away", { cause: error });
    const mayReturn = isAway(lost) && !(lost instanceof NotAnsweringError);
    const { recovery, spool } = this.#options;
    if ((recovery && mayReturn) || (spool && isAway(lost))) this.#lost = lost;
    else this.#tally.failure = lost;
    this.#notify();
  }

  // Waiting: every change wakes everybody who waits for one.

  #notify(): void {
    const { resolve } = this.#wake;
    this.#wake = Promise.withResolvers<void>();
    resolve();
  }

  #changed(): Promise<void> {
    return this.#wake.promise;
  }

  /** Waits for a change, or until the waiting lines are due. */
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
