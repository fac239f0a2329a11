/**
 * What is known about the writer's payloads at one place: the list of places that they all fit.
 * These functions may know too little (ignoring a keyword allows more), but never too much:
 * whatever the reader accepts of the larger set, it accepts of the smaller one.
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

/** Places that a value fits, all of them, each with its own keywords. */
export type Writer = readonly SchemaPlace[];

/** A bound on numbers. */
export interface Bound {
  value: Numeric;
  exclusive: boolean;
}

/** A place that is not part of the document, such as "a string". */
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

/** The types that values may have. */
export function writerTypes(writer: Writer): JsonType[] {
  const sets = writer.map((place) => typesOf(place).types);
  return TYPES.filter((type) => sets.every((set) => set.includes(type)));
}

/** True if every number is whole. */
export function isWhole(writer: Writer): boolean {
  return writer.some((place) => {
    const step = numericAt(place, "multipleOf");
    return typesOf(place).whole || (step !== undefined && isWholeNumber(step));
  });
}

/** All possible values, if `enum` or `const` lists them; undefined if not. */
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

/** The largest value of a keyword that sets a minimum, over all places. */
export function highest(writer: Writer, keyword: string): number | undefined {
  return most(writer.map((place) => numberOf(place, keyword)), Math.max);
}

/** The smallest value of a keyword that sets a maximum, over all places. */
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

/** The tightest lower (1) or upper (-1) bound on numbers. */
export function boundOf(writer: Writer, side: 1 | -1): Bound | undefined {
  const bounds = writer.flatMap((place) => boundsAt(place, side));
  return bounds.reduce<Bound | undefined>(
    (tightest, bound) =>
      tightest === undefined || isTighter(bound, tightest, side) ? bound : tightest,
    undefined,
  );
}

/** One place's bounds on the lower (1) or upper (-1) side. */
export function boundsAt(place: SchemaPlace, side: 1 | -1): (Bound & { keyword: string })[] {
  const names = side === 1 ? ["minimum", "exclusiveMinimum"] : ["maximum", "exclusiveMaximum"];
  return names.flatMap((keyword, index) => {
    const value = numericAt(place, keyword);
    return value === undefined ? [] : [{ keyword, value, exclusive: index === 1 }];
  });
}

/** True if `a` allows no more than `b` on this side. */
export function isTighter(a: Bound, b: Bound, side: 1 | -1): boolean {
  const order = compareNumbers(a.value, b.value);
  return order === 0 ? a.exclusive || !b.exclusive : order * side > 0;
}

// Objects.

/** The names that are always present. */
export function requiredOf(writer: Writer): Set<string> {
  return new Set(writer.flatMap((place) => {
    const names = keywordOf(place, "required");
    return Array.isArray(names) ? names as string[] : [];
  }));
}

/** The names listed under `properties` at any place. */
export function listedNames(writer: Writer): Set<string> {
  return new Set(writer.flatMap((place) => [...mapBelow(place, "properties").keys()]));
}

/** The patterns listed under `patternProperties` at any place. */
export function listedPatterns(writer: Writer): Set<string> {
  return new Set(writer.flatMap((place) => [...mapBelow(place, "patternProperties").keys()]));
}

/**
 * What this place alone requires of the property: its own entry and matching patterns, or else the
 * rule for all other properties.
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

/** What this place requires of properties that it does not name. */
export function additionalAt(place: SchemaPlace): SchemaPlace | undefined {
  return below(place, "additionalProperties") ??
    (hasApplicators(place) ? undefined : below(place, "unevaluatedProperties"));
}

/** True if `unevaluated…` would depend on what other keywords evaluated. */
export function hasApplicators(place: SchemaPlace): boolean {
  return ["$ref", "$dynamicRef", "allOf", "anyOf", "oneOf", "if", "dependentSchemas"]
    .some((keyword) => keywordOf(place, keyword) !== undefined);
}

/** What is known about a property's values. */
export function propertyOf(writer: Writer, name: string): Writer {
  const forbidden = writer.some((place) => {
    const names = below(place, "propertyNames");
    return names !== undefined && !place.document.accepts(names.pointer, name);
  });
  if (forbidden) return [assumption(false)];
  return writer.flatMap((place) => propertyAt(place, name)).flatMap(conjuncts);
}

/** True if no properties other than the listed ones are allowed. */
export function isClosed(writer: Writer): boolean {
  return writer.some((place) =>
    additionalAt(place)?.schema === false && mapBelow(place, "patternProperties").size === 0
  );
}

/** The names that a closed object may have; undefined if any name is allowed. */
export function possibleNames(writer: Writer): string[] | undefined {
  if (!isClosed(writer)) return undefined;
  return [...listedNames(writer)].filter((name) =>
    propertyOf(writer, name).every(({ schema }) => schema !== false)
  );
}

/** The names that `dependentRequired` (or `dependencies`) requires whenever `name` is present. */
export function companionsAt(place: SchemaPlace, name: string): string[] {
  return ["dependentRequired", "dependencies"].flatMap((keyword) => {
    const map = keywordOf(place, keyword);
    const names = isObject(map) && Object.hasOwn(map, name) ? map[name] : undefined;
    return Array.isArray(names) ? names as string[] : [];
  });
}

// Arrays.

/** The parts for the first items, one each: `prefixItems`, or `items` as a list (draft-07). */
export function prefixAt(place: SchemaPlace): SchemaPlace[] {
  const prefix = listBelow(place, "prefixItems");
  return prefix.length > 0 ? prefix : listBelow(place, "items");
}

/** The part for all later items. */
export function restAt(place: SchemaPlace): SchemaPlace | undefined {
  return Array.isArray(keywordOf(place, "items"))
    ? below(place, "additionalItems")
    : below(place, "items");
}

/** The most items that an array may have: by `maxItems`, or because later items are not allowed. */
export function mostItems(writer: Writer): number {
  const closed = writer.filter((place) => restAt(place)?.schema === false)
    .map((place) => prefixAt(place).length);
  return Math.min(lowest(writer, "maxItems") ?? Infinity, ...closed);
}

/** What is known about the item at an index. */
export function itemOf(writer: Writer, index: number): Writer {
  return writer.flatMap((place) => prefixAt(place)[index] ?? restAt(place) ?? [])
    .flatMap(conjuncts);
}
