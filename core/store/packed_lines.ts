/**
 * Writes the wire lines of a packed request into one buffer.
 *
 * Events that are published together mostly differ only in seq, id, timestamp and payload. Their
 * heads are then copies of one template with those overwritten, so no string or object is created per
 * event. Other events get their head from {@link envelopeHead}. Both ways write exactly the same
 * bytes.
 */
import { writeDecimal } from "../base/bytes.ts";
import { envelopeHead, lifetimeMembers } from "../event/event.ts";
import { OWN_ID_BYTES } from "../event/id.ts";
import { type PackedRequest, unpack } from "./pack.ts";

/** Consecutive lines, each with its line feed. */
export interface PackedLines {
  bytes: Uint8Array<ArrayBuffer>;
  /** Line i ends before `ends[i]`, including its line feed; the next one begins there. */
  ends: Uint32Array<ArrayBuffer>;
  /** Bytes of line i before its payload. */
  heads: Uint32Array<ArrayBuffer>;
}

const encoder = new TextEncoder();
const LF = 0x0a;
const CLOSING_BRACE = 0x7d;
/** Most bytes of UTF-8 that one UTF-16 unit takes. */
const MOST_BYTES = 3;
const KEPT_ROOMS = 4;
const BEFORE_SEQ = '{"seq":'.length;
const BETWEEN = ',"id":"'.length;
/** The numbers of thirteen digits. */
const [FEWEST, MOST] = [10 ** 12, 10 ** 13 - 1];
const TIMESTAMP = 13;
/** Placeholder in the template for a generated id. */
const ID_PLACE = "0".repeat(OWN_ID_BYTES);

/**
 * Reusable memory for lines. Passing it to {@link packedLines} again overwrites the previous lines.
 */
export class LineRoom {
  #bytes = new Uint8Array(0);
  #numbers = new Uint32Array(0);

