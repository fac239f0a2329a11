/**
 * Names within a schema: each subschema with its place, and what `$id`, `$anchor` and
 * `$dynamicAnchor` refer to (JSON Schema 2020-12, sections 8.2 and 9). References are followed
 * inside the schema, into documents bundled with it, and to the drafts' own meta-schemas. Nothing
 * is ever fetched.
 */
import { InvalidSchemaError } from "../../base/errors.ts";
import { escapePointer, unescapePointer } from "../../json/pointer.ts";
import { draftNamed, isObject, type Schema } from "./limits.ts";

/** A supported draft of JSON Schema. */
export type Draft = "2020-12" | "07";

/** A schema with its own URI: the whole document, or a part with an `$id`. */
export interface Resource {
  uri: string;
  draft: Draft;
  root: Schema | boolean;
  /** `$anchor` and `$dynamicAnchor`; in draft-07, an `$id` that is a fragment. */
  anchors: Map<string, Schema>;
  /** Only `$dynamicAnchor`. */
  dynamicAnchors: Map<string, Schema>;
}

/** A subschema and its place. */
export interface SchemaPart {
  schema: Schema;
  /** A JSON pointer from the root of its document. */
  pointer: string;
  resource: Resource;
  /** False for a part of a meta-schema. */
  isOwn: boolean;
}

/** The target of a reference. */
export interface Target {
  schema: Schema | boolean;
  resource: Resource;
  /** A JSON pointer from the root of its document. */
  pointer: string;
  isOwn: boolean;
}

/** The base URI of a schema without an `$id`. */
const NO_ID = "evs:///schema";

/** Keywords whose value is a schema. */
const ONE = [
  "additionalItems",
  "additionalProperties",
  "contains",
  "contentSchema",
  "else",
  "if",
  "items",
  "not",
  "propertyNames",
  "then",
  "unevaluatedItems",
  "unevaluatedProperties",
];
/** Keywords whose value is a list of schemas. */
const LIST = ["allOf", "anyOf", "items", "oneOf", "prefixItems"];
/** Keywords whose value is a map of schemas; `dependencies` may hold lists of names too. */
const MAP = [
  "$defs",
  "definitions",
  "dependencies",
  "dependentSchemas",
  "patternProperties",
  "properties",
];

/** The parts of a schema, and the names it gives them. */
export class SchemaDocuments {
  readonly root: Resource;
  readonly #meta: (uri: string) => Schema | undefined;
  readonly #resources = new Map<string, Resource>();
  readonly #parts = new Map<Schema, SchemaPart>();

  /** `meta`: looks up a draft's meta-schemas by URI. */
  constructor(schema: Schema | boolean, meta: (uri: string) => Schema | undefined) {
    this.#meta = meta;
    this.root = this.#add(schema, { draft: "2020-12", uri: NO_ID, isOwn: true });
  }

  /** All subschemas of the document itself. */
  ownParts(): SchemaPart[] {
    return [...this.#parts.values()].filter(({ isOwn }) => isOwn);
  }

  /** Where a subschema was found. */
  partOf(schema: Schema): SchemaPart {
    const part = this.#parts.get(schema);
    if (part === undefined) throw new Error("not a part of this schema");
    return part;
  }

  /** The target of a reference in a part; undefined if nothing here has that name. */
  resolve(part: SchemaPart, reference: string): Target | undefined {
    const uri = resolveUri(reference, part.resource.uri);
    if (uri === undefined) return undefined;
    const [absolute, fragment] = splitFragment(uri);
    const resource = this.#resources.get(absolute) ?? this.#loadMeta(absolute);
    if (resource === undefined) return undefined;
    const { pointer, isOwn } = this.#placeOf(resource);
    if (fragment === "") return { schema: resource.root, resource, pointer, isOwn };
    if (fragment.startsWith("/")) return this.#atPointer(resource, fragment);
    const name = decoded(fragment);
    const found = name === undefined ? undefined : resource.anchors.get(name);
    return found && this.#targetOf(found);
  }

  /** The part at a JSON pointer from the root of the document. */
  at(pointer: string): Target | undefined {
    const { root } = this;
    return pointer === ""
      ? { schema: root.root, resource: root, pointer, isOwn: true }
      : this.#atPointer(root, pointer.split("/").map(encodeURIComponent).join("/"));
  }

  #targetOf(schema: Schema): Target {
    const { resource, pointer, isOwn } = this.partOf(schema);
    return { schema, resource, pointer, isOwn };
  }

