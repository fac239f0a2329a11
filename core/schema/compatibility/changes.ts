/** What changed between two JSON documents, by JSON pointer: what people call a diff. */
import { escapePointer } from "../validator/limits.ts";
import { canonical } from "../validator/unique_items.ts";
import { isObject } from "./place.ts";

/** One difference. */
export interface SchemaChange {
  /** A JSON pointer; into the old document where something went, else into the new one. */
  pointer: string;
  change: "added" | "removed" | "changed";
  old?: unknown;
  new?: unknown;
}

/** The differences, in the order of the documents; members in another order are none. */
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
  // Lists of schemas are looked into place by place; lists of names and values are one thing.
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
