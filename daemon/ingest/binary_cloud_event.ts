/**
 * CloudEvents in HTTP's binary mode: the attributes are headers that begin with `ce-`, and the body
 * is the data in its own media type
 * (https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md).
 */
import { checkAttributes, cloudFault } from "../../core/event/cloud_attributes.ts";
import { type CloudData, cloudFields } from "../../core/event/cloud_event.ts";
import type { CloudEventText } from "../../core/event/cloud_event_text.ts";
import { parseJson } from "../../core/json/json.ts";
import { EventRefusedError } from "../../core/base/errors.ts";

const PREFIX = "ce-";
/** Their values are URIs, which some senders do not encode once more. */
const URIS = ["source", "dataschema"];

/** More attributes than any event has. */
const MOST_ATTRIBUTES = 500;

const encoder = new TextEncoder();
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Reads an event from its headers and its body. Throws `EventRefusedError`. */
export function readBinaryCloudEvent(
  headers: Readonly<Record<string, string>>,
  body: Uint8Array,
): CloudEventText {
  const attributes = attributesOf(headers);
  const { kind, ...data } = dataOf(attributes["datacontenttype"], body);
  return { fields: cloudFields(attributes, kind), ...data };
}

function attributesOf(headers: Readonly<Record<string, string>>): Record<string, string> {
  const attributes: Record<string, string> = {};
  for (const [header, value] of Object.entries(headers)) {
    if (!header.startsWith(PREFIX)) continue;
    const name = header.slice(PREFIX.length);
    if (name === "datacontenttype") {
      throw cloudFault(name, "is the header content-type, not ce-datacontenttype");
    }
    if (name === "data" || name === "data_base64") {
      throw cloudFault(name, "is the body, not a header");
    }
    attributes[name] = headerText(name, value);
  }
  const count = Object.keys(attributes).length;
  if (count > MOST_ATTRIBUTES) {
    throw new EventRefusedError(
      "event/invalid-cloudevent",
      `an event in binary mode has at most ${MOST_ATTRIBUTES} attributes, not ${count}`,
      { hint: "send it in structured mode: content-type: application/cloudevents+json" },
    );
  }
  const type = headers["content-type"];
  return type === undefined ? attributes : { ...attributes, datacontenttype: type };
}

/** The text of a header: quotes are taken off, and percent escapes are UTF-8. */
function headerText(name: string, value: string): string {
  const [, quoted] = /^"((?:[^"\\]|\\.)*)"$/.exec(value) ?? [];
  const raw = quoted === undefined ? value : quoted.replace(/\\(.)/g, "$1");
  // deno-lint-ignore no-control-regex -- ASCII is exactly what is asked for
  if (/[^\x00-\x7f]/.test(raw)) {
    throw cloudFault(name, "has bytes beyond ASCII in its header: percent-encode them as UTF-8");
  }
  const bytes: number[] = [];
  for (const [, escape, char] of raw.matchAll(/%([0-9A-Fa-f]{2})|([^])/g)) {
    bytes.push(escape === undefined ? char!.charCodeAt(0) : parseInt(escape, 16));
  }
  try {
    const text = strict.decode(Uint8Array.from(bytes));
    return URIS.includes(name) && text !== raw && !isUri(name, text) ? raw : text;
  } catch (cause) {
    throw new EventRefusedError(
      "event/invalid-cloudevent",
      `${name} has percent escapes that are not UTF-8`,
      { details: { attribute: name }, cause },
    );
  }
}

function isUri(name: string, text: string): boolean {
  try {
    checkAttributes({ specversion: "1.0", id: "1", source: "/", type: "t", [name]: text });
    return true;
  } catch {
    return false; // as it came, it may be one
  }
}

/** The data as a payload: JSON as it is, text as a string, anything else as base64. */
function dataOf(
  type: string | undefined,
  body: Uint8Array,
): Omit<CloudEventText, "fields"> & { kind: CloudData } {
  if (body.length === 0) {
    return { kind: "none", value: null, text: "null", payload: encoder.encode("null") };
  }
  const media = (type ?? "application/json").toLowerCase();
  const [essence = ""] = media.split(";");
  const text = isUtf8(media) ? decoded(body) : undefined;
  if (/^(?:application|text)\/json\s*$|\+json\s*$/.test(essence) && text !== undefined) {
    return { kind: "json", value: parseJson(text), text, payload: body };
  }
  const isText = /^text\/|^application\/(?:xml|javascript|x-www-form-urlencoded)\s*$|\+xml\s*$/
    .test(essence);
  const value = isText && text !== undefined ? text : body.toBase64();
  const json = JSON.stringify(value);
  return {
    kind: value === text ? "json" : "base64",
    value,
    text: json,
    payload: encoder.encode(json),
  };
}

function isUtf8(media: string): boolean {
  const [, charset] = /;\s*charset="?([^";\s]+)/.exec(media) ?? [];
  return charset === undefined || charset === "utf-8" || charset === "us-ascii";
}

function decoded(body: Uint8Array): string | undefined {
  try {
    return strict.decode(body);
  } catch {
    return undefined; // bytes, whatever they are called
  }
}
