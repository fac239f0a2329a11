/**
 * `evs publish --cloudevents`: one event, which may be spread over several lines, a batch, which is
 * stored as a whole, or one event per line. Which of them it is shows in the first line.
 */
import { LARGEST_JSON_BODY } from "../../core/event/limits.ts";
import { EventRefusedError, InvalidArgumentError } from "../../core/base/errors.ts";
import { concat } from "../../core/base/bytes.ts";
import { publishRequest } from "../../core/client/client.ts";
import { faultPosition, parseJson } from "../../core/json/json.ts";
import type { PublishReply, RefusedLine } from "../../core/protocol/protocol.ts";
import { withoutMark } from "../cli/byte_order_mark.ts";
import type { EvsContext } from "../cli/context.ts";
import type { NextChunk, Refusal } from "./pipeline.ts";
import { told } from "./receipt.ts";
import { publishStream, type PublishStreamOptions, streamReceipt } from "./stream.ts";

const BATCH = "application/cloudevents-batch+json";
const LINES = "application/cloudevents+ndjson";
const OPEN_ARRAY = 0x5b;
const LF = 0x0a;
const SPACE = 0x20;

/** What to publish, and where. */
export interface CloudEventsOptions
  extends Pick<PublishStreamOptions, "topic" | "query" | "skip" | "goOn"> {
  next: NextChunk;
  /** The flags that were given and only mean something for lines. */
  lineFlag: string | undefined;
}

/** Publishes what the input has, and reports the result. */
export async function publishCloudEvents(
  context: EvsContext,
  { next, lineFlag, ...options }: CloudEventsOptions,
): Promise<void> {
  const begin = await beginOf(next);
  if (begin.form === "batch") {
    if (lineFlag === undefined) return await publishBatch(context, options, await whole(begin));
    throw new InvalidArgumentError(
      `${lineFlag} goes with one event per line, and a batch is stored as a whole`,
      { code: "argument/usage", hint: "for an event per line: jq -c '.[]'" },
    );
  }
  await publishStream(context, {
    ...options,
    contentType: LINES,
    explain,
    next: begin.form === "lines" ? begin.next : onceOf(await oneLine(begin)),
  });
}

/** A refused line, with what the daemon advises. */
function explain(refused: RefusedLine): Refusal {
  return refused.code === "event/invalid-cloudevent" && refused.hint !== undefined
    ? { ...refused, advice: refused.hint }
    : refused;
}

/** An input whose form is known; `next` gives all of it. */
interface Begin {
  form: "batch" | "lines" | "one";
  next: NextChunk;
}

/** Reads until the first line with something in it is whole, or shows that it is a batch. */
async function beginOf(next: NextChunk): Promise<Begin> {
  const chunks: Uint8Array[] = [];
  for (;;) {
    const chunk = await next();
    // A chunk is valid until the next call only.
    if (chunk !== null) chunks.push(chunk.slice());
    const begun = withoutBlank(concat(chunks));
    const end = begun.indexOf(LF);
    if (begun[0] === OPEN_ARRAY || end >= 0 || chunk === null || begun.length > LARGEST_JSON_BODY) {
      const form = begun[0] === OPEN_ARRAY
        ? "batch"
        : end >= 0 && isUnfinished(begun.subarray(0, end))
        ? "one"
        : "lines";
      return { form, next: chunk === null ? onceOf(concat(chunks)) : after(chunks, next) };
    }
  }
}

function withoutBlank(bytes: Uint8Array): Uint8Array {
  const at = bytes.findIndex((byte) => byte > SPACE);
  return at < 0 ? bytes.subarray(bytes.length) : bytes.subarray(at);
}

/** True for the beginning of a JSON text that goes on. */
function isUnfinished(line: Uint8Array): boolean {
  const text = new TextDecoder().decode(line).trimEnd();
  try {
    JSON.parse(text);
    return false;
  } catch {
    return faultPosition(text) >= text.length;
  }
}

function after(chunks: readonly Uint8Array[], next: NextChunk): NextChunk {
  let begun: Uint8Array | undefined = concat(chunks);
  return async () => {
    const first = begun;
    begun = undefined;
    return first ?? await next();
  };
}

function onceOf(bytes: Uint8Array): NextChunk {
  return after([bytes], () => Promise.resolve(null));
}

async function whole({ next }: Begin): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for (let chunk = await next(); chunk !== null; chunk = await next()) {
    chunks.push(chunk.slice());
    length += chunk.length;
    if (length > LARGEST_JSON_BODY) {
      throw new EventRefusedError(
        "event/too-large",
        `the input has more than ${LARGEST_JSON_BODY} bytes; nothing was stored`,
        { hint: "send one event per line: jq -c" },
      );
    }
  }
  return withoutMark(concat(chunks));
}

/** One event as a line: a line break in JSON is white space, as a space is. */
async function oneLine(begin: Begin): Promise<Uint8Array> {
  const bytes = await whole(begin);
  try {
    parseJson(new TextDecoder().decode(bytes), { around: 1 });
  } catch (error) {
    if (!(error instanceof EventRefusedError)) throw error;
    const { code, message, details } = error;
    throw new EventRefusedError(
      code as "event/invalid-json",
      `${message}; nothing was stored`,
      { details, hint: "several events go one per line (jq -c), or as an array", cause: error },
    );
  }
  return bytes.map((byte) => byte === LF || byte === 0x0d ? SPACE : byte);
}

async function publishBatch(
  context: EvsContext,
  { topic, query: { onError: _, ...query } }: Pick<CloudEventsOptions, "topic" | "query">,
  body: Uint8Array,
): Promise<void> {
  const client = await context.client();
  try {
    const request = publishRequest(topic, { body, query, contentType: BATCH });
    const reply = await client.call<PublishReply>(request);
    streamReceipt(context, topic, { ...reply, refused: reply.refused.length });
  } catch (error) {
    throw told(error);
  }
}
