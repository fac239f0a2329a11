/**
 * The context attributes of a CloudEvent: which there are, and what form each must have
 * (https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md). Every fault names its
 * attribute.
 */
import { EventRefusedError } from "../base/errors.ts";
import { didYouMean } from "../base/suggest.ts";
import { assertName } from "./name.ts";

/** The value of an attribute: its type system knows strings, booleans and 32-bit integers. */
export type CloudAttribute = string | boolean | number;

/** Attributes by their name. */
export type CloudAttributes = Record<string, CloudAttribute>;

/** The attributes that the specification itself defines. */
export const CORE_ATTRIBUTES: readonly string[] = [
  "specversion",
  "id",
  "source",
  "type",
  "time",
  "subject",
  "datacontenttype",
  "dataschema",
];
/** Members of the JSON format that hold the data, and can therefore be no attributes. */
const DATA_MEMBERS: readonly string[] = ["data", "data_base64"];

/** The version that is spoken. */
export const SPEC_VERSION = "1.0";

/** The longest value, in UTF-16 units: whatever is longer is data. */
const LONGEST_ATTRIBUTE = 64 * 1024;

const REQUIRED = ["specversion", "id", "source", "type"];
const NAME = /^[a-z0-9]+$/;
/** RFC 3986: the characters of a URI reference, and whole percent escapes. */
const URI_REFERENCE = /^(?:[A-Za-z0-9\-._~:/?#[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})+$/;
const SCHEME = /^[A-Za-z][A-Za-z0-9+.-]*:/;
const TOKEN = "[A-Za-z0-9!#$&^_.+'*`|~%-]+";
/** RFC 2045: type, subtype, and parameters whose values may be quoted. */
const MEDIA_TYPE = new RegExp(
  `^${TOKEN}/${TOKEN}(?:[ \\t]*;[ \\t]*${TOKEN}=(?:${TOKEN}|"(?:[^"\\\\]|\\\\.)*"))*[ \\t]*;?$`,
);
const TIME =
  /^(\d{4}-\d{2}-\d{2})[Tt](\d{2}:\d{2}):(\d{2})(?:\.(\d+))?([Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;
/** What a string cannot contain: control characters and noncharacters. */
const UNFIT = /[\p{Cc}\p{Noncharacter_Code_Point}]/u;

/** The error for a fault of one attribute. */
export function cloudFault(attribute: string, fault: string, hint?: string): EventRefusedError {
  return new EventRefusedError("event/invalid-cloudevent", `${attribute} ${fault}`, {
    details: { attribute },
    hint,
  });
}

/**
 * Checks all attributes of an event; those that are null do not count, as the JSON format has it.
 * Throws `EventRefusedError`, which names the attribute.
 */
export function checkAttributes(given: Readonly<Record<string, unknown>>): CloudAttributes {
  for (const name of REQUIRED) {
    if (given[name] === undefined || given[name] === null) throw missing(name, given);
  }
  const attributes: CloudAttributes = {};
  for (const [name, value] of Object.entries(given)) {
    if (!NAME.test(name)) throw wrongName(name);
    if (value !== null && value !== undefined) attributes[name] = checkValue(name, value);
  }
  return attributes;
}

function missing(name: string, given: Readonly<Record<string, unknown>>): EventRefusedError {
  const isEnvelope = name === "specversion" && Object.hasOwn(given, "payload");
  return cloudFault(
    name,
    "is missing: a CloudEvent has specversion, id, source and type",
    isEnvelope ? "an event as evs prints it is published with --envelope" : undefined,
  );
}

function wrongName(name: string): EventRefusedError {
  return cloudFault(
    JSON.stringify(name),
    "is no name of an attribute: it has lower-case letters and digits only",
    didYouMean(name.toLowerCase(), CORE_ATTRIBUTES),
  );
}

/** One value, in the form that its attribute needs. */
function checkValue(name: string, value: unknown): CloudAttribute {
  if (typeof value === "string" && value.length > LONGEST_ATTRIBUTE) {
    throw cloudFault(name, `is longer than ${LONGEST_ATTRIBUTE} characters`);
  }
  if (CORE_ATTRIBUTES.includes(name)) return checkCore(name, value);
  if (typeof value === "string") return checkText(name, value);
  if (typeof value === "boolean") return value;
  if (typeof value === "number" && (value | 0) === value) return value | 0;
  throw cloudFault(
    name,
    "is neither a string, a boolean nor a whole number of 32 bits",
    "put structured values into data, or into a string",
  );
}

function checkCore(name: string, value: unknown): string {
  if (typeof value !== "string") throw cloudFault(name, "is not a string");
  if (value === "") throw cloudFault(name, "is empty");
  checkText(name, value);
  if (name === "specversion" && value !== SPEC_VERSION) {
    throw cloudFault(name, `is ${JSON.stringify(value)}; understood is "${SPEC_VERSION}"`);
  }
  if (name === "type") assertType(value);
  if (name === "source" || name === "dataschema") checkUri(name, value);
  if (name === "time") timestampOf(value);
  if (name === "datacontenttype" && !isMediaType(value)) {
    throw cloudFault(name, `is no media type such as application/json: ${JSON.stringify(value)}`);
  }
  return value;
}

function assertType(value: string): void {
  try {
    assertName(value, "type");
  } catch (error) {
    if (!(error instanceof EventRefusedError)) throw error;
    throw cloudFault("type", error.message.replace(/^type /, ""));
  }
}

function checkUri(name: string, value: string): void {
  if (!URI_REFERENCE.test(value)) {
    const at = [...value].findIndex((char) => !URI_REFERENCE.test(char) && char !== "%");
    throw cloudFault(
      name,
      at < 0
        ? "has a percent sign that begins no escape"
        : `is no URI: character ${at + 1} has to be percent-encoded`,
      `encodeURI gives ${encodeURI(value)}`,
    );
  }
  if (name === "dataschema" && !SCHEME.test(value)) {
    throw cloudFault(name, "is no absolute URI: it has no scheme, such as https:");
  }
}

function checkText(name: string, value: string): string {
  if (isCloudText(value)) return value;
  throw cloudFault(
    name,
    value.isWellFormed()
      ? `has a control character or noncharacter: ${JSON.stringify(value)}`
      : `has half of a surrogate pair: ${JSON.stringify(value)}`,
  );
}

/** True for a string that an attribute may have. */
export function isCloudText(value: string): boolean {
  return value.isWellFormed() && !UNFIT.test(value);
}

/** True for a type, a subtype and parameters. */
export function isMediaType(value: string): boolean {
  return MEDIA_TYPE.test(value);
}

/** True for a string that an attribute may have, a name that one may have, or a small number. */
export function isExtension(name: string, value: unknown): value is CloudAttribute {
  if (!NAME.test(name) || CORE_ATTRIBUTES.includes(name) || DATA_MEMBERS.includes(name)) {
    return false;
  }
  return typeof value === "string"
    ? isCloudText(value)
    : typeof value === "boolean" || (typeof value === "number" && (value | 0) === value);
}

/** The Unix ms of an RFC 3339 time; throws if it is none. */
export function timestampOf(time: string): number {
  const [, day, minute, second, fraction = "", zone] = TIME.exec(time) ?? [];
  const midnight = Date.parse(day ?? "");
  // Date.parse turns 31 February into 3 March.
  const isDay = !Number.isNaN(midnight) &&
    new Date(midnight).toISOString().startsWith(day ?? "");
  // A leap second is the end of the second before it.
  const isLeap = second === "60";
  const at = isDay
    ? Date.parse(
      `${day}T${minute}:${isLeap ? "59" : second}.${
        isLeap ? "999" : fraction.slice(0, 3).padEnd(3, "0")
      }${zone?.toUpperCase()}`,
    )
    : NaN;
  if (!Number.isNaN(at)) return at;
  throw cloudFault(
    "time",
    `is no time in RFC 3339, such as 2026-11-23T10:00:00Z: ${JSON.stringify(time)}`,
  );
}
