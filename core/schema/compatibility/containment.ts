/**
 * Decides whether every payload that one schema (the writer's) allows is also allowed by another
 * (the reader's).
 *
 * The answer is conservative: "yes" is proved, keyword by keyword and type by type. Where no proof
 * is found, the result is a {@link Break} with the JSON pointer of the reader's keyword that may
 * refuse. Schema containment is hard in general. A walk over the keywords that claims only what it
 * can prove is enough for the changes people make; the approach is that of Habib et al., "Finding
 * Data Compatibility Bugs with JSON Subschema Checks" (ISSTA 2021).
 *
 * The writer is a list of places that a value fits all at once; alternatives are tried one by one.
 * A pair of places whose comparison is already in progress is assumed to hold: payloads are finite,
 * so a proof may rely on itself one level down.
 */
import { compareNumbers } from "../../json/decimal.ts";
import { arrayBreaks } from "./arrays.ts";
import { objectBreaks } from "./objects.ts";
import {
  below,
  conjuncts,
  isSame,
  type JsonType,
  keywordOf,
  listBelow,
  type SchemaPlace,
  targetOf,
  TYPES,
  typesOf,
} from "./place.ts";
import { numberBreaks, stringBreaks } from "./scalars.ts";
import {
  assumption,
  boundOf,
  highest,
  isWhole,
  lowest,
  propertyOf,
  requiredOf,
  valuesOf,
  type Writer,
  writerTypes,
} from "./writer.ts";

/** A place where the reader may refuse what the writer allows. */
export interface Break {
  /** A JSON pointer into the reader's schema. */
  pointer: string;
  /** What is refused, in words for people. */
  message: string;
}

/**
 * Bounds the work for adversarial schemas, to about half a second; the result is then "cannot
 * tell".
 */
const MAX_STEPS = 100_000;
const MAX_DEPTH = 200;

class TooComplex extends Error {}

/** One comparison. */
export class Containment {
  /** "old" or "new": whose payloads are being read. */
  readonly whose: string;
  #steps = 0;
  #depth = 0;
  readonly #open = new Set<string>();
  readonly #names = new Map<object, number>();

  constructor(options: { whose: "old" | "new" }) {
    this.whose = options.whose;
  }

  /** Where the reader may refuse what the writer allows; empty if it accepts everything. */
  compare(writer: SchemaPlace, reader: SchemaPlace): Break[] {
    try {
      return this.breaks(conjuncts(writer), reader);
    } catch (error) {
      if (!(error instanceof TooComplex)) throw error;
      const message =
        `is too complex to compare with the ${this.whose} payloads: taken as breaking`;
      return [{ pointer: reader.pointer, message }];
    }
  }

  /** The same for one part of the reader and all of the writer's places. */
  breaks(writer: Writer, reader: SchemaPlace): Break[] {
    const pair = `${writer.map((place) => this.#name(place)).sort()}>${this.#name(reader)}`;
    if (this.#open.has(pair)) return [];
    this.#open.add(pair);
    this.#enter(writer);
    try {
      return distinct(conjuncts(reader).flatMap((part) => this.#breaksOfPart(writer, part)));
    } finally {
      this.#depth--;
      this.#open.delete(pair);
    }
  }

  #enter(writer: Writer): void {
    this.#steps += 1 + writer.length;
    if (this.#steps > MAX_STEPS || ++this.#depth > MAX_DEPTH) throw new TooComplex();
  }

  #name(place: SchemaPlace): string {
    const object = typeof place.schema === "object" ? place.schema : place.document;
    const number = this.#names.get(object) ?? this.#names.size;
    this.#names.set(object, number);
    return typeof place.schema === "object" ? `${number}` : `${number}${place.pointer}`;
  }

  /** The same for the reader's own keywords at one place. */
  #breaksOfPart(writer: Writer, reader: SchemaPlace): Break[] {
    if (reader.schema === true || writer.some((place) => isSame(place, reader))) return [];
    if (this.isEmpty(writer)) return [];
    if (reader.schema === false) return [this.#refusedWhole(reader)];
    const values = valuesOf(writer);
    if (values !== undefined) return this.#breaksOfValues(values, reader);
    const allowed = typesOf(reader).types;
    const types = writerTypes(writer);
    const refused = types.filter((type) => !allowed.includes(type));
    const found = [
      ...refused.length === 0 ? [] : [this.#otherType(reader, named(refused))],
      ...types.filter((type) => allowed.includes(type)).flatMap((type) =>
        this.#breaksOfType([...writer, assumption({ type })], reader, type)
      ),
    ];
    if (found.length === 0) return [];
    return this.#breaksOfAlternatives(writer, reader) ?? found;
  }

  /** Tries each alternative of the first place that has any; undefined if there is none. */
  #breaksOfAlternatives(writer: Writer, reader: SchemaPlace): Break[] | undefined {
    const choice = choiceOf(writer);
    if (choice === undefined) return undefined;
    this.#enter(writer);
    try {
      return distinct(
        choice.alternatives.flatMap((alternative) =>
          this.#breaksOfPart([...choice.rest, ...conjuncts(alternative)], reader)
        ),
      );
    } finally {
      this.#depth--;
    }
  }

  #breaksOfValues(values: readonly unknown[], reader: SchemaPlace): Break[] {
    const refused = values.filter((value) => !reader.document.accepts(reader.pointer, value));
    if (refused.length === 0) return [];
    const keyword = ["const", "enum", "type"].find((name) => keywordOf(reader, name) !== undefined);
    const named = refused.slice(0, 5).map((value) => JSON.stringify(value)).join(", ");
    return [{
      pointer: keyword === undefined ? reader.pointer : `${reader.pointer}/${keyword}`,
      message: `refuses ${named}${
        refused.length > 5 ? ` and ${refused.length - 5} more` : ""
      }, which ${this.whose} payloads may have`,
    }];
  }

  #breaksOfType(writer: Writer, reader: SchemaPlace, type: JsonType): Break[] {
    if (type === "null") return this.#breaksOfValues(fitting(writer, [null]), reader);
    if (type === "boolean") return this.#breaksOfValues(fitting(writer, [true, false]), reader);
    const found = type === "number" && typesOf(reader).whole && !isWhole(writer)
      ? [this.#otherType(reader, "fractions")]
      : [];
    for (const keyword of ["enum", "const"]) {
      if (keywordOf(reader, keyword) === undefined) continue;
      found.push({
        pointer: `${reader.pointer}/${keyword}`,
        message: `allows only what it lists, and ${this.whose} payloads may have others`,
      });
    }
    return [
      ...found,
      ...BY_TYPE[type](this, writer, reader),
      ...this.#breaksOfApplicators(writer, reader),
    ];
  }

  #otherType(reader: SchemaPlace, what: string): Break {
    const allowed = [keywordOf(reader, "type")].flat().join(" or ");
    return {
      pointer: `${reader.pointer}/type`,
      message: `allows only ${allowed}, and ${this.whose} payloads may have ${what}`,
    };
  }

