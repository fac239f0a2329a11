/**
 * What the writer's payloads are known to be at one place: the places that they fit, all of them
 * together. Everything here may know too little (a keyword that is left out allows more), never too
 * much: what is contained in more is contained.
 */
import { compareNumbers, isWholeNumber, type Numeric } from "../../json/decimal.ts";
import {
  below,
  conjuncts,
  isObject,
  type JsonSchema,
  type JsonType,
  keywordOf,
  listBelow,
  mapBelow,
  numberOf,
  numericAt,
  type SchemaPlace,
  TYPES,
  typesOf,
} from "./place.ts";

/** Places that a value fits, all of them, each for its own keywords. */
export type Writer = readonly SchemaPlace[];

/** A bound that numbers stay within. */
export interface Bound {
  value: Numeric;
  exclusive: boolean;
}

/** A part that the document does not have, such as "a string". */
export function assumption(schema: JsonSchema): SchemaPlace {
  return {
    document: {
      root: schema,
      draft: "2020-12",
      target: () => undefined,
      accepts: () => true,
      matches: () => false,
    },
    pointer: "",
    schema,
  };
}

/** The types that values can have. */
export function writerTypes(writer: Writer): JsonType[] {
  const sets = writer.map((place) => typesOf(place).types);
  return TYPES.filter((type) => sets.every((set) => set.includes(type)));
}

/** True when every number is a whole one. */
export function isWhole(writer: Writer): boolean {
  return writer.some((place) => {
    const step = numericAt(place, "multipleOf");
    return typesOf(place).whole || (step !== undefined && isWholeNumber(step));
  });
}

/** Every value, where `enum` or `const` lists them; undefined where there may be any. */
export function valuesOf(writer: Writer): unknown[] | undefined {
  for (const place of writer) {
    const { schema } = place;
    if (typeof schema !== "object") continue;
    const listed = Object.hasOwn(schema, "const")
      ? [schema["const"]]
      : Array.isArray(schema["enum"])
      ? schema["enum"]
      : undefined;
    if (listed) {
      return listed.filter((value) =>
        writer.every((other) => other.document.accepts(other.pointer, value))
      );
    }
  }
  return undefined;
}

/** The highest of a keyword that sets a least value, over all places. */
export function highest(writer: Writer, keyword: string): number | undefined {
  return most(writer.map((place) => numberOf(place, keyword)), Math.max);
}

/** The lowest of a keyword that sets a greatest value, over all places. */
export function lowest(writer: Writer, keyword: string): number | undefined {
  return most(writer.map((place) => numberOf(place, keyword)), Math.min);
}

function most(
  values: (number | undefined)[],
  choose: (...values: number[]) => number,
): number | undefined {
  const there = values.filter((value) => value !== undefined);
  return there.length === 0 ? undefined : choose(...there);
}

/** The tightest lower (1) or upper (-1) bound of numbers. */
export function boundOf(writer: Writer, side: 1 | -1): Bound | undefined {
  const bounds = writer.flatMap((place) => boundsAt(place, side));
  return bounds.reduce<Bound | undefined>(
    (tightest, bound) =>
      tightest === undefined || isTighter(bound, tightest, side) ? bound : tightest,
    undefined,
  );
}

/** The bounds of one place, for the lower (1) or upper (-1) side. */
export function boundsAt(place: SchemaPlace, side: 1 | -1): (Bound & { keyword: string })[] {
  const names = side === 1 ? ["minimum", "exclusiveMinimum"] : ["maximum", "exclusiveMaximum"];
  return names.flatMap((keyword, index) => {
    const value = numericAt(place, keyword);
    return value === undefined ? [] : [{ keyword, value, exclusive: index === 1 }];
  });
}

/** True when `a` allows no more than `b` on this side. */
export function isTighter(a: Bound, b: Bound, side: 1 | -1): boolean {
  const order = compareNumbers(a.value, b.value);
  return order === 0 ? a.exclusive || !b.exclusive : order * side > 0;
}

// Objects.

/** The names that are always there. */
export function requiredOf(writer: Writer): Set<string> {
  return new Set(writer.flatMap((place) => {
    const names = keywordOf(place, "required");
    return Array.isArray(names) ? names as string[] : [];
  }));
}

