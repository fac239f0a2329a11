/**
 * A place in a schema: the unit of comparison between two schemas. A {@link SchemaDocument} is a
 * whole schema, together with what only the validator knows: whether a value fits one of its parts,
 * and whether a name matches a pattern.
 */
import { isNumeric, type Numeric } from "../../json/decimal.ts";
import { escapePointer } from "../../json/pointer.ts";
import { isObject } from "../validator/limits.ts";
import { canonical } from "../validator/unique_items.ts";

/** A schema at one place: an object of keywords, or true or false. */
export type JsonSchema = boolean | Record<string, unknown>;

/** A whole schema. */
export interface SchemaDocument {
  root: JsonSchema;
  draft: "2020-12" | "07";
  /** Where a reference in the part at the pointer leads; undefined if outside the document. */
  target(pointer: string, reference: string): Omit<SchemaPlace, "document"> | undefined;
  /** True if the value fits the part at the pointer. */
  accepts(pointer: string, value: unknown): boolean;
  /** True if the text matches the pattern. */
  matches(pattern: string, text: string): boolean;
}

/** A part of a schema. */
export interface SchemaPlace {
  document: SchemaDocument;
  /** A JSON pointer (RFC 6901) from the root of the document. */
  pointer: string;
  schema: JsonSchema;
}

/** The types of JSON values; integers count as numbers. */
export type JsonType = "null" | "boolean" | "number" | "string" | "array" | "object";

/** All types of JSON values. */
export const TYPES: readonly JsonType[] = [
  "null",
  "boolean",
  "number",
  "string",
  "array",
  "object",
];

/** Keywords that draft-07 does not have; they are ignored there. */
const LATER = new Set([
  "prefixItems",
  "dependentRequired",
  "dependentSchemas",
  "unevaluatedProperties",
  "unevaluatedItems",
  "minContains",
  "maxContains",
  "$dynamicRef",
]);

/** The part below a keyword, by member names and indexes; undefined if there is none. */
export function below(
  place: SchemaPlace,
  keyword: string,
  ...names: (string | number)[]
): SchemaPlace | undefined {
  let schema: unknown = keywordOf(place, keyword);
  let pointer = `${place.pointer}/${escapePointer(keyword)}`;
  for (const name of names) {
    if (typeof schema !== "object" || schema === null || !Object.hasOwn(schema, name)) {
      return undefined;
    }
    schema = (schema as Record<string, unknown>)[name];
    pointer += `/${escapePointer(String(name))}`;
  }
  if (typeof schema !== "boolean" && !isObject(schema)) return undefined;
  return { document: place.document, pointer, schema };
}

/** The parts of a keyword whose value is a list of schemas. */
export function listBelow(place: SchemaPlace, keyword: string): SchemaPlace[] {
  const list = keywordOf(place, keyword);
  if (!Array.isArray(list)) return [];
  return list.map((_, index) => below(place, keyword, index)).filter((part) => part !== undefined);
}

/** The parts of a keyword whose value is a map of schemas, by name. */
export function mapBelow(place: SchemaPlace, keyword: string): Map<string, SchemaPlace> {
  const map = keywordOf(place, keyword);
  const parts = new Map<string, SchemaPlace>();
  for (const name of isObject(map) ? Object.keys(map) : []) {
    const part = below(place, keyword, name);
    if (part !== undefined) parts.set(name, part);
  }
  return parts;
}

/** A keyword's value; undefined if absent. */
export function keywordOf(place: SchemaPlace, keyword: string): unknown {
  const { schema, document } = place;
  if (document.draft === "07" && LATER.has(keyword)) return undefined;
  // In draft-07, `$ref` disables the keywords beside it.
  const isAlone = document.draft === "07" && typeof schema === "object" &&
    typeof schema["$ref"] === "string";
  if (isAlone && keyword !== "$ref") return undefined;
  return typeof schema === "object" && Object.hasOwn(schema, keyword) ? schema[keyword] : undefined;
}

/** A keyword's value if it is a number, exactly as written. */
export function numericAt(place: SchemaPlace, keyword: string): Numeric | undefined {
  const value = keywordOf(place, keyword);
  return isNumeric(value) ? value : undefined;
}

/** A keyword's value if it is a number, as a double. */
export function numberOf(place: SchemaPlace, keyword: string): number | undefined {
  return numericAt(place, keyword)?.valueOf();
}

/**
 * Everything that a value at this place has to fit, as places whose own keywords count: the place
 * itself, the target of its `$ref`, the parts of its `allOf`, and theirs in turn. The recursion
 * ends, because a schema that refers to itself for the same value is rejected (limits.ts).
 */
export function conjuncts(place: SchemaPlace): SchemaPlace[] {
  const target = targetOf(place);
  return [
    place,
    ...target === undefined ? [] : conjuncts(target),
    ...listBelow(place, "allOf").flatMap(conjuncts),
  ];
}

/**
 * The target of a place's `$ref`; undefined if it has none, or the target is outside the document.
 */
export function targetOf(place: SchemaPlace): SchemaPlace | undefined {
  const { document, pointer } = place;
  const reference = keywordOf(place, "$ref");
  if (typeof reference !== "string") return undefined;
  const target = document.target(pointer, reference);
  return target && { document, ...target };
}

/** The types that a place allows by `type` and `nullable`; all of them if it has neither. */
export function typesOf(place: SchemaPlace): { types: readonly JsonType[]; whole: boolean } {
  const named = [keywordOf(place, "type") ?? TYPES].flat() as string[];
  const types = new Set(named.map((name) => name === "integer" ? "number" : name) as JsonType[]);
  if (keywordOf(place, "nullable") === true) types.add("null");
  return {
    types: TYPES.filter((type) => types.has(type)),
    whole: named.includes("integer") && !named.includes("number"),
  };
}

/** True if two places are identical as text, and neither refers to anything elsewhere. */
export function isSame(a: SchemaPlace, b: SchemaPlace): boolean {
  const text = textOf(a.schema);
  return text === textOf(b.schema) && !/"\$(?:ref|dynamicRef|recursiveRef)":/.test(text);
}

const texts = new WeakMap<object, string>();

function textOf(schema: JsonSchema): string {
  if (typeof schema === "boolean") return String(schema);
  const text = texts.get(schema) ?? canonical(schema);
  texts.set(schema, text);
  return text;
}

export { isObject };
