/**
 * CloudEvents 1.0 (https://cloudevents.io) and our events, in both directions.
 *
 * A CloudEvent's id, type and data become id, type and payload; its time the timestamp, and its
 * `partitionkey` or else its `subject` the key. All its attributes but id and type are also kept as
 * they were, in the metadata's member `cloudevent`, so that it goes out again as it came in. An
 * event that never was a CloudEvent goes out as one whose source is its topic (docs/adr/0040).
 */
import { assertObject } from "../base/options.ts";
import { defined } from "../base/defined.ts";
import { EventRefusedError } from "../base/errors.ts";
import { isJsonObject } from "../json/json_object.ts";
import {
  checkAttributes,
  type CloudAttribute,
  type CloudAttributes,
  cloudFault,
  isCloudText,
  isExtension,
  isMediaType,
  SPEC_VERSION,
  timestampOf,
} from "./cloud_attributes.ts";
import { hashedId } from "./cloud_event_id.ts";
import type { Event } from "./event.ts";
import { isEventId } from "./id.ts";
import { isName } from "./name.ts";

/** A CloudEvent 1.0 in its JSON format. */
export interface CloudEvent<T = unknown> {
  /** The version of CloudEvents. */
  specversion: "1.0";
  /** Identifies it together with the source. */
  id: string;
  /** Where it comes from: a URI reference. */
  source: string;
  /** What happened, such as `com.example.user.created`. */
  type: string;
  /** What it is about, within the source. */
  subject?: string;
  /** When it happened, in RFC 3339. */
  time?: string;
  /** The media type of the data; JSON if there is none. */
  datacontenttype?: string;
  /** The schema of the data: an absolute URI. */
  dataschema?: string;
  /** The data, as a JSON value. */
  data?: T;
  /** The data, if it is bytes, in base64. */
  data_base64?: string;
  /** Extension attributes: strings, booleans and whole numbers of 32 bits. */
  [extension: string]: unknown;
}

/** An event to publish: `broker.publish(topic, type, payload, options)`. */
export interface EventFromCloudEvent<T = unknown> {
  /** What happened. */
  type: string;
  /** The data, `null` if there is none; bytes as base64. */
  payload: T;
  /** The rest of it. */
  options: {
    /** The id; publishing it again stores nothing. */
    id: string;
    /** The partition key, or else the subject. */
    key?: string;
    /** The time, Unix ms. */
    timestamp?: number;
    /** All attributes as they were, and `correlationId`, `traceparent` and the like. */
    metadata: Record<string, unknown>;
  };
}

/** Options of {@link toCloudEvent}. */
export interface ToCloudEventOptions {
  /**
   * The source of events that never were CloudEvents, before `/topics/` and the topic. Default
   * `/evs`.
   */
  source?: string;
}

/** How a CloudEvent holds its data. */
export type CloudData = "json" | "base64" | "none";

/** The member of the metadata that has a CloudEvent's attributes. */
export const CLOUD_MEMBER = "cloudevent";
/** The attribute for metadata that no other attribute can hold, as JSON text. */
const REST = "evsmetadata";
const DEFAULT_SOURCE = "/evs";
/** What an attribute cannot contain. */
const UNFIT = /[\p{Cc}\p{Noncharacter_Code_Point}]/gu;
/** Attributes that have a member of the metadata with the same meaning, and its name there. */
const SAME_MEANING: Readonly<Record<string, string>> = {
  traceparent: "traceparent",
  tracestate: "tracestate",
  correlationid: "correlationId",
  causationid: "causationId",
};
const ATTRIBUTE_OF: ReadonlyMap<string, string> = new Map(
  Object.entries(SAME_MEANING).map(([attribute, member]) => [member, attribute]),
);

/**
 * The event to publish for a CloudEvent: an object in the JSON format, or an instance of the
 * official SDK. Throws `EventRefusedError` (`event/invalid-cloudevent`), which names the attribute
 * that is wrong.
 *
 * ```ts
 * import { defaultBroker, fromCloudEvent } from "@env/env-event-stream";
 *
 * const { type, payload, options } = fromCloudEvent({
 *   specversion: "1.0",
 *   id: "A234",
 *   source: "/shop",
 *   type: "order.paid",
 *   subject: "o1",
 *   data: { total: 5 },
 * });
 * await defaultBroker.publish("orders", type, payload, options);
 * ```
 */
