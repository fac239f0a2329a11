/**
 * A publisher's lines on their way to the store: packed while no payload has to be inspected,
 * decoded into events otherwise. Lines of text become JSON strings.
 *
 * Bare payloads of one type whose schema is not checked only have to be valid JSON. Envelopes, keys
 * taken from a payload, given ids and checked schemas need the text of each line. That can change
 * while lines arrive, when a schema is registered.
 */
import { EventRefusedError, type EvsError } from "../../core/base/errors.ts";
import type { NewEvent } from "../../core/event/event.ts";
import type { IdSource } from "../../core/event/id.ts";
import type { StoreRequest } from "../../core/store/pack.ts";
import type { CheckedUnder } from "../../core/store/store.ts";
import type { EventDecoder, EventDecoderOptions } from "./decode_event.ts";
import { LinePacker, type Packer } from "./line_packer.ts";
import { lineFaultError, LineReader } from "./ndjson.ts";
import { TextPacker } from "./text_packer.ts";

const encoder = new TextEncoder();

/** The dependencies of a line decoder. */
export interface LineDecoderContext {
  topic: string;
  options: EventDecoderOptions;
  decoder: EventDecoder;
  ids: IdSource;
  now(): number;
  /** The time that events expire by. */
  expiryNow(): number;
  /** The longest line, in bytes. */
  limit: number;
  firstLine: number;
  /** Each line is a text, not JSON. Default: false. */
  text?: boolean;
  /**
   * The version to record if payloads of the type need not be inspected; undefined if they have to
   * be.
   */
  unchecked(type: string): string | undefined;
  /**
   * What lines are checked by at this moment, where several nodes share the state. Absent: nobody
   * else changes it.
   */
  under?(): CheckedUnder | undefined;
  /** Called for each refused line; returning false ends the reading. */
  refuse(line: number, error: EvsError): boolean;
}

/** Turns lines into append requests. */
export class LineDecoder {
  readonly #context: LineDecoderContext;
  #packer: Packer | undefined;
  #reader: LineReader | undefined;
  /** The schema version of the lines being packed. */
  #version = "";
  #packed: StoreRequest[] = [];
  #events: NewEvent[] = [];
  #eventBytes = 0;
  #looked = 0;
  /** What the first of the lines that wait was checked by. */
  #under: CheckedUnder | undefined;

  constructor(context: LineDecoderContext) {
    this.#context = context;
    const { limit, firstLine, refuse } = context;
    if (this.#packable()) {
      const options = { limit, firstLine, refuse };
      this.#packer = context.text ? new TextPacker(options) : new LinePacker(options);
    } else this.#reader = this.#readerFrom(firstLine);
  }

  /** True if a refused line ended the reading. */
  get ended(): boolean {
    return (this.#packer ?? this.#reader)!.ended;
  }

  /** The number of lines seen, without blank ones. */
  get lines(): number {
    return this.#looked + (this.#packer?.lines ?? 0);
  }

  /** The bytes that wait to be taken. */
  get bytes(): number {
    return this.#eventBytes + (this.#packer?.bytes ?? 0);
  }

  /** Takes the next bytes. They must not change while their events are in use. */
  push(chunk: Uint8Array): void {
    this.#under ??= this.#context.under?.();
    this.#follow();
    if (this.#packer) return this.#packer.push(chunk);
    this.#eventBytes += chunk.length;
    this.#reader!.push(chunk);
  }

  /** Signals the end of the input. */
  end(): void {
    this.#under ??= this.#context.under?.();
    this.#follow();
    (this.#packer ?? this.#reader)!.end();
  }

  /** Returns what can be stored now, in order. */
  take(): StoreRequest[] {
    this.#pack();
    const requests = this.#packed;
    this.#packed = [];
    const { topic } = this.#context;
    if (this.#events.length > 0) requests.push({ topic, events: this.#events });
    this.#events = [];
    this.#eventBytes = 0;
    const under = this.#under;
    this.#under = undefined;
    if (under) { for (const request of requests) request.under = { ...under }; }
    return requests;
  }

  /** The version to record if lines can be packed. */
  #packable(): boolean {
    const { type, keyPointer, id, idPrefix } = this.#context.options;
    if (type === undefined || (keyPointer ?? id ?? idPrefix) !== undefined) return false;
    const version = this.#context.unchecked(type);
    this.#version = version ?? "";
    return version !== undefined;
  }

  /** The conditions under which lines were packed may no longer hold. */
  #follow(): void {
    const packer = this.#packer;
    if (!packer || packer.ended) return;
    const before = this.#version;
    const packable = this.#packable();
    if (packable && this.#version === before) return;
    const now = this.#version;
    this.#version = before;
    this.#pack();
    this.#version = now;
    if (packable) return;
    this.#looked += packer.lines;
    this.#packer = undefined;
    this.#reader = this.#readerFrom(packer.nextLine, packer.skipping);
    this.#reader.push(packer.takeRest());
  }

  #pack(): void {
    const taken = this.#packer?.take();
    if (!taken) return;
    const { topic, ids, options } = this.#context;
    const now = this.#context.now();
    this.#packed.push({
      topic,
      ...taken,
      ids: ids.bytes(taken.count, now),
      types: options.type!,
      timestamps: now,
      versions: this.#version,
      keys: options.key,
      ...(options.ttlMs === undefined
        ? {}
        : { expires: this.#context.expiryNow() + options.ttlMs }),
      metadata: options.metadata,
    });
  }

  #readerFrom(firstLine: number, skipping = false): LineReader {
    const { limit, refuse, text } = this.#context;
    return new LineReader({
      line: (number, line, bytes) => {
        this.#looked++;
        try {
          this.#events.push(
            text ? this.#textEvent(number, line) : this.#event(number, line, bytes),
          );
          return true;
        } catch (error) {
          if (error instanceof EventRefusedError) return refuse(number, error);
          throw error;
        }
      },
      fault: (number, fault) => {
        this.#looked++;
        return refuse(number, lineFaultError(fault));
      },
    }, { limit, firstLine, skipping, text });
  }

  #event(number: number, line: string, bytes: Uint8Array): NewEvent {
    return this.#context.decoder.event(number, line, bytes);
  }

  #textEvent(number: number, line: string): NewEvent {
    const json = JSON.stringify(line);
    const bytes = encoder.encode(json);
    const { limit } = this.#context;
    if (bytes.length > limit) throw lineFaultError({ code: "event/too-large", limit });
    return this.#event(number, json, bytes);
  }
}