/** The names that some place lists in `properties`. */
export function listedNames(writer: Writer): Set<string> {
  return new Set(writer.flatMap((place) => [...mapBelow(place, "properties").keys()]));
}

/** The patterns that some place lists in `patternProperties`. */
export function listedPatterns(writer: Writer): Set<string> {
  return new Set(writer.flatMap((place) => [...mapBelow(place, "patternProperties").keys()]));
}

/**
 * What this place alone asks of the property: its entry, its patterns, else what it says of all
 * others.
 */
export function propertyAt(place: SchemaPlace, name: string): SchemaPlace[] {
  const own = below(place, "properties", name);
  const matched = [...mapBelow(place, "patternProperties")]
    .filter(([pattern]) => place.document.matches(pattern, name)).map(([, part]) => part);
  if (own !== undefined || matched.length > 0) {
    return [...own === undefined ? [] : [own], ...matched];
  }
  const others = additionalAt(place);
  return others === undefined ? [] : [others];
}

/** What this place asks of properties that it does not name. */
export function additionalAt(place: SchemaPlace): SchemaPlace | undefined {
  return below(place, "additionalProperties") ??
    (hasApplicators(place) ? undefined : below(place, "unevaluatedProperties"));
}

/** True where `unevaluated…` would have to know what other parts looked at. */
export function hasApplicators(place: SchemaPlace): boolean {
  return ["$ref", "$dynamicRef", "allOf", "anyOf", "oneOf", "if", "dependentSchemas"]
    .some((keyword) => keywordOf(place, keyword) !== undefined);
}

/** What is known of a property's values. */
export function propertyOf(writer: Writer, name: string): Writer {
  const forbidden = writer.some((place) => {
    const names = below(place, "propertyNames");
    return names !== undefined && !place.document.accepts(names.pointer, name);
  });
  if (forbidden) return [assumption(false)];
  return writer.flatMap((place) => propertyAt(place, name)).flatMap(conjuncts);
}

/** True when no property can be there but the listed ones. */
export function isClosed(writer: Writer): boolean {
  return writer.some((place) =>
    additionalAt(place)?.schema === false && mapBelow(place, "patternProperties").size === 0
  );
}

/** The names that can be there, of a closed object; undefined where there may be any. */
export function possibleNames(writer: Writer): string[] | undefined {
  if (!isClosed(writer)) return undefined;
  return [...listedNames(writer)].filter((name) =>
    propertyOf(writer, name).every(({ schema }) => schema !== false)
  );
}

/**
 * What stands beside a name in `dependentRequired` (or `dependencies`): the names that come with
 * it.
 */
export function companionsAt(place: SchemaPlace, name: string): string[] {
  return ["dependentRequired", "dependencies"].flatMap((keyword) => {
    const map = keywordOf(place, keyword);
    const names = isObject(map) && Object.hasOwn(map, name) ? map[name] : undefined;
    return Array.isArray(names) ? names as string[] : [];
  });
}

// Arrays.

/**
 * The parts of the first items, each with one of its own: `prefixItems`, or `items` as a list
 * (draft-07).
 */
export function prefixAt(place: SchemaPlace): SchemaPlace[] {
  const prefix = listBelow(place, "prefixItems");
  return prefix.length > 0 ? prefix : listBelow(place, "items");
}

/** The part of all further items. */
export function restAt(place: SchemaPlace): SchemaPlace | undefined {
  return Array.isArray(keywordOf(place, "items"))
    ? below(place, "additionalItems")
    : below(place, "items");
}

/** The most items that an array can have: by count, or because further ones are refused. */
export function mostItems(writer: Writer): number {
  const closed = writer.filter((place) => restAt(place)?.schema === false)
    .map((place) => prefixAt(place).length);
  return Math.min(lowest(writer, "maxItems") ?? Infinity, ...closed);
}

/** What is known of the item at an index. */
export function itemOf(writer: Writer, index: number): Writer {
  return writer.flatMap((place) => prefixAt(place)[index] ?? restAt(place) ?? [])
    .flatMap(conjuncts);
}