export function fromCloudEvent<T = unknown>(event: object): EventFromCloudEvent<T> {
  const { toJSON } = (event ?? {}) as { toJSON?: () => unknown };
  const members = typeof toJSON === "function" ? toJSON.call(event) : event;
  if (!isJsonObject(members)) throw noObject();
  const { data, data_base64, ...attributes } = members;
  const kind = dataKind({ data, base64: data_base64 });
  for (const [name, value] of Object.entries(attributes)) {
    if (value instanceof Date) attributes[name] = value.toISOString();
    if (value instanceof Uint8Array) attributes[name] = value.toBase64();
  }
  const { type, ...options } = cloudFields(attributes, kind);
  const payload = kind === "none" ? null : kind === "base64" ? data_base64 : data;
  return { type, payload: payload as T, options };
}

/**
 * An event as a CloudEvent. One that was published as a CloudEvent is equal to what it was.
 *
 * ```ts
 * import { defaultBroker, toCloudEvent } from "@env/env-event-stream";
 *
 * defaultBroker.subscribe("orders", async (event) => {
 *   await fetch("https://example.com/hook", {
 *     method: "POST",
 *     headers: { "content-type": "application/cloudevents+json" },
 *     body: JSON.stringify(toCloudEvent(event)),
 *   });
 * });
 * ```
 */
export function toCloudEvent<T = unknown>(
  event: Event<T>,
  options: ToCloudEventOptions = {},
): CloudEvent<T> {
  assertObject(assertObject(event, "an event").metadata, "the metadata of an event");
  assertObject(options, "the options of toCloudEvent");
  const { attributes, data } = cloudAttributes(event, options);
  const cloud = attributes as unknown as CloudEvent<T>;
  if (data === "json") cloud.data = event.payload;
  if (data === "base64") cloud.data_base64 = event.payload as string;
  return cloud;
}

/** The error for something that is not even an object. */
export function noObject(): EventRefusedError {
  return new EventRefusedError(
    "event/invalid-cloudevent",
    "a CloudEvent is a JSON object with specversion, id, source and type",
  );
}

/** How the data is given. Throws if it is given twice, or as something else than base64. */
export function dataKind({ data, base64 }: { data: unknown; base64: unknown }): CloudData {
  if (base64 === undefined || base64 === null) return data === undefined ? "none" : "json";
  if (data !== undefined) {
    throw cloudFault("data_base64", "is given beside data: an event has one of them");
  }
  if (!isBase64(base64)) throw cloudFault("data_base64", "is not base64");
  return "base64";
}

/** What an event of ours has instead of a CloudEvent's attributes. */
export interface CloudFields {
  type: string;
  id: string;
  key?: string;
  timestamp?: number;
  metadata: Record<string, unknown>;
}

/** Checks the attributes, and turns them into fields. */
export function cloudFields(
  given: Readonly<Record<string, unknown>>,
  data: CloudData,
): CloudFields {
  const { id, type, ...kept } = checkAttributes(given) as CloudAttributes & {
    id: string;
    type: string;
    source: string;
  };
  const isOurs = isEventId(id);
  const metadata: Record<string, unknown> = {
    [CLOUD_MEMBER]: {
      ...(isOurs ? {} : { id }),
      ...kept,
      // No attribute can have this name.
      ...(data === "none" ? { data: "none" } : {}),
    },
  };
  for (const [attribute, member] of Object.entries(SAME_MEANING)) {
    if (typeof kept[attribute] === "string") metadata[member] = kept[attribute];
  }
  if (data === "base64") {
    metadata["contentEncoding"] = "base64";
    if (kept["datacontenttype"] !== undefined) {
      metadata["contentMediaType"] = kept["datacontenttype"];
    }
  }
  const fields: CloudFields = { type, id: isOurs ? id : hashedId(kept.source, id), metadata };
  const { partitionkey, subject, time } = kept as Record<string, CloudAttribute | undefined>;
  const key = [partitionkey, subject].find(isName);
  if (key !== undefined) fields.key = key;
  if (time !== undefined) fields.timestamp = timestampOf(time as string);
  return fields;
}

/** What the attributes are made from. Of the payload, only a string and `null` matter. */
export type CloudSubject = Omit<Event, "payload" | "seq"> & { payload?: unknown };