  #placeOf({ root }: Resource): { pointer: string; isOwn: boolean } {
    return isObject(root) ? this.partOf(root) : { pointer: "", isOwn: true };
  }

  #loadMeta(uri: string): Resource | undefined {
    const schema = this.#meta(uri);
    return schema && this.#add(schema, { draft: "2020-12", uri, isOwn: false });
  }

  #add(
    schema: Schema | boolean,
    about: { draft: Draft; uri: string; isOwn: boolean },
  ): Resource {
    const resource: Resource = {
      uri: about.uri,
      draft: about.draft,
      root: schema,
      anchors: new Map(),
      dynamicAnchors: new Map(),
    };
    if (isObject(schema)) this.#walk(schema, { resource, pointer: "", isOwn: about.isOwn });
    const outermost = isObject(schema) ? this.partOf(schema).resource : resource;
    this.#resources.set(about.uri, outermost);
    return outermost;
  }

  /**
   * Walks only the places where schemas may occur: a `$ref` below `const`, `enum` or an unknown
   * keyword is data.
   */
  #walk(schema: Schema, place: { resource: Resource; pointer: string; isOwn: boolean }): void {
    if (this.#parts.has(schema)) return;
    const { pointer, isOwn } = place;
    const resource = this.#resourceOf(schema, place);
    this.#parts.set(schema, { schema, pointer, resource, isOwn });
    this.#nameAnchors(schema, resource);
    const visit = (value: unknown, at: string) => {
      if (isObject(value)) this.#walk(value, { resource, pointer: at, isOwn });
    };
    for (const [keyword, value] of Object.entries(schema)) {
      const at = `${pointer}/${escapePointer(keyword)}`;
      if (LIST.includes(keyword) && Array.isArray(value)) {
        value.forEach((item, index) => visit(item, `${at}/${index}`));
      } else if (ONE.includes(keyword)) visit(value, at);
      else if (MAP.includes(keyword) && isObject(value)) {
        for (const [name, item] of Object.entries(value)) {
          visit(item, `${at}/${escapePointer(name)}`);
        }
      }
    }
  }

  /** The resource that a schema belongs to; a new one if it has an `$id`. */
  #resourceOf(schema: Schema, place: { resource: Resource; pointer: string }): Resource {
    const { resource: outer, pointer } = place;
    const id = schema["$id"];
    const isRoot = pointer === "";
    const draft = draftNamed(schema["$schema"]) ?? outer.draft;
    const ignored = draft === "07" && typeof schema["$ref"] === "string" && !isRoot;
    if (typeof id !== "string" || ignored || (draft === "07" && id.startsWith("#"))) {
      if (isRoot) outer.draft = draft;
      return outer;
    }
    const uri = resolveUri(id, outer.uri);
    if (uri === undefined) return outer;
    const [absolute] = splitFragment(uri);
    if (this.#resources.has(absolute)) {
      throw new InvalidSchemaError(
        `the schema at ${pointer || "its root"} has the $id ${JSON.stringify(id)}, which another ` +
          "part has already",
        { code: "schema/refused", details: { pointer } },
      );
    }
    const resource: Resource = isRoot
      ? Object.assign(outer, { uri: absolute, draft })
      : { uri: absolute, draft, root: schema, anchors: new Map(), dynamicAnchors: new Map() };
    this.#resources.set(absolute, resource);
    return resource;
  }

  #nameAnchors(schema: Schema, resource: Resource): void {
    const { $id: id, $anchor: anchor, $dynamicAnchor: dynamic } = schema;
    if (resource.draft === "07") {
      if (typeof id === "string" && /^#./.test(id) && schema["$ref"] === undefined) {
        resource.anchors.set(id.slice(1), schema);
      }
      return;
    }
    if (typeof anchor === "string") resource.anchors.set(anchor, schema);
    if (typeof dynamic !== "string") return;
    resource.anchors.set(dynamic, schema);
    resource.dynamicAnchors.set(dynamic, schema);
  }

  #atPointer(from: Resource, fragment: string): Target | undefined {
    let value: unknown = from.root;
    let { pointer } = this.#placeOf(from);
    const { isOwn } = this.#placeOf(from);
    let resource = from;
    for (const part of fragment.slice(1).split("/")) {
      const text = decoded(part);
      if (text === undefined || typeof value !== "object" || value === null) return undefined;
      const name = unescapePointer(text);
      if (!Object.hasOwn(value, name)) return undefined;
      value = (value as Schema)[name];
      pointer += `/${escapePointer(name)}`;
      if (isObject(value)) resource = this.#parts.get(value)?.resource ?? resource;
    }
    if (typeof value === "boolean") return { schema: value, resource, pointer, isOwn };
    if (!isObject(value)) return undefined;
    // The value of an unknown keyword becomes a schema as soon as something refers to it.
    this.#walk(value, { resource, pointer, isOwn });
    return this.#targetOf(value);
  }
}

/** The reference as an absolute URI; undefined if it is not one. */
function resolveUri(reference: string, base: string): string | undefined {
  // Append a fragment by hand: `urn:` is not hierarchical, so nothing can be resolved relative to
  // it.
  if (reference.startsWith("#")) return splitFragment(base)[0] + reference;
  return URL.parse(reference, base)?.href;
}

function splitFragment(uri: string): [absolute: string, fragment: string] {
  const at = uri.indexOf("#");
  return at < 0 ? [uri, ""] : [uri.slice(0, at), uri.slice(at + 1)];
}

function decoded(part: string): string | undefined {
  try {
    return decodeURIComponent(part);
  } catch (error) {
    if (error instanceof URIError) return undefined; // a bad percent escape names nothing
    throw error;
  }
}
