/**
 * `evs publish --atomic`: events for any topics from standard input, one per line or as a JSON
 * array, stored all or none. Each says itself what `POST /v1/events` takes of it, so no other flag
 * of `publish` goes with it; those of every command do.
 */
import { EventRefusedError, EvsError, InvalidArgumentError } from "../../core/base/errors.ts";
import { isJsonObject } from "../../core/json/json_object.ts";
import { parseJson, splitElements } from "../../core/json/json.ts";
import { badByteOf } from "../../core/json/utf8.ts";
import type { PublishAllReply } from "../../core/protocol/publish_all.ts";
import type { EvsContext } from "../cli/context.ts";
import { COMMON_FLAGS } from "../cli/define.ts";
import { inheritedMetadata } from "./cause.ts";
import { payloadBytes } from "./payload.ts";
import { told } from "./receipt.ts";

const NOTHING = "; nothing was stored";
const HINT = 'as in: {"topic":"orders","type":"order.placed","payload":{}}';
/** Topics that a receipt names. */
const MOST_SHOWN = 5;
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** What was given besides `--atomic`. */
export interface AtomicArguments {
  flags: object;
  words: readonly (string | undefined)[];
}

/** Publishes them, and reports where each is stored. */
export async function publishAtomic(context: EvsContext, given: AtomicArguments): Promise<void> {
  refuseOthers(given);
  const { metadata, notices } = await inheritedMetadata(context.env);
  for (const notice of notices) context.say(notice);
  const { lines, body } = atomicBody(await payloadBytes(context, "-") as Uint8Array, metadata);
  const client = await context.client();
  let reply: PublishAllReply;
  try {
    reply = await client.publishAll(body);
  } catch (error) {
    throw atLine(error, lines);
  }
  if (context.quiet) return;
  if (context.forPeople) context.print(atomicReceipt(reply));
  else context.printJson(reply);
}

function refuseOthers({ flags, words }: AtomicArguments): void {
  const names = Object.entries(flags)
    .filter(([name, value]) => name !== "atomic" && value !== undefined && !(name in COMMON_FLAGS))
    .map(([name]) => `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`);
  const wrong = words.some((word) => word !== undefined) ? "a TOPIC, TYPE or PAYLOAD" : names[0];
  if (wrong === undefined) return;
  throw new InvalidArgumentError(`${wrong} does not go with --atomic: each event names its own`, {
    code: "argument/usage",
    hint: `evs publish --atomic <events.ndjson, each line ${HINT}`,
  });
}

/** A request, and which line each of its events is in; an array has no lines. */
export interface AtomicBody {
  body: string;
  lines?: readonly number[];
}

/**
 * The request for an input. `cause`: the metadata of each event that has none. Throws
 * `EventRefusedError` for a line that is no JSON object.
 */
export function atomicBody(input: Uint8Array, cause: Record<string, string> = {}): AtomicBody {
  const text = textOf(input);
  const has = Object.keys(cause).length > 0;
  if (/^\s*\[/.test(text)) {
    return {
      body: has ? arrayOf(elementsOf(text, input).map((one) => withCause(one, cause))) : text,
    };
  }
  const lines: number[] = [];
  const events: string[] = [];
  for (const [i, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue;
    assertObject(line, i + 1);
    lines.push(i + 1);
    events.push(has ? withCause(line, cause) : line);
  }
  return { body: arrayOf(events), lines };
}

function arrayOf(events: readonly string[]): string {
  return `[${events.join(",\n")}]`;
}

function elementsOf(text: string, bytes: Uint8Array): string[] {
  try {
    return splitElements(text, bytes).map((element) => element.text);
  } catch (error) {
    throw told(error);
  }
}

function textOf(input: Uint8Array): string {
  try {
    return decoder.decode(input);
  } catch (cause) {
    const at = badByteOf(input);
    const before = input.subarray(0, at);
    const line = before.reduce((count, byte) => byte === 0x0a ? count + 1 : count, 1);
    const column = at - before.lastIndexOf(0x0a);
    throw new EventRefusedError(
      "event/invalid-utf8",
      `line ${line}: byte ${column} of the line is not UTF-8${NOTHING}`,
      { details: { line, column }, cause },
    );
  }
}

/** A line is one event: what is no object by itself could become several in an array. */
function assertObject(text: string, line: number): void {
  let value: unknown;
  try {
    value = parseJson(text, { around: 1 });
  } catch (error) {
    if (!(error instanceof EventRefusedError)) throw error;
    throw new EventRefusedError(
      error.code as "event/invalid-json",
      `line ${line}: ${error.message}${NOTHING}`,
      { details: { ...error.details, line }, hint: error.hint ?? HINT, cause: error },
    );
  }
  if (isJsonObject(value)) return;
  throw new EventRefusedError(
    "event/invalid-envelope",
    `line ${line}: an event is a JSON object with a topic, a type and a payload${NOTHING}`,
    { details: { line }, hint: HINT },
  );
}

/** The same event with its cause as metadata, unless it has some; every byte that it had stays. */
function withCause(text: string, cause: Record<string, string>): string {
  const value: unknown = JSON.parse(text);
  if (!isJsonObject(value) || Object.hasOwn(value, "metadata")) return text;
  const rest = Object.keys(value).length > 0 ? "," : "";
  return text.replace("{", () => `{"metadata":${JSON.stringify(cause)}${rest}`);
}

/** The daemon names an event by its number; a person knows its line. */
function atLine(error: unknown, lines: readonly number[] | undefined): unknown {
  const element = error instanceof EvsError ? error.details?.["element"] : undefined;
  const line = lines?.[Number(element) - 1];
  if (!(error instanceof EvsError) || line === undefined) return told(error);
  const { code, status, exit, hint, cause } = error;
  const message = error.message.replace(/^element \d+:/, `line ${line}:`);
  return new EvsError({ code, status, exit }, message, {
    hint,
    details: { ...error.details, line },
    cause,
  });
}

/** What was stored, for people. */
export function atomicReceipt({ count, duplicates, events }: PublishAllReply): string {
  if (events.length === 0) return "Nothing to publish: standard input has no events.";
  const topics = Map.groupBy(events, ({ topic }) => topic);
  const places = Array.from(topics, ([topic, stored]) => {
    const seqs = stored.map(({ seq }) => seq);
    const [first, last] = [Math.min(...seqs), Math.max(...seqs)];
    return first === last ? `${topic} ${first}` : `${topic} ${first}-${last}`;
  });
  const shown = places.slice(0, MOST_SHOWN).join(", ");
  const more = places.length > MOST_SHOWN ? ` and ${places.length - MOST_SHOWN} more topics` : "";
  const there = duplicates > 0 ? `, ${duplicates} of them there already` : "";
  const verb = count === 0
    ? "Was there already"
    : `Published ${events.length} ${events.length === 1 ? "event" : "events"}`;
  return `${verb}${count === 0 ? "" : there}: ${shown}${more}`;
}
