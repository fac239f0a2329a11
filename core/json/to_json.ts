/**
 * Turns values into JSON text without losing anything: whatever JSON cannot express is rejected
 * with its name and place, once `toJSON` has been applied. A `Map` that silently became `{}` would
 * be stored as an event that never happened.
 *
 * Most values are plain: objects and arrays of strings, finite numbers, booleans and null. Those
 * are checked quickly and serialized by the runtime. All others are checked part by part as they
 * are serialized.
 */
import { EventRefusedError, InvalidSchemaError } from "../base/errors.ts";
import { isA, thrownText } from "../base/thrown.ts";
import { assertDepth, MAX_DEPTH } from "./json.ts";
import { escapePointer } from "./pointer.ts";

/** The most bytes for a number, a literal, or the punctuation around a part. */
const PART = 25;
/** The most bytes for one character, if it has to be escaped. */
const CHARACTER = 6;

/** True for a value that JSON can express as is. Looks no deeper than JSON may nest. */
export function isPlainJson(value: unknown): boolean {
  return plainWeight(value) >= 0;
}

/**
 * An upper bound for the value's size as JSON, in bytes; negative if JSON cannot express it as is.
 */
export function plainWeight(value: unknown, depth = 0): number {
  if (typeof value !== "object" || value === null) return weightOfScalar(value);
  // Fetching the prototype takes several times as long as everything else together.
  if (value.constructor !== Object) {
    if (Array.isArray(value)) return depth > MAX_DEPTH ? NOT_PLAIN : weightOfItems(value, depth);
    if (!isPlainObject(value)) return NOT_PLAIN;
  }
  if (depth > MAX_DEPTH) return NOT_PLAIN;
  let sum = PART;
  // This also catches a method such as `toJSON`, whether own or inherited.
  for (const name in value) {
    const member = (value as Record<string, unknown>)[name];
    if (member === undefined) continue; // what is absent stays absent
    const weight = typeof member === "object"
      ? plainWeight(member, depth + 1)
      : weightOfScalar(member);
    if (weight < 0) return NOT_PLAIN;
    sum += CHARACTER * name.length + weight;
  }
  return sum;
}

const NOT_PLAIN = -1;

function weightOfScalar(value: unknown): number {
  if (typeof value === "string") return PART + CHARACTER * value.length;
  if (typeof value === "number") return Number.isFinite(value) ? PART : NOT_PLAIN;
  return typeof value === "boolean" || value === null ? PART : NOT_PLAIN;
}

function weightOfItems(items: readonly unknown[], depth: number): number {
  let sum = PART;
  for (let at = 0; at < items.length; at++) {
    const weight = plainWeight(items[at], depth + 1);
    if (weight < 0) return NOT_PLAIN;
    sum += weight;
  }
  return sum;
}

function isPlainObject(value: object): boolean {
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}

/**
 * Serializes the value as JSON. Throws `EventRefusedError` (`event/invalid-payload`) for anything
 * that JSON cannot express.
 */
export function toJson(value: unknown, what: string): string {
  let text: string | undefined;
  try {
    text = isPlainJson(value) ? JSON.stringify(value) : printed(value, what);
  } catch (cause) {
    if (isA(cause, EventRefusedError)) throw cause;
    const why = thrownText(cause).split("\n")[0];
    throw new EventRefusedError("event/invalid-payload", `${what} is not JSON: ${why}`, { cause });
  }
  if (text === undefined) throw refused(what, { pointer: "", found: "undefined" });
  assertDepth(text);
  return text;
}

/**
 * Serializes a schema as JSON. Throws `InvalidSchemaError` for anything that JSON cannot express.
 */
export function schemaToJson(schema: unknown): string {
  try {
    return toJson(schema, "the schema");
  } catch (error) {
    if (!isA(error, EventRefusedError)) throw error;
    const { message, hint, details } = error;
    throw new InvalidSchemaError(message, { cause: error, hint, details });
  }
}

/** What of a value would not be the same once it was written as JSON and read again. */
export interface UnplainPart {
  /** Where it is, as a JSON pointer. */
  pointer: string;
  /** What it is, in words: `a Map`. */
  found: string;
  /** What to do about it. */
  hint: string;
}

/**
 * The first part of a value that JSON does not keep as it is: stricter than {@link toJson}, for a
 * state that must come back as it was. A `Date` would come back as a text, an object of a class
 * without its methods. A member that is `undefined` may be absent.
 */
export function unplainPart(value: unknown): UnplainPart | undefined {
  return isPlainJson(value) ? undefined : findUnplain(value, { pointer: "", open: [] });
}

/** The part at this place, with a hint. */
export function unplainOf(found: string, pointer: string): UnplainPart {
  return { pointer, found, hint: hintFor(found) };
}

function findUnplain(
  value: unknown,
  { pointer, open }: { pointer: string; open: readonly unknown[] },
): UnplainPart | undefined {
  const found = open.includes(value) ? "a part of itself" : nameOfUnplain(value);
  if (found !== undefined) return unplainOf(found, pointer);
  if (typeof value !== "object" || value === null) return undefined;
  const isItem = Array.isArray(value);
  const names = isItem ? value.keys() : Object.keys(value);
  for (const name of names) {
    const part = (value as Record<string, unknown>)[name];
    if (part === undefined && !isItem) continue;
    const unplain = findUnplain(part, {
      pointer: `${pointer}/${escapePointer(String(name))}`,
      open: [...open, value],
    });
    if (unplain) return unplain;
  }
  return undefined;
}