  /**
   * `anyOf`, `oneOf`, `not`, `if`: keywords that apply to the same value. `allOf` and `$ref` become
   * places of their own (see {@link conjuncts}).
   */
  #breaksOfApplicators(writer: Writer, reader: SchemaPlace): Break[] {
    const found: Break[] = [];
    const anyOf = listBelow(reader, "anyOf");
    if (anyOf.length > 0 && !anyOf.some((part) => this.breaks(writer, part).length === 0)) {
      found.push(this.#noAlternative(writer, { reader, keyword: "anyOf", parts: anyOf }));
    }
    const oneOf = listBelow(reader, "oneOf");
    if (oneOf.length > 0) {
      const only = oneOf.some((part) =>
        this.breaks(writer, part).length === 0 &&
        oneOf.every((other) => other === part || this.isEmpty([...writer, ...conjuncts(other)]))
      );
      if (!only) {
        found.push(this.#noAlternative(writer, { reader, keyword: "oneOf", parts: oneOf }));
      }
    }
    const not = below(reader, "not");
    if (not !== undefined && !this.#isForbidden(writer, not)) {
      found.push({
        pointer: not.pointer,
        message: `refuses what ${this.whose} payloads may have`,
      });
    }
    const leadsOut = keywordOf(reader, "$ref") !== undefined && targetOf(reader) === undefined;
    for (const keyword of ["$dynamicRef", ...leadsOut ? ["$ref"] : []]) {
      if (keywordOf(reader, keyword) === undefined) continue;
      found.push({
        pointer: `${reader.pointer}/${keyword}`,
        message: "cannot be compared: taken as breaking",
      });
    }
    return [...found, ...this.#breaksOfCondition(writer, reader)];
  }

  /**
   * True if the writer's payloads never match `not`: the writer rules it out itself, or the two
   * have nothing in common.
   */
  #isForbidden(writer: Writer, not: SchemaPlace): boolean {
    if (this.isEmpty([...writer, ...conjuncts(not)])) return true;
    return writer.some((place) => {
      const forbidden = below(place, "not");
      return forbidden !== undefined && this.breaks(conjuncts(not), forbidden).length === 0;
    });
  }

  #breaksOfCondition(writer: Writer, reader: SchemaPlace): Break[] {
    const condition = below(reader, "if");
    if (condition === undefined) return [];
    const found: Break[] = [];
    const then = below(reader, "then");
    if (then !== undefined && !this.isEmpty([...writer, ...conjuncts(condition)])) {
      found.push(...this.breaks([...writer, ...conjuncts(condition)], then));
    }
    const otherwise = below(reader, "else");
    if (otherwise !== undefined && this.breaks(writer, condition).length > 0) {
      found.push(...this.breaks(writer, otherwise));
    }
    return found;
  }

