/**
 * The size limit of an event, the same in process and behind a daemon. The payload, the metadata
 * and the names (type, key and id) all count towards it.
 */
import { EventRefusedError } from "../base/errors.ts";
import { OWN_ID_BYTES } from "./id.ts";

/** The parts of an event that count. */
export interface Sized {
  type: string;
  key?: string | undefined;
  /** Absent: a generated id, which always has the same length. */
  id?: string | undefined;
  /** Compact JSON text. `{}` means none and counts as nothing. */
  metadata: string;
  /** The bytes, or their number. */
  payload: Uint8Array | number;
}

const encoder = new TextEncoder();

/** The size of an event for the limit, in bytes. */
export function eventBytes({ type, key, id, metadata, payload }: Sized): number {
  const names = [type, key, id, metadata === "{}" ? undefined : metadata];
  const payloadBytes = typeof payload === "number" ? payload : payload.length;
  return names.reduce(
    (sum: number, text) => sum + (text === undefined ? 0 : bytesOf(text)),
    payloadBytes + (id === undefined ? OWN_ID_BYTES : 0),
  );
}

function bytesOf(text: string): number {
  return encoder.encode(text).length;
}

/** Throws `EventRefusedError` (`event/too-large`) if the event is over the limit. */
export function assertEventSize(event: Sized, limit: number): void {
  const { payload, metadata } = event;
  const payloadBytes = typeof payload === "number" ? payload : payload.length;
  // Names have their own length limits, so only events close to this limit are counted exactly.
  if (payloadBytes + 3 * metadata.length < limit - MOST_OF_NAMES) return;
  const bytes = eventBytes(event);
  if (bytes <= limit) return;
  throw new EventRefusedError(
    "event/too-large",
    `the event has ${bytes} bytes (${payloadBytes} of them payload); the limit is ${limit}`,
    { details: { bytes, limit }, hint: TOO_LARGE_HINT },
  );
}

/** Three names, each of at most 256 characters of up to three bytes. */
const MOST_OF_NAMES = 3 * 256 * 3;

const TOO_LARGE_HINT = "publish a reference to the data instead of the data, or raise the limit: " +
  "max_event_bytes in the daemon's config, maxEventBytes of an EventBroker";
