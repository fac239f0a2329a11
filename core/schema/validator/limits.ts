/**
 * Limits on schemas, so that checking a payload stays cheap whatever the two contain: size, depth,
 * number of branches, only internal references, and a maximum number of checks per value.
 */
import { InvalidSchemaError } from "../../base/errors.ts";
import { escapePointer } from "../../json/pointer.ts";
import type { SchemaDocuments, SchemaPart } from "./documents.ts";
import { isJsonObject } from "../../json/json_object.ts";

/** The largest schema, in bytes of its text. */
export const MAX_SCHEMA_BYTES = 256 * 1024;
const MAX_DEPTH = 64;
const MAX_BRANCHES = 1000;
/** The most objects in a schema; compiling takes about 0.3 ms for each. */
const MAX_OBJECTS = 2000;
/** The most checks of one value at one place, following references. */
const MAX_CHECKS = 2000;
/** How deep references and branches may nest while checking one value. */
const MAX_CHAIN = 200;

/** The supported drafts, by `$schema`. */
const DRAFTS: Record<string, "2020-12" | "07"> = {
  "https://json-schema.org/draft/2020-12/schema": "2020-12",
  "http://json-schema.org/draft-07/schema": "07",
  "https://json-schema.org/draft-07/schema": "07",
};

/** Keywords that check the same value again. */
const SAME_PLACE = ["allOf", "anyOf", "oneOf", "not", "if", "then", "else"];
/** The same, keyed by a member's name. */
const SAME_PLACE_BY_NAME = ["dependentSchemas", "dependencies"];

/** A schema other than true or false. */
export type Schema = Record<string, unknown>;

/** The draft that a `$schema` refers to; undefined if it is not supported. */
export function draftNamed(named: unknown): "2020-12" | "07" | undefined {
  const uri = typeof named === "string" ? named.replace(/#$/, "") : "";
  return Object.hasOwn(DRAFTS, uri) ? DRAFTS[uri] : undefined;
}

/** The draft of a schema by its `$schema`; 2020-12 if it has none. */
export function draftOf(schema: unknown): "2020-12" | "07" {
  const named = isObject(schema) ? schema["$schema"] : undefined;
  if (named === undefined) return "2020-12";
  const draft = draftNamed(named);
  if (draft) return draft;
  throw new InvalidSchemaError(`the draft ${JSON.stringify(named)} is not known`, {
    code: "schema/unknown-draft",
    details: { pointer: "/$schema" },
    hint: "use draft 2020-12 (https://json-schema.org/draft/2020-12/schema) or draft-07",
  });
}

/** Checks everything that the text alone shows. Throws `InvalidSchemaError` naming the place. */
export function assertWithinLimits(schema: unknown): asserts schema is Schema | boolean {
  if (typeof schema !== "boolean" && !isObject(schema)) {
    throw new InvalidSchemaError("a schema is a JSON object, true or false");
  }
  let branches = 0;
  let objects = 0;
  const walk = (value: unknown, pointer: string, depth: number): void => {
    if (depth > MAX_DEPTH) throw refuse(pointer, `is nested deeper than ${MAX_DEPTH}`);
    if (Array.isArray(value)) {
      value.forEach((item, i) => walk(item, `${pointer}/${i}`, depth + 1));
    } else if (isObject(value)) {
      if (++objects > MAX_OBJECTS) {
        throw refuse("", `has more than ${MAX_OBJECTS} objects in it`);
      }
      for (const keyword of ["allOf", "anyOf", "oneOf"]) {
        const list = value[keyword];
        if (Array.isArray(list)) branches += list.length;
      }
      if (branches > MAX_BRANCHES) {
        throw refuse(pointer, `has more than ${MAX_BRANCHES} branches`);
      }
      for (const [name, item] of Object.entries(value)) {
        walk(item, `${pointer}/${escapePointer(name)}`, depth + 1);
      }
    }
  };
  walk(schema, "", 0);
}

/**
 * Follows every reference. Throws for one that leads nowhere, and for an exponential fan-out, which
 * is detected without being walked.
 */
export function assertReferences(documents: SchemaDocuments): void {
  const counter = new CheckCounter(documents);
  for (const part of documents.ownParts()) counter.count(part);
  // References may have led to parts that were not known before.
  for (const part of documents.ownParts()) counter.count(part);
}

class CheckCounter {
  readonly #documents: SchemaDocuments;
  readonly #known = new Map<Schema, number>();
  readonly #open = new Set<Schema>();

  constructor(documents: SchemaDocuments) {
    this.#documents = documents;
  }

  /** How many checks one value causes at this part. */
  count(part: SchemaPart): number {
    const { schema, pointer } = part;
    const before = this.#known.get(schema);
    if (before !== undefined) return before;
    if (this.#open.has(schema)) {
      throw refuse(pointer, "refers to itself for the same value: checking it would never end");
    }
    this.#open.add(schema);
    if (this.#open.size > MAX_CHAIN) {
      throw refuse(pointer, `is more than ${MAX_CHAIN} references deep, too deep to follow`);
    }
    let sum = 1;
    for (const keyword of ["$ref", "$dynamicRef"]) sum += this.#countReference(part, keyword);
    if (part.resource.draft !== "07" || schema["$ref"] === undefined) {
      for (const value of sameValueParts(schema)) sum += this.#countSchema(value);
    }
    this.#open.delete(schema);
    if (sum > MAX_CHECKS) {
      throw refuse(pointer, `fans out into more than ${MAX_CHECKS} checks of one value`);
    }
    this.#known.set(schema, sum);
    return sum;
  }

  #countSchema(value: unknown): number {
    return isObject(value) ? this.count(this.#documents.partOf(value)) : 1;
  }

  #countReference(part: SchemaPart, keyword: string): number {
    const reference = part.schema[keyword];
    if (typeof reference !== "string") return 0;
    if (keyword === "$dynamicRef" && part.resource.draft === "07") return 0;
    const target = this.#documents.resolve(part, reference);
    const at = `${part.pointer}/${keyword}`;
    if (target === undefined) {
      throw reference.startsWith("#")
        ? refuse(at, `refers to ${reference}, which does not exist`)
        : refuse(
          at,
          `refers to ${JSON.stringify(reference)}, which does not exist: ` +
            "only references inside the schema are followed, nothing is fetched",
          "put the other schema into $defs, with the $id that the reference names",
        );
    }
    if (!isObject(target.schema)) return 1;
    // The target of a dynamic reference is known only while a payload is checked, so a cycle ends
    // here.
    const open = this.#open.has(target.schema);
    if (keyword === "$dynamicRef" && open) return 1;
    return this.count(this.#documents.partOf(target.schema));
  }
}

/** The parts that check the same value again. */
function sameValueParts(schema: Schema): unknown[] {
  return [
    ...SAME_PLACE.flatMap((keyword) => schema[keyword] ?? []),
    ...SAME_PLACE_BY_NAME.flatMap((keyword) => Object.values(schema[keyword] ?? {}))
      .filter((part) => !Array.isArray(part)),
  ];
}

function refuse(pointer: string, fault: string, hint?: string): InvalidSchemaError {
  return new InvalidSchemaError(`the schema at ${pointer === "" ? "its root" : pointer} ${fault}`, {
    code: "schema/refused",
    details: { pointer },
    hint,
  });
}

/** True for a JSON object. */
export function isObject(value: unknown): value is Schema {
  return isJsonObject(value);
}
