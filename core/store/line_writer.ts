/**
 * Writes the wire lines of events that are about to be stored, many of them into one buffer. What
 * repeats from event to event (type, topic, version) is converted to JSON once.
 */
import { keyMembers, lifetimeMembers, type NewEvent } from "../event/event.ts";

/** A line as it is stored: without its line feed. */
export interface WrittenLine {
  /** Valid until {@link LineWriter.reset}. */
  line: Uint8Array;
  /** Bytes before the payload. */
  head: number;
}

const encoder = new TextEncoder();
const CLOSING_BRACE = 0x7d;
/** Most space: some hundred lines of typical size. A line that does not fit gets its own buffer. */
const MOST_ROOM = 128 * 1024;
/** What a line takes besides its payload, of typical size, bytes. */
const LINE = 1024;
/** Most bytes of UTF-8 that one UTF-16 unit takes. */
const MOST_BYTES = 3;

const LINE_FEED = 0x0a;

/** Writes the lines of one topic. */
export class LineWriter {
  readonly #topic: string;
  /**
   * Finished parts, in order: lines that did not fit the buffer, and what was written before each.
   */
  #chunks: Uint8Array[] = [];
  #chunkStart = 0;
  readonly #quoted = { type: remember(), schemaVersion: remember() };
  readonly #buffer: Uint8Array;
  #at = 0;

  /** For about so many lines, with payloads of so many bytes in all. */
  constructor(topic: string, { count, bytes }: { count: number; bytes: number }) {
    this.#topic = JSON.stringify(topic);
    this.#buffer = new Uint8Array(Math.min(MOST_ROOM, bytes + count * LINE));
  }

  /** Starts over: the lines so far are no longer needed. */
  reset(): void {
    this.#at = 0;
    this.#chunkStart = 0;
    this.#chunks = [];
  }

  /** All lines since the last reset, in order, each with its line feed. */
  chunks(): Uint8Array[] {
    this.#closeChunk();
    return this.#chunks;
  }

  #closeChunk(): void {
    if (this.#at === this.#chunkStart) return;
    this.#chunks.push(this.#buffer.subarray(this.#chunkStart, this.#at));
    this.#chunkStart = this.#at;
  }

  /**
   * The line of an event. Must produce the same bytes as {@link envelopeHead} of
   * core/event/event.ts.
   */
  write(seq: number, event: NewEvent): WrittenLine {
    const { type, schemaVersion } = this.#quoted;
    // Ids that we generate need no escaping.
    const id = event.idGiven ? JSON.stringify(event.id) : `"${event.id}"`;
    const head = `{"seq":${seq},"id":${id},"type":${type(event.type)},"topic":${this.#topic}` +
      `,"timestamp":${event.timestamp},"schemaVersion":${schemaVersion(event.schemaVersion)}${
        keyMembers(event)
      }${lifetimeMembers(event)}` +
      `,"metadata":${event.metadata},"payload":`;
    const room = this.#take(head.length * MOST_BYTES + event.payload.length + 2);
    const { written } = encoder.encodeInto(head, room);
    room.set(event.payload, written);
    const length = written + event.payload.length + 1;
    room[length - 1] = CLOSING_BRACE;
    room[length] = LINE_FEED;
    if (room.buffer === this.#buffer.buffer) {
      this.#at += length + 1;
    } else {
      this.#closeChunk();
      this.#chunks.push(room.subarray(0, length + 1));
    }
    return { line: room.subarray(0, length), head: written };
  }

  #take(bytes: number): Uint8Array {
    if (this.#at + bytes <= this.#buffer.length) return this.#buffer.subarray(this.#at);
    return new Uint8Array(bytes);
  }
}

/** Converts strings to JSON and remembers the last one, which mostly repeats. */
function remember(): (text: string) => string {
  let last: string | undefined;
  let json = "";
  return (text) => {
    if (text !== last) {
      last = text;
      json = JSON.stringify(text);
    }
    return json;
  };
}