function nameOfUnplain(value: unknown): string | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return unspeakable(value, { before: value, isItem: true });
  }
  if (isPlainObject(value)) return undefined;
  return isA(value, Date) ? "a Date" : nameOfObject(value) ?? OF_A_CLASS;
}

/** What an instance of a class is called. */
export const OF_A_CLASS = "an object of a class";

function printed(value: unknown, what: string): string | undefined {
  const pointers = new WeakMap<object, string>();
  /** The objects being serialized, outermost first. */
  const open: object[] = [];
  return JSON.stringify(value, function (this: object, name: string, after: unknown): unknown {
    const pointer = (pointers.get(this) ?? "") +
      (pointers.has(this) ? `/${escapePointer(name)}` : "");
    while (open.length > 0 && open.at(-1) !== this) open.pop();
    const before = (this as Record<string, unknown>)[name];
    const found = unspeakable(after, { before, isItem: Array.isArray(this) });
    if (found !== undefined) throw refused(what, { pointer, found });
    if (typeof after === "object" && after !== null) {
      if (open.includes(after)) throw refused(what, { pointer, found: "a part of itself" });
      if (open.length > MAX_DEPTH) {
        throw new EventRefusedError("event/too-deep", `nested deeper than ${MAX_DEPTH}`, {
          details: { pointer, limit: MAX_DEPTH },
          hint: "flatten the payload, or put the inner part into a string",
        });
      }
      pointers.set(after, pointer);
      open.push(after);
    }
    return after;
  });
}

/**
 * Describes a part that JSON cannot express; undefined if it can. `before`: its value before
 * `toJSON`.
 */
function unspeakable(
  after: unknown,
  { before, isItem }: { before: unknown; isItem: boolean },
): string | undefined {
  switch (typeof after) {
    case "function":
    case "symbol":
    case "bigint":
      return `a ${typeof after}`;
    case "undefined":
      return isItem ? "undefined" : undefined;
    case "number":
      return Number.isFinite(after) ? undefined : String(after);
    case "object":
      break;
    default:
      return undefined;
  }
  if (after === null) return isA(before, Date) ? "an invalid Date" : undefined;
  return nameOfObject(after);
}

/** Objects that JSON would turn into something else. */
const OBJECTS: [type: abstract new (...args: never[]) => unknown, name: string][] = [
  [Map, "a Map"],
  [Set, "a Set"],
  [WeakMap, "a WeakMap"],
  [WeakSet, "a WeakSet"],
  [RegExp, "a RegExp"],
  [Error, "an Error"],
  [Promise, "a Promise"],
  [ArrayBuffer, "an ArrayBuffer"],
];

function nameOfObject(value: object): string | undefined {
  if (Array.isArray(value)) return undefined;
  const prototype = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === null) return undefined;
  const known = OBJECTS.find(([type]) => isA(value, type));
  if (known) return known[1];
  if (ArrayBuffer.isView(value)) return `a ${tagOf(value)}`;
  // A boxed number or string is serialized as its contents.
  if (isA(value, Number)) return Number.isFinite(Number(value)) ? undefined : String(value);
  if (isA(value, String) || isA(value, Boolean)) return undefined;
  if (["BigInt", "Symbol"].includes(tagOf(value))) return `a ${tagOf(value).toLowerCase()}`;
  // Built-in objects keep their contents in internal slots, so JSON would say {}.
  const tag = tagOf(value);
  return tag !== "Object" && Object.keys(value).length === 0 ? `a ${tag}` : undefined;
}

function tagOf(value: object): string {
  return Object.prototype.toString.call(value).slice(8, -1);
}

const HINTS: Record<string, string> = {
  "a Map": "convert it to an object or an array: Object.fromEntries(map), [...map]",
  "a Set": "convert it to an array: [...set]",
  [OF_A_CLASS]: "keep a plain object, and create the instance from it where needed",
  "a Date": "keep its text or its number: date.toISOString(), date.getTime()",
  "an Error": "keep what matters: { message: error.message }",
  "a RegExp": "use its source: pattern.source",
  "a bigint": "use a string, or a number if it is small enough",
  "undefined": "use null for an empty item",
  "a part of itself": "a payload is a tree: leave out references back to a parent",
};

function refused(
  what: string,
  { pointer, found }: { pointer: string; found: string },
): EventRefusedError {
  return new EventRefusedError(
    "event/invalid-payload",
    `${what} is not JSON: ${pointer === "" ? "it" : pointer} is ${found}`,
    { details: { pointer }, hint: hintFor(found) },
  );
}

function hintFor(found: string): string {
  const isBytes = /^an? .*(?:Array|ArrayBuffer|DataView)$/.test(found);
  return HINTS[found] ??
    (isBytes ? "use an array of numbers or base64 text" : "JSON cannot express that");
}
