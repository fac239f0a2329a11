/**
 * `evs publish --spool`: what no daemon takes goes to the spool, from which the daemon takes it in.
 *
 * The ids are fixed before the first attempt. So an event that a daemon stored before its answer was
 * lost is a repeat when it comes again from the spool.
 */
import { linesIn } from "../../core/base/bytes.ts";
import { EventRefusedError } from "../../core/base/errors.ts";
import { IdSource } from "../../core/event/id.ts";
import { parseJson } from "../../core/json/json.ts";
import { badByteOf } from "../../core/json/utf8.ts";
import type { PublishQuery, PublishReply, RefusedLine } from "../../core/protocol/protocol.ts";
import { firstLineOf, keepLines, type SpooledFile } from "../../core/spool/spool_file.ts";
import type { EvsContext } from "../cli/context.ts";
import { spoolPlace } from "../spool/place.ts";
import { SpoolWriter } from "../spool/writer.ts";
import type { LineBatch } from "./line_buffer.ts";
import { isAway } from "./recovery.ts";

const [LF, CR, SPACE, TAB] = [0x0a, 0x0d, 0x20, 0x09];
/** JSON white space. */
const WHITE: readonly number[] = [LF, CR, SPACE, TAB];

/** A new id, for an event that must have one before it is sent. */
export function newEventId(now: number): string {
  return new IdSource().next(now);
}

/** One event, with its id in the query, and how to send it. */
export interface SentEvent {
  body: Uint8Array | string;
  query: PublishQuery;
  send(): Promise<PublishReply>;
}

/**
 * The daemon's answer, or undefined if none came: then the event is in the spool, and the receipt
 * says so. What a daemon refuses is not spooled.
 */
export async function spoolIfAway(
  context: EvsContext,
  topic: string,
  { body, query, send }: SentEvent,
): Promise<PublishReply | undefined> {
  try {
    return await send();
  } catch (error) {
    if (!isAway(error)) throw error;
  }
  await spoolOne(context, topic, { body, query });
  if (context.quiet) return undefined;
  const { forPeople } = context;
  context.stdout.writeSync(formatSpooled(topic, { id: query.id!, forPeople }));
  return undefined;
}

async function spoolOne(
  context: EvsContext,
  topic: string,
  { body, query }: Omit<SentEvent, "send">,
): Promise<void> {
  const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
  parseJson(textOf(bytes));
  const request = { at: context.clock.now(), topic, query: texts(query) };
  await (await writerOf(context)).put({ request, body: oneLine(bytes) }, 1);
}

/** The receipt of one event in the spool, with its line feed. */
function formatSpooled(
  topic: string,
  { id, forPeople }: { id: string; forPeople: boolean },
): string {
  return forPeople
    ? `Spooled ${topic}, id ${id}: no daemon answers, and the next one publishes it\n`
    : JSON.stringify({ topic, id, spooled: true }) + "\n";
}

/** What the spool answers for lines, as a daemon would. */
export interface SpoolAnswer {
  reply: Partial<PublishReply> & { spooled: number };
  status: number;
}

/** Spools lines of a stream. */
export type SpoolLines = (batch: LineBatch) => Promise<SpoolAnswer>;

/** Spools the lines of a stream, whose query has the prefix of their ids. */
export function lineSpooler(
  context: EvsContext,
  { topic, query }: { topic: string; query: PublishQuery },
): SpoolLines {
  let writer: SpoolWriter | undefined;
  return async ({ body, firstLine }) => {
    const { onError, text, ...rest } = query;
    const request = {
      at: context.clock.now(),
      topic,
      query: texts({ ...rest, line: firstLine }),
    };
    const file = { request, body };
    const check = text === "lines" ? checkedText : checked;
    const { file: kept, events, lines, refused } = check(file, onError === "skip");
    writer ??= await writerOf(context);
    if (events > 0) await writer.put(kept, events);
    const isStopped = refused.length > 0 && onError !== "skip";
    return { reply: { spooled: events, lines, refused }, status: isStopped ? 422 : 200 };
  };
}

async function writerOf(context: EvsContext): Promise<SpoolWriter> {
  const { paths, clock } = context;
  return new SpoolWriter({ place: await spoolPlace(context), paths, clock });
}

/** Lines that can be spooled: nobody is there to tell when a daemon refuses the others. */
interface CheckedLines {
  file: SpooledFile;
  events: number;
  lines: number;
  refused: RefusedLine[];
}

/** Lines of text as JSON strings. */
function checkedText(file: SpooledFile, skips: boolean): CheckedLines {
  const refused: RefusedLine[] = [];
  const strings: string[] = [];
  const first = firstLineOf(file.request);
  for (const { bytes } of linesIn(file.body)) {
    if (refused.length > 0 && !skips) break;
    try {
      strings.push(JSON.stringify(textOf(bytes)));
    } catch (error) {
      if (!(error instanceof EventRefusedError)) throw error;
      refused.push({ line: first + strings.length, ...error.toBody() });
      strings.push("");
    }
  }
  const body = new TextEncoder().encode(strings.map((line) => `${line}\n`).join(""));
  const lines = strings.length;
  return { file: { ...file, body }, events: lines - refused.length, lines, refused };
}

/** The lines that are JSON. */
function checked(file: SpooledFile, skips: boolean): CheckedLines {
  const refused: RefusedLine[] = [];
  let [lines, isOver] = [0, false];
  const { body, kept } = keepLines(file, (line, bytes) => {
    if (isOver) return false;
    lines++;
    try {
      parseJson(textOf(bytes));
      return true;
    } catch (error) {
      if (!(error instanceof EventRefusedError)) throw error;
      refused.push({ line, ...error.toBody() });
      isOver = !skips;
      return false;
    }
  });
  return { file: { ...file, body }, events: kept, lines, refused };
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function textOf(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    const offset = badByteOf(bytes);
    throw new EventRefusedError("event/invalid-utf8", `byte ${offset + 1} is not UTF-8`, {
      details: { offset },
      cause,
    });
  }
}

/** In valid JSON, line breaks occur only between tokens, where a space means the same. */
function oneLine(bytes: Uint8Array): Uint8Array {
  let [from, to] = [0, bytes.length];
  while (from < to && WHITE.includes(bytes[from]!)) from++;
  while (to > from && WHITE.includes(bytes[to - 1]!)) to--;
  const line = new Uint8Array(to - from + 1);
  for (let at = from; at < to; at++) {
    const byte = bytes[at]!;
    line[at - from] = byte === LF || byte === CR ? SPACE : byte;
  }
  line[to - from] = LF;
  return line;
}

function texts(query: PublishQuery): Record<string, string> {
  return Object.fromEntries(
    Object.entries(query).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, String(value)]]
    ),
  );
}
