/**
 * What a redacted event says instead of what it said. Seq, id, type, topic, timestamp, schema
 * version and the number within its key stay. The payload is `null`, the metadata says when, by
 * whom and why, and the key is a digest: it still groups the events of one key, and its text is
 * gone.
 */
import { InvalidArgumentError } from "../base/errors.ts";
import { assertObject, assertText } from "../base/options.ts";
import { type StoredEvent, toWireLine } from "./event.ts";

/** When, by whom and why an event was redacted. */
export interface Redaction {
  /** Unix ms. */
  at: number;
  /** Who asked for it, if they said so. */
  by?: string;
  /** Why, if they said so. */
  reason?: string;
}

/** What replaces the content of an event. */
export interface RedactedContent {
  /** What replaces the key, if the event has one; absent: it has none any more. */
  key?: string;
  /** The metadata as compact JSON text, from {@link redactedMetadata}. */
  metadata: string;
}

/** Most characters of the reason, and of the name of who asked for it. */
export const MOST_OF_REASON = 500;
export const MOST_OF_BY = 128;
const DIGEST = /^redacted:[0-9a-f]{32}$/;
const encoder = new TextEncoder();
const decoder = new TextDecoder();
const NO_PAYLOAD: Uint8Array = encoder.encode("null");

/** Throws `InvalidArgumentError` if the reason or the name is empty or too long. */
export function checkRedaction({ by, reason }: Omit<Redaction, "at">): void {
  assertShort(by, { field: "by", most: MOST_OF_BY });
  assertShort(reason, { field: "reason", most: MOST_OF_REASON });
}

/** What names the event, as text. Throws `InvalidArgumentError` if it is neither a seq nor an id. */
export function wantedEvent(event: number | string): string {
  return typeof event === "number" ? String(event) : assertText(event, "an event's seq or id");
}

function assertShort(
  text: string | undefined,
  { field, most }: { field: string; most: number },
): void {
  if (text === undefined) return;
  if (typeof text === "string" && text !== "" && [...text].length <= most) return;
  throw new InvalidArgumentError(`${field} must be a string of 1 to ${most} characters`, {
    details: { field },
  });
}

/** A text as it is kept: without characters that SQLite would cut or change. */
export function keptText(text: string | undefined): string | undefined {
  return text?.toWellFormed().replaceAll("\0", "\u2400");
}

/** The metadata of a redacted event. */
export function redactedMetadata({ at, by, reason }: Redaction): string {
  return JSON.stringify({ redacted: { at, by, reason } });
}

/**
 * What replaces a key: the same for all events of one key of a topic. Whoever guesses the key can
 * confirm it. A digest is returned unchanged.
 */
export async function redactedKey(topic: string, key: string): Promise<string> {
  if (DIGEST.test(key)) return key;
  const digest = await crypto.subtle.digest("SHA-256", encoder.encode(`${topic}\n${key}`));
  return `redacted:${new Uint8Array(digest).toHex().slice(0, 32)}`;
}

/** The event with this content instead of its own. */
export function redactedEvent(event: StoredEvent, { key, metadata }: RedactedContent): StoredEvent {
  const { seq, topic, id, type, timestamp, schemaVersion, keySeq } = event;
  const redacted = { seq, topic, id, type, timestamp, schemaVersion, metadata };
  if (event.key === undefined || key === undefined) return { ...redacted, payload: NO_PAYLOAD };
  return { ...redacted, key, ...keySeq === undefined ? {} : { keySeq }, payload: NO_PAYLOAD };
}

/** The wire line of a redacted event without its line feed, and its length before the payload. */
export function redactedLine(event: StoredEvent): { line: Uint8Array; head: number } {
  const line = toWireLine(event).subarray(0, -1);
  return { line, head: line.length - 1 - event.payload.length };
}

/**
 * What a redacted event says about its redaction; undefined if the event was not redacted.
 *
 * ```ts
 * import { defaultBroker, redactionOf } from "@env/env-event-stream";
 *
 * for (const event of await defaultBroker.getEventStore().getEvents("users")) {
 *   const redaction = redactionOf(event);
 *   if (redaction) console.log(`${event.id} was redacted: ${redaction.reason ?? "no reason"}`);
 * }
 * ```
 */
export function redactionOf(
  event: { payload: unknown; metadata: Record<string, unknown> },
): Redaction | undefined {
  const { payload, metadata } = assertObject(event, "an event");
  if (payload !== null) return undefined;
  const told = metadata?.["redacted"];
  const isOurs = typeof told === "object" && told !== null &&
    typeof (told as Redaction).at === "number";
  return isOurs ? told as Redaction : undefined;
}

/** The same for an event as stored. */
export function storedRedactionOf(
  event: Pick<StoredEvent, "metadata" | "payload">,
): Redaction | undefined {
  if (!event.metadata.startsWith('{"redacted":') || event.payload.length !== NO_PAYLOAD.length) {
    return undefined;
  }
  const payload = JSON.parse(decoder.decode(event.payload));
  return redactionOf({ payload, metadata: JSON.parse(event.metadata) });
}