  #noAlternative(
    writer: Writer,
    about: { reader: SchemaPlace; keyword: string; parts: SchemaPlace[] },
  ): Break {
    const tries = about.parts.map((part) => this.breaks(writer, part));
    const closest = tries.filter((found) => found.length > 0)
      .sort((a, b) => a.length - b.length)[0]?.[0];
    const several = about.keyword === "oneOf" && closest === undefined;
    return {
      pointer: `${about.reader.pointer}/${about.keyword}`,
      message: several || tries.some((found) => found.length === 0)
        ? `${this.whose} payloads may fit several of the alternatives at once`
        : `${this.whose} payloads need not fit any of the alternatives` +
          (closest === undefined ? "" : ` (${closest.pointer} ${closest.message})`),
    };
  }

  #refusedWhole(reader: SchemaPlace): Break {
    const others = /\/(?:additional|unevaluated)Properties$/.test(reader.pointer);
    const items = /\/(?:items|additionalItems|unevaluatedItems)$/.test(reader.pointer);
    return {
      pointer: reader.pointer,
      message: others
        ? `refuses properties that it does not list, and ${this.whose} payloads may have them`
        : items
        ? `refuses further items, and ${this.whose} payloads may have them`
        : `refuses everything, and ${this.whose} payloads may have something`,
    };
  }

  /** True if it is certain that no value fits all of these places. */
  isEmpty(places: Writer): boolean {
    this.#enter(places);
    try {
      return this.#isEmpty(places);
    } finally {
      this.#depth--;
    }
  }

  #isEmpty(places: Writer): boolean {
    if (places.some(({ schema }) => schema === false)) return true;
    const types = writerTypes(places);
    if (types.every((type) => this.#isEmptyOf(places, type))) return true;
    if (valuesOf(places)?.length === 0) return true;
    const choice = choiceOf(places);
    if (
      choice?.alternatives.every((part) => this.isEmpty([...choice.rest, ...conjuncts(part)]))
    ) return true;
    return places.some((place) => {
      const not = below(place, "not");
      const rest = places.filter((other) => other !== place);
      return not !== undefined && rest.length > 0 && this.breaks(rest, not).length === 0;
    });
  }

  #isEmptyOf(places: Writer, type: JsonType): boolean {
    const crossed = (least: string, greatest: string) =>
      (highest(places, least) ?? 0) > (lowest(places, greatest) ?? Infinity);
    switch (type) {
      case "null":
      case "boolean":
        return false;
      case "string":
        return crossed("minLength", "maxLength");
      case "array":
        return crossed("minItems", "maxItems");
      case "number": {
        const low = boundOf(places, 1);
        const high = boundOf(places, -1);
        if (low === undefined || high === undefined) return false;
        const order = compareNumbers(low.value, high.value);
        return order > 0 || (order === 0 && (low.exclusive || high.exclusive));
      }
      case "object":
        return crossed("minProperties", "maxProperties") ||
          [...requiredOf(places)].some((name) => {
            const property = propertyOf(places, name);
            return property.length > 0 && this.isEmpty(property);
          });
    }
  }
}

type ByType = (containment: Containment, writer: Writer, reader: SchemaPlace) => Break[];

const BY_TYPE: Record<"number" | "string" | "array" | "object", ByType> = {
  number: numberBreaks,
  string: stringBreaks,
  array: arrayBreaks,
  object: objectBreaks,
};

const NAMES: Record<JsonType, string> = {
  null: "null",
  boolean: "true or false",
  number: "numbers",
  string: "strings",
  array: "arrays",
  object: "objects",
};

function named(types: readonly JsonType[]): string {
  return types.length === TYPES.length ? "anything" : types.map((type) => NAMES[type]).join(" or ");
}

/** Which of `values` fit all of the places. */
function fitting(writer: Writer, values: readonly unknown[]): unknown[] {
  return values.filter((value) =>
    writer.every(({ document, pointer }) => document.accepts(pointer, value))
  );
}

/**
 * The first place with `anyOf` or `oneOf`: its alternatives, and all the places without that
 * keyword.
 */
function choiceOf(
  writer: Writer,
): { alternatives: SchemaPlace[]; rest: SchemaPlace[] } | undefined {
  for (const place of writer) {
    for (const keyword of ["anyOf", "oneOf"]) {
      const alternatives = listBelow(place, keyword);
      if (alternatives.length === 0) continue;
      return {
        alternatives,
        rest: writer.map((other) => other === place ? without(place, keyword) : other),
      };
    }
  }
  return undefined;
}

/**
 * The place without a keyword that was already handled. Values are still checked against the whole
 * place.
 */
function without(place: SchemaPlace, keyword: string): SchemaPlace {
  const { [keyword]: _, ...rest } = place.schema as Record<string, unknown>;
  return { ...place, schema: rest };
}

function distinct(breaks: readonly Break[]): Break[] {
  const known = new Map(breaks.map((one) => [`${one.pointer}\n${one.message}`, one]));
  return [...known.values()];
}
