/**
 * Turns a publisher's bytes into an event that can be appended: parsed once, validated against its
 * schema, the payload kept byte for byte. Pure except for the ids and the clock, which are passed
 * in.
 */
import { EventRefusedError, InvalidArgumentError } from "../../core/base/errors.ts";
import type { Candidate } from "../../core/broker/schema_gate.ts";
import { assertEventSize } from "../../core/event/event_size.ts";
import type { CloudEventText } from "../../core/event/cloud_event_text.ts";
import { readCloudEvent } from "../../core/event/cloud_event_text.ts";
import type { NewEvent } from "../../core/event/event.ts";
import { checkSchedule, checkTtl, type Schedule } from "../../core/event/schedule.ts";
import { LATEST_TIME } from "../../core/event/limits.ts";
import { assertEventId } from "../../core/event/id.ts";
import { assertName } from "../../core/event/name.ts";
import { storedRedactionOf } from "../../core/event/redaction.ts";
import { type TraceContext, withTrace } from "../../core/event/trace_context.ts";
import {
  type Member,
  parseJson,
  pointerGet,
  pointerText,
  splitMembers,
} from "../../core/json/json.ts";
import type { Expected } from "../../core/store/store.ts";
import { isJsonObject } from "../../core/json/json_object.ts";

/**
 * Validates a payload by topic and type and returns the schema version to record. Throws
 * `EventRefusedError`.
 */
export type Admit = (candidate: Candidate) => string;

/** The options of a publish, which apply to all its events. */
export interface EventDecoderOptions {
  /** Bodies are bare payloads of this type. Absent: envelopes. */
  type?: string;
  key?: string;
  keyPointer?: string;
  schemaVersion?: string;
  /** Compact JSON text of an object, with the {@link trace} if there is one. */
  metadata: string;
  /** The trace of the request, for events whose metadata names none. */
  trace?: TraceContext | undefined;
  id?: string;
  idPrefix?: string;
  /** Bodies are CloudEvents in the JSON format. */
  cloudEvents?: boolean;
  /** The number of the first line, for {@link idPrefix}. */
  line?: number;
  /** The time to live of events that do not say their own, ms. */
  ttlMs?: number;
}

/** An event that came alone. */
export interface OneEvent {
  event: NewEvent;
  /** When to publish it, if not now. */
  schedule?: Schedule;
  /** Its timestamp was given by the publisher. */
  stamped: boolean;
}

/** The dependencies of a decoder. */
export interface EventDecoderContext {
  admit: Admit;
  nextId(now: number): string;
  now(): number;
  /** Makes a time to live one that begins now. */
  stamp(event: NewEvent): NewEvent;
  /** The largest event, in bytes. */
  maxEventBytes: number;
}

const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;

/**
 * The members of an envelope; `seq`, `topic` and `keySeq` are printed by `tail` and ignored here,
 * `schedule` goes with one event.
 */
const ENVELOPE = [
  "id",
  "type",
  "key",
  "timestamp",
  "schemaVersion",
  "ttlMs",
  "expiresAt",
  "metadata",
  "payload",
  "seq",
  "topic",
  "keySeq",
  "schedule",
];

/** Decodes the events of one publish. */
export class EventDecoder {
  readonly #options: EventDecoderOptions;
  readonly #context: EventDecoderContext;

  constructor(options: EventDecoderOptions, context: EventDecoderContext) {
    this.#options = options;
    this.#context = context;
  }

