/**
 * What a schema may be made of, so that checking a payload stays cheap whatever both of them are: a size, a depth, a
 * number of branches, references that stay inside, and no more than so many checks of one value.
 */
import { InvalidSchemaError } from "../../base/errors.ts";

/** The largest schema, in bytes of its text. */
export const MAX_SCHEMA_BYTES = 256 * 1024;
const MAX_DEPTH = 64;
const MAX_BRANCHES = 1000;
/** Objects in a schema: compiling takes about 0.3 ms for each. */
const MAX_OBJECTS = 2000;
/** Checks of one value at one place, references followed. */
const MAX_CHECKS = 2000;

/** The drafts that are known by their `$schema`. */
const DRAFTS: Record<string, "2020-12" | "07"> = {
  "https://json-schema.org/draft/2020-12/schema": "2020-12",
  "http://json-schema.org/draft-07/schema": "07",
  "https://json-schema.org/draft-07/schema": "07",
};

/** Keywords that check the same value again. */
const SAME_PLACE = ["allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas"];

type Schema = Record<string, unknown>;

/** The draft of a schema, by `$schema`; 2020-12 where none is named. */
export function draftOf(schema: unknown): "2020-12" | "07" {
  const named = isObject(schema) ? schema["$schema"] : undefined;
  if (named === undefined) return "2020-12";
  const draft = typeof named === "string" ? DRAFTS[named.replace(/#$/, "")] : undefined;
  if (draft) return draft;
  throw new InvalidSchemaError(`the draft ${JSON.stringify(named)} is not known`, {
    code: "schema/unknown-draft",
    details: { pointer: "/$schema" },
    hint: "use draft 2020-12 (https://json-schema.org/draft/2020-12/schema) or draft-07",
  });
}

/** Checks everything that a text alone can tell. Throws `InvalidSchemaError` that names the place. */
export function assertWithinLimits(schema: unknown): void {
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
      assertLocalReference(value, pointer);
      for (const keyword of ["allOf", "anyOf", "oneOf"]) {
        const list = value[keyword];
        if (Array.isArray(list)) branches += list.length;
      }
      if (branches > MAX_BRANCHES) {
        throw refuse(pointer, `makes more than ${MAX_BRANCHES} branches in all`);
      }
      for (const [name, item] of Object.entries(value)) {
        walk(item, `${pointer}/${escapePointer(name)}`, depth + 1);
      }
    }
  };
  walk(schema, "", 0);
  if (isObject(schema)) assertChecks(schema);
}

function assertLocalReference(schema: Schema, pointer: string): void {
  for (const keyword of ["$ref", "$dynamicRef"]) {
    const reference = schema[keyword];
    if (typeof reference === "string" && !reference.startsWith("#")) {
      throw refuse(
        `${pointer}/${keyword}`,
        `refers to ${
          JSON.stringify(reference)
        }: only references inside the schema (#…) are followed`,
      );
    }
  }
}

/** Follows references at one place and counts: a fan-out that doubles at each step is found without being walked. */
function assertChecks(root: Schema): void {
  const known = new Map<Schema, number>();
  const open = new Set<Schema>();
  const checks = (schema: unknown, pointer: string): number => {
    if (!isObject(schema)) return 1;
    const before = known.get(schema);
    if (before !== undefined) return before;
    if (open.has(schema)) {
      throw refuse(pointer, "refers to itself for the same value: checking it would never end");
    }
    open.add(schema);
    let sum = 1;
    const reference = schema["$ref"];
    if (typeof reference === "string") {
      const target = resolve(root, reference);
      if (target === undefined) {
        throw refuse(`${pointer}/$ref`, `refers to ${reference}, which is not there`);
      }
      sum += checks(target, reference.slice(1));
    }
    for (const keyword of SAME_PLACE) {
      const value = schema[keyword];
      const parts = Array.isArray(value) || keyword !== "dependentSchemas"
        ? [value].flat()
        : Object.values(value ?? {});
      for (const part of parts) {
        if (part !== undefined) sum += checks(part, `${pointer}/${keyword}`);
      }
    }
    open.delete(schema);
    if (sum > MAX_CHECKS) {
      throw refuse(pointer, `fans out into more than ${MAX_CHECKS} checks of one value`);
    }
    known.set(schema, sum);
    return sum;
  };
  const visit = (value: unknown, pointer: string): void => {
    if (Array.isArray(value)) value.forEach((item, i) => visit(item, `${pointer}/${i}`));
    if (!isObject(value)) return;
    checks(value, pointer);
    for (const [name, item] of Object.entries(value)) {
      visit(item, `${pointer}/${escapePointer(name)}`);
    }
  };
  visit(root, "");
}

/** The target of `#`, `#/pointer` or `#anchor`. */
function resolve(root: Schema, reference: string): unknown {
  if (reference === "#") return root;
  if (!reference.startsWith("#/")) return findAnchor(root, reference.slice(1))?.value;
  let value: unknown = root;
  for (const part of reference.slice(2).split("/")) {
    const name = decoded(part)?.replaceAll("~1", "/").replaceAll("~0", "~");
    if (name === undefined) return undefined;
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) {
      return undefined;
    }
    value = (value as Schema)[name];
  }
  return value;
}

function decoded(part: string): string | undefined {
  try {
    return decodeURIComponent(part);
  } catch (error) {
    if (error instanceof URIError) return undefined; // a bad percent escape names nothing
    throw error;
  }
}

/** The schema with this anchor, and the JSON pointer to it. */
export function findAnchor(
  value: unknown,
  anchor: string,
  pointer = "",
): { value: unknown; pointer: string } | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const schema = value as Schema;
  if (
    schema["$anchor"] === anchor || schema["$dynamicAnchor"] === anchor ||
    schema["$id"] === `#${anchor}`
  ) return { value, pointer };
  for (const [name, item] of Object.entries(schema)) {
    const found = findAnchor(item, anchor, `${pointer}/${escapePointer(name)}`);
    if (found !== undefined) return found;
  }
  return undefined;
}

function refuse(pointer: string, fault: string): InvalidSchemaError {
  return new InvalidSchemaError(`the schema at ${pointer === "" ? "its root" : pointer} ${fault}`, {
    code: "schema/refused",
    details: { pointer },
  });
}

/** A name as a part of a JSON pointer. */
export function escapePointer(name: string): string {
  return name.replaceAll("~", "~0").replaceAll("/", "~1");
}

function isObject(value: unknown): value is Schema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
