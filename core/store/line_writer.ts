/**
 * Wire lines of events that are about to be stored, many of them into one buffer.
 *
 * What is the same from event to event (type, topic, version) is turned into JSON once.
 */
import type { NewEvent } from "../event/event.ts";

/** A line as it is stored: without its line feed. */
export interface WrittenLine {
  /** Valid until {@link LineWriter.reset}. */
  line: Uint8Array;
  /** Bytes before the payload. */
  head: number;
}

const encoder = new TextEncoder();
const CLOSING_BRACE = 0x7d;
/**
 * Room for some hundred lines of a usual size; a line that does not fit gets a buffer of its own.
 */
const ROOM = 128 * 1024;
/** A UTF-16 unit takes at most so many bytes of UTF-8. */
const MOST_BYTES = 3;

const LINE_FEED = 0x0a;

/** Writes the lines of one topic. */
export class LineWriter {
  readonly #topic: string;
  /** Lines that did not fit the buffer, and what was written before each. */
  #chunks: Uint8Array[] = [];
  #chunkStart = 0;
  readonly #quoted = { type: remember(), schemaVersion: remember() };
  #buffer = new Uint8Array(ROOM);
  #at = 0;

  constructor(topic: string) {
    this.#topic = JSON.stringify(topic);
  }

  /** The lines so far are no longer needed. */
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
   * The line of an event; see {@link envelopeHead} of core/event/event.ts, which this must agree
   * with.
   */
  write(seq: number, event: NewEvent): WrittenLine {
    const { type, schemaVersion } = this.#quoted;
    // An id of ours needs no escape.
    const id = event.idGiven ? JSON.stringify(event.id) : `"${event.id}"`;
    const key = event.key === undefined ? "" : `,"key":${JSON.stringify(event.key)}`;
    const head = `{"seq":${seq},"id":${id},"type":${type(event.type)},"topic":${this.#topic}` +
      `,"timestamp":${event.timestamp},"schemaVersion":${
        schemaVersion(event.schemaVersion)
      }${key}` +
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

/** JSON of a string that is mostly the same as the last one. */
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
