/**
 * Copies of a state. A copy keeps plain objects and what JavaScript has built in (Map, Date and the
 * like), and makes plain objects of all others: what would come out as something else is refused.
 */
import { InvalidArgumentError } from "../base/errors.ts";
import { escapePointer } from "../json/pointer.ts";
import { OF_A_CLASS, unplainOf, type UnplainPart } from "../json/to_json.ts";

/** A copy of a state. `what`: whose state it is, for the error. Throws `InvalidArgumentError`. */
export function copyOfState<S>(state: S, what: string): S {
  const part = uncopiedPart(state);
  if (part === undefined) return structuredClone(state);
  const { pointer, found, hint } = part;
  throw new InvalidArgumentError(
    `${what} cannot be copied: ${pointer === "" ? "it" : pointer} is ${found}`,
    { details: { pointer }, hint },
  );
}

/** The first part of a value that a copy does not keep as it is; undefined if it keeps all. */
export function uncopiedPart(value: unknown): UnplainPart | undefined {
  const seen = new Set<unknown>();
  const left = [{ value, pointer: "" }];
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    const { value, pointer } = next;
    if (typeof value === "function" || typeof value === "symbol") {
      return unplainOf(`a ${typeof value}`, pointer);
    }
    if (typeof value !== "object" || value === null || seen.has(value)) continue;
    seen.add(value);
    const prototype = Object.getPrototypeOf(value);
    if (prototype !== null && !KEPT.has(prototype)) return unplainOf(OF_A_CLASS, pointer);
    for (const [name, part] of partsOf(value).toReversed()) {
      left.push({ value: part, pointer: `${pointer}/${escapePointer(name)}` });
    }
  }
  return undefined;
}

/** What is copied with it, by name; an entry of a Map by its key. */
function partsOf(value: object): [name: string, part: unknown][] {
  if (value instanceof Map) {
    return [...value].flatMap(([key, part]) => [[nameOf(key), key], [nameOf(key), part]]);
  }
  if (value instanceof Set) return [...value].map((part, i) => [String(i), part]);
  // Their items are numbers, and there may be millions of them.
  return ArrayBuffer.isView(value) ? [] : Object.entries(value);
}

function nameOf(key: unknown): string {
  return typeof key === "object" || typeof key === "symbol" ? "key" : String(key);
}

/** The prototypes of objects that a copy keeps. */
const KEPT: ReadonlySet<unknown> = new Set([
  ...[Object, Array, Map, Set, Date, RegExp, Boolean, Number, String, BigInt],
  ...[Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError],
  ...[ArrayBuffer, SharedArrayBuffer, DataView, Int8Array, Uint8Array, Uint8ClampedArray],
  ...[Int16Array, Uint16Array, Int32Array, Uint32Array, BigInt64Array, BigUint64Array],
  ...[Float32Array, Float64Array],
  ...("Float16Array" in globalThis ? [globalThis.Float16Array] : []),
].map(({ prototype }) => prototype));