  /**
   * Decodes one line (or body, or array element): a payload, or an envelope if no type was given;
   * or a CloudEvent.
   */
  event(line: number, text: string, bytes: Uint8Array): NewEvent {
    const { cloudEvents, type } = this.#options;
    if (cloudEvents) return this.cloudEvent(readCloudEvent(text, bytes));
    return this.#context.stamp(
      type === undefined
        ? this.#fromEnvelope(line, forNow(readEnvelope(text, bytes)))
        : this.#fromPayload(type, { line, text, bytes }),
    );
  }

  /**
   * The same for a request of one event, which may be published later: its time to live has not
   * begun.
   */
  one(text: string, bytes: Uint8Array): OneEvent {
    const { line = 1, type } = this.#options;
    if (type !== undefined) {
      return { event: this.#fromPayload(type, { line, text, bytes }), stamped: false };
    }
    const given = readEnvelope(text, bytes);
    const { schedule, timestamp } = given;
    return {
      event: this.#fromEnvelope(line, given),
      stamped: timestamp !== undefined,
      ...(schedule === undefined ? {} : { schedule: scheduleOf(schedule) }),
    };
  }

  #fromPayload(type: string, source: { line: number; text: string; bytes: Uint8Array }): NewEvent {
    const { schemaVersion, metadata, ttlMs } = this.#options;
    const value = parseJson(source.text);
    const now = this.#context.now();
    const id = this.#givenId(source.line);
    const key = this.#keyOf(value, source.text);
    const payload = onOneLine(source.bytes);
    assertEventSize({ type, key, id, metadata, payload }, this.#context.maxEventBytes);
    return {
      id: id ?? this.#context.nextId(now),
      idGiven: id !== undefined,
      type,
      timestamp: now,
      schemaVersion: this.#context.admit({
        type,
        version: schemaVersion,
        payload: value,
        text: source.text,
      }),
      key,
      ttlMs,
      metadata,
      payload,
    };
  }

  /** Decodes an envelope that was parsed. Its members named in `others` are left to the caller. */
  envelope(
    line: number,
    { value, text, bytes }: { value: Record<string, unknown>; text: string; bytes: Uint8Array },
    others: readonly string[] = [],
  ): NewEvent {
    const given = checkEnvelope(value, splitMembers(text, bytes), others);
    return this.#context.stamp(this.#fromEnvelope(line, forNow(given)));
  }

  #fromEnvelope(line: number, given: Envelope): NewEvent {
    const { value } = given;
    const now = this.#context.now();
    const id = given.id ?? this.#givenId(line);
    const key = given.key ?? this.#keyOf(value, given.text);
    const version = given.schemaVersion ?? this.#options.schemaVersion;
    const metadata = given.metadata === undefined
      ? this.#options.metadata
      : this.#traced(given.metadata);
    const payload = onOneLine(given.payload);
    assertEventSize({ type: given.type, key, id, metadata, payload }, this.#context.maxEventBytes);
    return {
      id: id ?? this.#context.nextId(now),
      idGiven: id !== undefined,
      type: given.type,
      timestamp: given.timestamp ?? now,
      // An exported event that was redacted has nothing left to check.
      schemaVersion: given.id !== undefined && storedRedactionOf({ metadata, payload })
        ? version ?? "1.0"
        : this.#context.admit({ type: given.type, version, payload: value, text: given.text }),
      key,
      expiresAt: given.expiresAt,
      ttlMs: given.ttlMs ?? (given.expiresAt === undefined ? this.#options.ttlMs : undefined),
      metadata,
      payload,
    };
  }

  /** A CloudEvent that was read from text or headers. */
  cloudEvent({ fields, value, text, payload: bytes }: CloudEventText): NewEvent {
    const now = this.#context.now();
    const { id, type, timestamp = now, key = this.#keyOf(value, text) } = fields;
    const metadata = this.#traced(JSON.stringify(fields.metadata));
    const payload = onOneLine(bytes);
    assertEventSize({ type, key, id, metadata, payload }, this.#context.maxEventBytes);
    const { schemaVersion: version, ttlMs } = this.#options;
    return this.#context.stamp({
      id,
      idGiven: true,
      type,
      timestamp,
      schemaVersion: this.#context.admit({ type, version, payload: value, text }),
      key,
      ttlMs,
      metadata,
      payload,
    });
  }

  #traced(metadata: string): string {
    const { trace } = this.#options;
    return trace === undefined ? metadata : withTrace(metadata, trace);
  }

  #givenId(line: number): string | undefined {
    const { id, idPrefix } = this.#options;
    return id ?? (idPrefix === undefined ? undefined : `${idPrefix}-${line}`);
  }

  /** `text`: the text of the payload. */
  #keyOf(payload: unknown, text: string): string | undefined {
    const { key, keyPointer } = this.#options;
    if (keyPointer === undefined) return key;
    const found = pointerGet(payload, keyPointer);
    if (typeof found === "string") {
      return assertName(found, `the key at ${keyPointer || "the root"}`);
    }
    if (typeof found === "number") {
      // The digits as written: `JSON.parse` rounds.
      return assertName(pointerText(text, keyPointer)!, `the key at ${keyPointer || "the root"}`);
    }
    if (typeof found === "boolean") return String(found);
    throw invalid(
      `the key pointer ${keyPointer} finds ${
        found === undefined ? "nothing" : "no string, number or boolean"
      }`,
      { details: { pointer: keyPointer } },
    );
  }
}

interface Envelope {
  id?: string;
  type: string;
  key?: string;
  timestamp?: number;
  schemaVersion?: string;
  metadata?: string;
  ttlMs?: number;
  expiresAt?: number;
  /** As parsed, and not checked yet. */
  schedule?: unknown;
  payload: Uint8Array;
  /** The text of the payload. */
  text: string;
  /** The parsed payload. */
  value: unknown;
}

function readEnvelope(text: string, bytes: Uint8Array): Envelope {
  const envelope = parseJson(text, { around: 1 });
  if (typeof envelope !== "object" || envelope === null || Array.isArray(envelope)) {
    throw invalid("an envelope is a JSON object with a type and a payload", {
      hint: "for a bare payload, name its type: ?type=TYPE, or evs publish TOPIC TYPE",
    });
  }
  return checkEnvelope(envelope as Record<string, unknown>, splitMembers(text, bytes), []);
}

