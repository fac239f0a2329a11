/**
 * `uniqueItems` in one pass; ajv compares every item with every other. Items are grouped by a hash,
 * and the few that share one are compared. If many share one, somebody constructed them to collide,
 * and they are compared by their canonical text instead.
 */
import { Decimal } from "../../json/decimal.ts";
import type { CheckBudget } from "./budget.ts";

/** More items than this with the same hash are no coincidence. */
const MOST_ALIKE = 8;

/** True if no two items are equal as JSON values. Everything in them is charged to `budget`. */
export function hasUniqueItems(
  items: readonly unknown[],
  budget?: Pick<CheckBudget, "spend">,
): boolean {
  const byHash = new Map<number, unknown | Bucket>();
  for (const item of items) {
    const hash = hashOf(item, budget);
    const before = byHash.get(hash);
    if (before === undefined) byHash.set(hash, item);
    else if (before instanceof Bucket) {
      if (!before.add(item)) return false;
    } else {
      const bucket = new Bucket(before);
      byHash.set(hash, bucket);
      if (!bucket.add(item)) return false;
    }
  }
  return true;
}

/** Items with the same hash. */
class Bucket {
  readonly #items: unknown[];
  #texts: Set<string> | undefined;

  constructor(first: unknown) {
    this.#items = [first];
  }

  /** False if an equal item is already there. */
  add(item: unknown): boolean {
    if (!this.#texts && this.#items.length < MOST_ALIKE) {
      for (const other of this.#items) if (isEqual(other, item)) return false;
      this.#items.push(item);
      return true;
    }
    this.#texts ??= new Set(this.#items.map((one) => canonical(one)));
    const text = canonical(item);
    if (this.#texts.has(text)) return false;
    this.#texts.add(text);
    return true;
  }
}

const double = new Float64Array(1);
const halves = new Int32Array(double.buffer);

/** A hash that equal values share, whatever the order of their members. */
function hashOf(value: unknown, budget: Pick<CheckBudget, "spend"> | undefined): number {
  if (typeof value === "number") {
    if ((value | 0) === value) return mixed(value | 0, 1);
    double[0] = value;
    return mixed(halves[0]! ^ Math.imul(halves[1]!, 0x85ebca6b), 2);
  }
  if (typeof value === "string") return hashOfText(value);
  if (typeof value !== "object" || value === null) {
    return value === true ? 3 : value === false ? 4 : 5;
  }
  if (Array.isArray(value)) {
    budget?.spend(value.length);
    let hash = 6;
    for (const item of value) hash = mixed(hash, hashOf(item, budget));
    return hash;
  }
  if (value instanceof Decimal) {
    budget?.spend(value.digits.length >> 4);
    return hashOfText(value.canonical);
  }
  let hash = 7;
  let count = 0;
  for (const name in value) {
    count++;
    // A sum does not depend on the order.
    hash = (hash + mixed(
      hashOfText(name),
      hashOf((value as Record<string, unknown>)[name], budget),
    )) | 0;
  }
  budget?.spend(count);
  return hash;
}

function hashOfText(text: string): number {
  let hash = 8;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash, 31) + text.charCodeAt(i) | 0;
  return mixed(hash, text.length);
}

function mixed(a: number, b: number): number {
  let hash = Math.imul(a ^ b >>> 16, 0x85ebca6b) + Math.imul(b, 0x9e3779b1) | 0;
  hash = Math.imul(hash ^ hash >>> 15, 0x2c1b3c6d);
  return hash ^ hash >>> 13;
}

/** Compares two parsed JSON values. */
function isEqual(a: unknown, b: unknown): boolean {
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return a === b;
  if (Array.isArray(a) || Array.isArray(b)) {
    return Array.isArray(a) && Array.isArray(b) && a.length === b.length &&
      a.every((item, i) => isEqual(item, b[i]));
  }
  if (a instanceof Decimal || b instanceof Decimal) {
    return a instanceof Decimal && b instanceof Decimal && a.canonical === b.canonical;
  }
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) =>
    Object.hasOwn(b, name) &&
    isEqual((a as Record<string, unknown>)[name], (b as Record<string, unknown>)[name])
  );
}

/**
 * The same text for every spelling of a JSON value, with members sorted by name. Everything in it
 * is charged to `budget`.
 */
export function canonical(value: unknown, budget?: Pick<CheckBudget, "spend">): string {
  if (typeof value === "number") return value === 0 ? "0" : String(value);
  if (typeof value === "string") budget?.spend(value.length >> 6);
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  if (value instanceof Decimal) {
    budget?.spend(value.digits.length >> 4);
    return value.canonical;
  }
  if (Array.isArray(value)) {
    budget?.spend(value.length);
    return `[${value.map((item) => canonical(item, budget)).join(",")}]`;
  }
  const members = Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1);
  budget?.spend(members.length);
  return `{${
    members.map(([name, item]) => `${JSON.stringify(name)}:${canonical(item, budget)}`).join(",")
  }}`;
}
