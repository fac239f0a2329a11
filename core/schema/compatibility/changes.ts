/** The differences between two JSON documents, by JSON pointer: a diff. */
import { escapePointer } from "../../json/pointer.ts";
import { canonical } from "../validator/unique_items.ts";
import { isObject } from "./place.ts";

/** One difference. */
export interface SchemaChange {
  /** A JSON pointer: into the old document if something was removed, otherwise into the new one. */
  pointer: string;
  change: "added" | "removed" | "changed";
  old?: unknown;
  new?: unknown;
}

/** The differences, in document order. The order of an object's members does not count. */
export function changesBetween(older: unknown, newer: unknown, pointer = ""): SchemaChange[] {
  if (canonical(older) === canonical(newer)) return [];
  if (isObject(older) && isObject(newer)) {
    const names = new Set([...Object.keys(older), ...Object.keys(newer)]);
    return [...names].flatMap((name): SchemaChange[] => {
      const at = `${pointer}/${escapePointer(name)}`;
      if (!Object.hasOwn(older, name)) return [{ pointer: at, change: "added", new: newer[name] }];
      if (!Object.hasOwn(newer, name)) {
        return [{ pointer: at, change: "removed", old: older[name] }];
      }
      return changesBetween(older[name], newer[name], at);
    });
  }
  // Lists of schemas are compared item by item; lists of names or values as a whole.
  if (Array.isArray(older) && Array.isArray(newer) && [...older, ...newer].every(isObject)) {
    return Array.from({ length: Math.max(older.length, newer.length) }, (_, index) => index)
      .flatMap((index): SchemaChange[] => {
        const at = `${pointer}/${index}`;
        if (index >= older.length) return [{ pointer: at, change: "added", new: newer[index] }];
        if (index >= newer.length) return [{ pointer: at, change: "removed", old: older[index] }];
        return changesBetween(older[index], newer[index], at);
      });
  }
  return [{ pointer, change: "changed", old: older, new: newer }];
}
