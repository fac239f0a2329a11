/**
 * CloudEvents as texts in the JSON format: the data's bytes are the payload's, in both directions,
 * so that numbers and the like stay as they were written.
 */
import { EventRefusedError } from "../base/errors.ts";
import { parseExact } from "../json/exact.ts";
import { parseJson, splitMembers } from "../json/json.ts";
import { isJsonObject } from "../json/json_object.ts";
import {
  cloudAttributes,
  type CloudFields,
  cloudFields,
  dataKind,
  noObject,
} from "./cloud_event.ts";
import type { StoredEvent } from "./event.ts";

/** What a text says, and its data as it was written. */
export interface CloudEventText {
  fields: CloudFields;
  /** The payload as a value, as text and as bytes. */
  value: unknown;
  text: string;
  payload: Uint8Array;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const NO_DATA = encoder.encode("null");

/** Reads a CloudEvent. `bytes` is `text` in UTF-8. Throws `EventRefusedError`. */
export function readCloudEvent(text: string, bytes: Uint8Array): CloudEventText {
  const event = parseJson(text, { around: 1 });
  if (!isJsonObject(event)) throw noObject();
  const members = splitMembers(text, bytes);
  const seen = new Set<string>();
  for (const { name } of members) {
    if (seen.has(name)) {
      throw new EventRefusedError("event/invalid-cloudevent", `${name} is there twice`, {
        details: { attribute: name },
      });
    }
    seen.add(name);
  }
  const { data, data_base64: base64, ...attributes } = event;
  const kind = dataKind({ data, base64 });
  const fields = cloudFields(attributes, kind);
  if (kind === "none") return { fields, value: null, text: "null", payload: NO_DATA };
  const held = members.find(({ name }) => name === (kind === "json" ? "data" : "data_base64"))!;
  return {
    fields,
    value: kind === "json" ? data : base64,
    text: held.text,
    payload: held.bytes,
  };
}

/** An event as a line in the JSON format, with a line feed. */
export function toCloudLine(event: StoredEvent): Uint8Array {
  const metadata = parseExact(event.metadata) as Record<string, unknown>;
  const { attributes, data } = cloudAttributes({ ...event, metadata, payload: hintOf(event) });
  const member = { json: ',"data":', base64: ',"data_base64":', none: "" }[data];
  const head = encoder.encode(JSON.stringify(attributes).slice(0, -1) + member);
  const payload = data === "none" ? new Uint8Array(0) : event.payload;
  const line = new Uint8Array(head.length + payload.length + 2);
  line.set(head);
  line.set(payload, head.length);
  line[line.length - 2] = 0x7d; // }
  line[line.length - 1] = 0x0a;
  return line;
}

/** The payload, if it may be base64 or no data. */
function hintOf({ metadata, payload }: StoredEvent): unknown {
  if (payload.length === NO_DATA.length && payload.every((byte, i) => byte === NO_DATA[i])) {
    return null;
  }
  // Few events have it: a search is cheaper than parsing all of them.
  return metadata.includes('"contentEncoding"') ? JSON.parse(decoder.decode(payload)) : undefined;
}

/** The same of a wire line without its line feed. */
export function wireToCloudLine(line: Uint8Array): Uint8Array {
  const event: Record<string, unknown> = {};
  for (const { name, text, bytes } of splitMembers(decoder.decode(line), line)) {
    event[name] = name === "payload" ? bytes : name === "metadata" ? text : JSON.parse(text);
  }
  return toCloudLine(event as unknown as StoredEvent);
}