/** One of several envelopes, of which none can be published later. */
function forNow(given: Envelope): Envelope {
  if (given.schedule === undefined) return given;
  throw invalid("schedule goes with one event, not with an array or with lines", {
    details: { member: "schedule" },
  });
}

function scheduleOf(given: unknown): Schedule {
  return ofMember("schedule", () => checkSchedule(given));
}

/** How long it is delivered: a time to live, or what is printed of an event that had one. */
function lifetimeOf({ ttlMs, expiresAt }: Record<string, unknown>): {
  ttlMs?: number;
  expiresAt?: number;
} {
  if (expiresAt === undefined) {
    return ttlMs === undefined ? {} : { ttlMs: ofMember("ttlMs", () => checkTtl(ttlMs)) };
  }
  if (ttlMs !== undefined) {
    throw invalid("ttlMs and expiresAt exclude each other", { details: { member: "expiresAt" } });
  }
  const isTime = Number.isSafeInteger(expiresAt) && expiresAt as number >= 0;
  if (isTime && expiresAt as number <= LATEST_TIME) return { expiresAt: expiresAt as number };
  throw invalid("expiresAt is not a whole number of milliseconds since 1970", {
    details: { member: "expiresAt" },
    hint: "for a time to live, give ttlMs",
  });
}

/** What `check` returns; a wrong value is one of this member. */
function ofMember<T>(member: string, check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error;
    throw invalid(error.message, { details: { member } });
  }
}

function checkEnvelope(
  envelope: Record<string, unknown>,
  members: readonly Member[],
  others: readonly string[],
): Envelope {
  const seen = new Map<string, Member>();
  for (const member of members) {
    if (!ENVELOPE.includes(member.name) && !others.includes(member.name)) {
      const known = [...ENVELOPE.slice(0, 9), ...others].join(", ");
      throw invalid(`an envelope has no member ${JSON.stringify(member.name)}`, {
        details: { member: member.name },
        hint: `its members are ${known}; put what is yours into metadata`,
      });
    }
    if (seen.has(member.name)) {
      throw invalid(`the member ${JSON.stringify(member.name)} is there twice`, {
        details: { member: member.name },
      });
    }
    seen.set(member.name, member);
  }
  const payload = seen.get("payload");
  if (!payload) throw invalid("the envelope has no payload");
  const { id, type, key, timestamp, schemaVersion } = envelope;
  if (type === undefined) throw invalid("the envelope has no type");
  const metadata = seen.get("metadata");
  if (metadata && !isJsonObject(envelope["metadata"])) {
    throw invalid("metadata is not a JSON object");
  }
  if (timestamp !== undefined && !Number.isSafeInteger(timestamp)) {
    throw invalid("timestamp is not a whole number of milliseconds since 1970");
  }
  return {
    id: id === undefined ? undefined : assertEventId(text(id, "id")),
    type: assertName(text(type, "type"), "the type"),
    key: key === undefined ? undefined : assertName(text(key, "key"), "the key"),
    timestamp: timestamp as number | undefined,
    schemaVersion: schemaVersion === undefined
      ? undefined
      : assertName(text(schemaVersion, "schemaVersion"), "the schema version"),
    metadata: metadata && new TextDecoder().decode(onOneLine(metadata.bytes)),
    ...lifetimeOf(envelope),
    schedule: envelope["schedule"],
    payload: payload.bytes,
    text: payload.text,
    value: envelope["payload"],
  };
}

function text(value: unknown, name: string): string {
  if (typeof value !== "string") {
    throw invalid(`${name} is not a string`, { details: { member: name } });
  }
  return value;
}

function invalid(
  message: string,
  options: { details?: Record<string, unknown>; hint?: string } = {},
): Error {
  return new EventRefusedError("event/invalid-envelope", message, options);
}

/**
 * One event is one line. In valid JSON, line breaks occur only between tokens, where a space means
 * the same; nothing else of a payload is ever changed.
 */
export function onOneLine(bytes: Uint8Array): Uint8Array {
  if (bytes.indexOf(LF) < 0 && bytes.indexOf(CR) < 0) return bytes;
  return bytes.map((byte) => byte === LF || byte === CR ? SPACE : byte);
}

/** Parses `--expect` as sent over the wire. */
export function parseExpected(value: string): Expected {
  if (value === "none" || value === "exists" || value === "any") return value;
  if (/^\d{1,15}$/.test(value)) return Number(value);
  throw new InvalidArgumentError(
    `expected is a seq, none, exists or any, not ${JSON.stringify(value.slice(0, 80))}`,
    {
      details: { parameter: "expected" },
    },
  );
}