  /** Memory for `count` lines with a total of at most `bytes`. */
  lines(count: number, bytes: number): PackedLines {
    if (this.#bytes.length < bytes) this.#bytes = new Uint8Array(bytes);
    if (this.#numbers.length < 2 * count) this.#numbers = new Uint32Array(2 * count);
    return {
      bytes: this.#bytes.subarray(0, bytes),
      ends: this.#numbers.subarray(0, count),
      heads: this.#numbers.subarray(count, 2 * count),
    };
  }
}

/** Memory for the requests of one append. */
export class LineRooms {
  readonly #rooms: LineRoom[] = [];
  #used = 0;

  /** One that is not in use. */
  next(): LineRoom {
    return this.#rooms[this.#used++] ??= new LineRoom();
  }

  /**
   * The append is over, so none is in use. Keeps only a few, in case the append had many requests.
   */
  reset(): void {
    this.#used = 0;
    this.#rooms.length = Math.min(this.#rooms.length, KEPT_ROOMS);
  }
}

/**
 * The lines of all events of `request`, numbered from `firstSeq`. `keySeqs`: the number of each
 * within its key; 0 for none.
 */
export function packedLines(
  request: PackedRequest,
  firstSeq: number,
  { room = new LineRoom(), keySeqs }: { room?: LineRoom; keySeqs?: readonly number[] } = {},
): PackedLines {
  return isUniform(request)
    ? templated(request, { firstSeq, room, keySeqs })
    : oneByOne(request, { firstSeq, room, keySeqs });
}

interface Numbering {
  firstSeq: number;
  room: LineRoom;
  /** With a single key they ascend by one. */
  keySeqs: readonly number[] | undefined;
}

/** True if the events differ only in seq, id, timestamp and payload. */
function isUniform(request: PackedRequest): request is UniformRequest {
  const { ids, types, timestamps, versions, keys, expires, metadata } = request;
  return typeof ids !== "string" && typeof types === "string" && areAlike(timestamps) &&
    typeof versions === "string" && (keys === undefined || typeof keys === "string") &&
    (expires === undefined || typeof expires === "number") && typeof metadata === "string";
}

/** True if the timestamps take the same place: those of the years 2001 to 2286 do. */
function areAlike(timestamps: PackedRequest["timestamps"]): boolean {
  return typeof timestamps === "number" ||
    timestamps.every((at) => at >= FEWEST && at <= MOST && Number.isInteger(at));
}

type UniformRequest = PackedRequest & {
  ids: Uint8Array;
  types: string;
  versions: string;
  keys?: string;
  expires?: number;
  metadata: string;
};

function templated(
  request: UniformRequest,
  { firstSeq, room, keySeqs }: Numbering,
): PackedLines {
  const { count, ids, payloads, bounds, timestamps } = request;
  const firstKeySeq = keySeqs?.[0];
  const afterId = encoder.encode(betweenIdAndTimestamp(request)).length;
  let template = templateOf(request, firstSeq, firstKeySeq);
  let digits = String(firstSeq).length;
  let limit = 10 ** digits;
  const behindKeySeq = encoder.encode(afterKeySeq(request)).length;
  const growth = (first: number) => String(first + count).length - String(first).length;
  const longest = template.length + growth(firstSeq) + growth(firstKeySeq ?? 0);
  const { bytes, ends, heads } = room.lines(count, count * (longest + 2) + payloads.length);
  let at = 0;
  for (let i = 0; i < count; i++) {
    const seq = firstSeq + i;
    const keySeq = firstKeySeq === undefined ? undefined : firstKeySeq + i;
    const isLonger = seq >= limit;
    if (isLonger) {
      digits++;
      limit *= 10;
    }
    // A power of ten has one digit more than the number before it.
    if (isLonger || keySeq !== undefined && isPowerOfTen(keySeq)) {
      template = templateOf(request, seq, keySeq);
    }
    bytes.set(template, at);
    writeDecimal(bytes, at + BEFORE_SEQ + digits, seq);
    if (keySeq !== undefined) writeDecimal(bytes, at + template.length - behindKeySeq, keySeq);
    const id = at + BEFORE_SEQ + digits + BETWEEN;
    for (let c = 0, from = i * OWN_ID_BYTES; c < OWN_ID_BYTES; c++) bytes[id + c] = ids[from + c]!;
    if (typeof timestamps !== "number") {
      writeDecimal(bytes, id + OWN_ID_BYTES + afterId + TIMESTAMP, timestamps[i]!);
    }
    at += heads[i] = template.length;
    const start = bounds[2 * i]!;
    const end = bounds[2 * i + 1]!;
    bytes.set(payloads.subarray(start, end), at);
    at += end - start;
    bytes[at++] = CLOSING_BRACE;
    bytes[at++] = LF;
    ends[i] = at;
  }
  return { bytes: bytes.subarray(0, at), ends, heads };
}

/** What an {@link envelopeHead} has between the two. */
function betweenIdAndTimestamp({ types: type, topic }: UniformRequest): string {
  return `","type":${JSON.stringify(type)},"topic":${JSON.stringify(topic)},"timestamp":`;
}

/** What an {@link envelopeHead} has behind the number within the key. */
function afterKeySeq({ expires, metadata }: UniformRequest): string {
  return `${lifetimeMembers({ expiresAt: expires })},"metadata":${metadata},"payload":`;
}

function isPowerOfTen(value: number): boolean {
  return value % 10 === 0 && /^10+$/.test(String(value));
}

function templateOf(
  request: UniformRequest,
  seq: number,
  keySeq: number | undefined,
): Uint8Array {
  const { topic, types: type, timestamps, keys: key, expires, metadata } = request;
  const timestamp = typeof timestamps === "number" ? timestamps : timestamps[0]!;
  return encoder.encode(
    envelopeHead({
      seq,
      id: ID_PLACE,
      type,
      topic,
      timestamp,
      schemaVersion: request.versions,
      key,
      keySeq,
      expiresAt: expires,
      metadata,
    }),
  );
}

function oneByOne(
  request: PackedRequest,
  { firstSeq, room: memory, keySeqs }: Numbering,
): PackedLines {
  const { topic, count } = request;
  const { events } = unpack(request);
  const texts = events.map((event, i) =>
    envelopeHead({ ...event, topic, seq: firstSeq + i, keySeq: keySeqs?.[i] || undefined })
  );
  const room = texts.reduce((sum, text) => sum + text.length * MOST_BYTES + 2, 0);
  const { bytes, ends, heads } = memory.lines(count, room + request.payloads.length);
  let at = 0;
  for (let i = 0; i < count; i++) {
    const { payload } = events[i]!;
    at += heads[i] = encoder.encodeInto(texts[i]!, bytes.subarray(at)).written;
    bytes.set(payload, at);
    at += payload.length;
    bytes[at++] = CLOSING_BRACE;
    bytes[at++] = LF;
    ends[i] = at;
  }
  return { bytes: bytes.subarray(0, at), ends, heads };
}