/** The attributes of an event, in their usual order, and how it holds its data. */
export function cloudAttributes(
  event: CloudSubject,
  { source = DEFAULT_SOURCE }: ToCloudEventOptions = {},
): { attributes: CloudAttributes; data: CloudData } {
  const { [CLOUD_MEMBER]: member, contentEncoding, ...rest } = event.metadata;
  const isBytes = contentEncoding === "base64" && isBase64(event.payload);
  const own = ownAttributes(event, member);
  if (!isBytes && contentEncoding !== undefined) rest["contentEncoding"] = contentEncoding;
  if (own) {
    for (const [attribute, name] of Object.entries(SAME_MEANING)) {
      if (rest[name] === own.attributes[attribute]) delete rest[name];
    }
    if (rest["contentMediaType"] === own.attributes["datacontenttype"]) {
      delete rest["contentMediaType"];
    }
    addMetadata(own.attributes, rest);
    const isNone = own.data === "none" && event.payload === null;
    return { ...own, data: isNone ? "none" : isBytes ? "base64" : "json" };
  }
  if (member !== undefined) rest[CLOUD_MEMBER] = member;
  const attributes = bornHere(event, source);
  const { contentMediaType } = rest;
  if (!isBytes) attributes["datacontenttype"] = "application/json";
  else if (typeof contentMediaType === "string" && isMediaType(contentMediaType)) {
    attributes["datacontenttype"] = contentMediaType;
    delete rest["contentMediaType"];
  }
  if (event.schemaVersion !== "1.0" && isCloudText(event.schemaVersion)) {
    attributes["schemaversion"] = event.schemaVersion;
  }
  addMetadata(attributes, rest);
  return { attributes, data: isBytes ? "base64" : "json" };
}

/** The source of an event, whether it was a CloudEvent or not. */
export function cloudSource(event: CloudSubject): string {
  return cloudAttributes(event).attributes["source"] as string;
}

/** The attributes that it came with; undefined if it never was a CloudEvent. */
function ownAttributes(
  event: CloudSubject,
  member: unknown,
): { attributes: CloudAttributes; data: CloudData } | undefined {
  if (!isJsonObject(member)) return undefined;
  const { data, id: given, ...kept } = member;
  const { source } = kept;
  // Its own id is of use only as long as the event is the same: an edited copy has another one.
  const isIts = typeof given === "string" && typeof source === "string" &&
    hashedId(source, given) === event.id;
  try {
    const { specversion, id, ...others } = checkAttributes({
      ...kept,
      id: isIts ? given : event.id,
      type: event.type,
    });
    const { source, type, time, subject, datacontenttype, dataschema, ...extensions } = others;
    const first = { specversion, id, source, type, time, subject, datacontenttype, dataschema };
    const attributes = defined({ ...first, ...extensions }) as CloudAttributes;
    return { attributes, data: data === "none" ? "none" : "json" };
  } catch (error) {
    if (error instanceof EventRefusedError) return undefined; // somebody else's metadata
    throw error;
  }
}

/** The attributes of an event that never was a CloudEvent. */
function bornHere(event: CloudSubject, source: string): CloudAttributes {
  const { id, type, topic, timestamp, key } = event;
  const attributes: CloudAttributes = {
    specversion: SPEC_VERSION,
    id,
    source: `${source}/topics/${encodeURIComponent(topic)}`,
    type: isCloudText(type) ? type : type.replace(UNFIT, encodeURIComponent),
  };
  const time = new Date(timestamp);
  // A time that four digits of a year cannot say is left out.
  if (!Number.isNaN(time.getTime()) && /^\d{4}-/.test(time.toISOString())) {
    attributes["time"] = time.toISOString();
  }
  if (key !== undefined && isCloudText(key)) attributes["subject"] = key;
  return attributes;
}

/** Metadata as extension attributes: what no attribute can hold is one text of JSON. */
function addMetadata(attributes: CloudAttributes, metadata: Record<string, unknown>): void {
  const rest: Record<string, unknown> = {};
  for (const [member, value] of Object.entries(metadata)) {
    const name = ATTRIBUTE_OF.get(member) ?? member;
    if (name !== REST && !Object.hasOwn(attributes, name) && isExtension(name, value)) {
      // JSON has no minus zero.
      attributes[name] = value === 0 ? 0 : value;
    } else rest[member] = value;
  }
  if (Object.keys(rest).length === 0) return;
  let name = REST;
  while (Object.hasOwn(attributes, name)) name += "x";
  attributes[name] = JSON.stringify(rest).replace(
    UNFIT,
    (char) =>
      Array.from(
        { length: char.length },
        (_, i) => `\\u${char.charCodeAt(i).toString(16).padStart(4, "0")}`,
      ).join(""),
  );
}

/** A search for what cannot be there: matching a long text as a whole could exhaust the stack. */
function isBase64(value: unknown): value is string {
  return typeof value === "string" && value.length % 4 === 0 &&
    !/[^A-Za-z0-9+/]/.test(value.replace(/={1,2}$/, ""));
}
