/**
 * An AsyncAPI 3 document (https://www.asyncapi.com) of topics and schemas: a channel per topic, a
 * message per version of a schema and per type that is seen without one.
 */
import { parseExact } from "../json/exact.ts";
import { isJsonObject } from "../json/json_object.ts";
import { escapePointer, unescapePointer } from "../json/pointer.ts";

/** What the document is about. */
export interface AsyncApiSubject {
  /** The version of the program. */
  version: string;
  /** Topics, and the types that are seen in each. */
  topics: readonly { name: string; types: readonly string[] }[];
  /** All versions of all schemas; `latest` is what a channel names. */
  schemas: readonly { type: string; version: string; schema: string; latest: boolean }[];
}

const DRAFT_07 = /^https?:\/\/json-schema\.org\/draft-07\/schema#?$/;
const FORMAT = "application/schema+json;version=";
/** Keywords whose members are named by the schema's author. */
const NAMED = ["properties", "patternProperties", "$defs", "definitions", "dependentSchemas"];
/** Keywords whose values are no schemas. */
const VALUES = ["const", "enum", "default", "examples"];

/** The document. Numbers in schemas are objects that serialize as they were written. */
export function asyncApiDocument({ version, topics, schemas }: AsyncApiSubject): object {
  const keys = new MessageKeys();
  const messages: Record<string, object> = {};
  const latest = new Map<string, string>();
  for (const { type, version, schema, latest: isLatest } of schemas) {
    const key = keys.of(`${type}-${version}`);
    if (isLatest) latest.set(type, key);
    messages[key] = schemaMessage({ type, version, schema }, key);
  }
  const keyOf = (type: string) => {
    let key = latest.get(type);
    if (key !== undefined) return key;
    latest.set(type, key = keys.of(type));
    messages[key] = { name: type, title: type, contentType: "application/json" };
    return key;
  };
  const channels: Record<string, object> = {};
  const operations: Record<string, object> = {};
  for (const { name, types } of topics) {
    const refs = types.map(keyOf).map((key) => [key, { $ref: `#/components/messages/${key}` }]);
    channels[name] = { address: name, messages: Object.fromEntries(refs) };
    const channel = { $ref: `#/channels/${name}` };
    operations[`publish.${name}`] = { action: "receive", channel };
    operations[`follow.${name}`] = { action: "send", channel };
  }
  return {
    asyncapi: "3.0.0",
    info: { title: "env-event-stream", version },
    defaultContentType: "application/json",
    servers: {
      daemon: {
        host: "localhost",
        protocol: "http",
        description: "HTTP over a Unix socket: evs status says which.",
      },
    },
    channels,
    operations,
    components: { messages },
  };
}

function schemaMessage(
  { type, version, schema }: { type: string; version: string; schema: string },
  key: string,
): object {
  const value = parseExact(schema);
  const draft = isJsonObject(value) && DRAFT_07.test(String(value["$schema"]))
    ? "draft-07"
    : "2020-12";
  return {
    name: type,
    title: `${type} ${version}`,
    contentType: "application/json",
    payload: {
      schemaFormat: FORMAT + draft,
      schema: rebased(value, `#/components/messages/${key}/payload/schema`),
    },
    "x-schema-version": version,
  };
}

/** Keys of messages: letters, digits, dots, dashes and underscores, each once. */
class MessageKeys {
  readonly #taken = new Set<string>();

  of(text: string): string {
    const plain = text.replace(/[^A-Za-z0-9._-]/gu, "_");
    let key = plain;
    for (let n = 2; this.#taken.has(key); n++) key = `${plain}_${n}`;
    this.#taken.add(key);
    return key;
  }
}

/** A schema whose references lead to where it stands in the document. */
function rebased(schema: unknown, base: string): unknown {
  const places = new Map<string, string>();
  collect(schema, { at: base, resource: base, id: "", places });
  return rewrite(schema, { resource: base, at: base, id: "", places });
}

interface Walk {
  /** The pointer of the part, in the document. */
  at: string;
  /** The pointer of the nearest part with an `$id`, which references begin at. */
  resource: string;
  /** That `$id`. */
  id: string;
  /** Where what has a name stands: `ID`, and `ID#anchor`. */
  places: Map<string, string>;
}

/** The walk into a part: its own `$id` begins a resource. */
function entered(part: Record<string, unknown>, walk: Walk): Walk {
  const { $id } = part;
  if (typeof $id !== "string" || $id.startsWith("#")) return walk;
  return { ...walk, resource: walk.at, id: resolved($id, walk.id) };
}

function resolved(reference: string, id: string): string {
  return URL.parse(reference, id === "" ? undefined : id)?.href ?? reference;
}

function collect(part: unknown, walk: Walk): void {
  if (Array.isArray(part)) {
    part.forEach((item, i) => collect(item, { ...walk, at: `${walk.at}/${i}` }));
  }
  if (!isJsonObject(part)) return;
  const here = entered(part, walk);
  if (here.id !== walk.id) walk.places.set(here.id.replace(/#$/, ""), here.at);
  for (const name of ["$anchor", "$dynamicAnchor"]) {
    if (typeof part[name] === "string") {
      walk.places.set(`${here.id.replace(/#$/, "")}#${part[name]}`, here.at);
    }
  }
  if (typeof part["$id"] === "string" && part["$id"].startsWith("#")) {
    walk.places.set(`${here.id.replace(/#$/, "")}${part["$id"]}`, here.at);
  }
  eachSchema(part, (value, path) => collect(value, { ...here, at: `${here.at}/${path}` }));
}

function rewrite(part: unknown, walk: Walk): unknown {
  if (Array.isArray(part)) {
    return part.map((item, i) => rewrite(item, { ...walk, at: `${walk.at}/${i}` }));
  }
  if (!isJsonObject(part)) return part;
  const here = entered(part, walk);
  const copy = { ...part };
  if (typeof part["$ref"] === "string") copy["$ref"] = placeOf(part["$ref"], here);
  eachSchema(part, (value, path) => {
    const [name = "", inner] = path.split("/").map(unescapePointer);
    const target = rewrite(value, { ...here, at: `${here.at}/${path}` });
    if (inner === undefined) copy[name] = target;
    else copy[name] = { ...copy[name] as object, [inner]: target };
  });
  return copy;
}

/** Where a reference leads to, in the document. */
function placeOf(reference: string, { resource, id, places }: Walk): string {
  if (reference === "#" || reference.startsWith("#/")) return resource + reference.slice(1);
  const [file = "", fragment = ""] = resolved(reference, id).split("#");
  const named = reference.startsWith("#") ? `${id.replace(/#$/, "")}${reference}` : undefined;
  if (named !== undefined) return places.get(named) ?? reference;
  const place = places.get(file);
  if (fragment === "" || fragment.startsWith("/")) return (place ?? file) + fragment;
  return places.get(`${file}#${fragment}`) ?? reference;
}

/** Calls `visit` with each part that is a schema or a list of them, and its path. */
function eachSchema(
  part: Record<string, unknown>,
  visit: (value: unknown, path: string) => void,
): void {
  for (const [name, value] of Object.entries(part)) {
    if (VALUES.includes(name) || typeof value !== "object" || value === null) continue;
    if (!NAMED.includes(name) || !isJsonObject(value)) visit(value, escapePointer(name));
    else {
      for (const [inner, schema] of Object.entries(value)) {
        visit(schema, `${name}/${escapePointer(inner)}`);
      }
    }
  }
}
