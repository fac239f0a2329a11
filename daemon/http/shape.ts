/**
 * Declares what a route accepts: the parameters of its query and the members of its body. Requests
 * are checked against it, and schemas/openapi.json contains the same as JSON Schema (a test
 * compares them).
 */
import { defined } from "../../core/base/defined.ts";
import { InvalidArgumentError } from "../../core/base/errors.ts";
import { MOST_NAMES } from "../../core/event/limits.ts";
import { didYouMean } from "../../core/base/suggest.ts";
import { isJsonObject } from "../../core/json/json_object.ts";

/** The subset of JSON Schema that shapes need. */
export type ShapeSchema = Record<string, unknown>;

/** The location of a value in a request, for errors. */
interface Place {
  kind: "parameter" | "field";
  name: string;
}

/** One kind of value. */
export interface Shape<T> {
  /** Its schema in openapi.json, without descriptions. */
  readonly schema: ShapeSchema;
  /**
   * Returns the value, or throws an `InvalidArgumentError` that names the location and what is
   * expected.
   */
  read(value: unknown, place: Place): T;
  /** Converts the text from a query; if absent, the text is the value. */
  fromText?(text: string): unknown;
}

/** The type that a shape reads. */
export type ValueOf<S> = S extends Shape<infer T> ? T : never;

/** A parameter of a query. */
export interface Parameter {
  shape: Shape<unknown>;
  /** May occur several times. */
  repeats?: true;
  /** How often it may occur if it repeats; default {@link MOST_NAMES}. */
  most?: number;
  required?: true;
}

/** The parameters of a query. A bare shape is optional and may occur once. */
export type Parameters = Readonly<Record<string, Shape<unknown> | Parameter>>;

function shape<T>(
  schema: ShapeSchema,
  { what, fits, fromText }: {
    /** Completes an error that begins with "is …". */
    what: string;
    fits(value: unknown): boolean;
    fromText?(text: string): unknown;
  },
): Shape<T> {
  return {
    schema,
    read(value, place) {
      if (fits(value)) return value as T;
      throw misfit(place, `is ${what}, not ${shown(value)}`);
    },
    ...(fromText ? { fromText } : {}),
  };
}

/** Any text. */
export const text: Shape<string> = shape({ type: "string" }, {
  what: "a string",
  fits: (value) => typeof value === "string",
});

/**
 * Text that a given function validates; its error is reported unchanged, with the location. Text
 * that does not match the schema's pattern is refused, too, so that the schema is exact.
 */
export function checkedText<T = string>(
  schema: ShapeSchema & { pattern?: string },
  check: (value: string, place: string) => T,
): Shape<T> {
  const pattern = schema.pattern === undefined ? undefined : new RegExp(schema.pattern, "u");
  return {
    schema: { type: "string", ...schema },
    read(value, place) {
      const given = text.read(value, place);
      try {
        const checked = check(given, place.name);
        if (!pattern || pattern.test(given)) return checked;
        throw new Error(`${place.name} does not take the form ${shown(given)}`);
      } catch (error) {
        if (!(error instanceof Error)) throw error;
        const { code, hint } = error as Partial<InvalidArgumentError>;
        throw new InvalidArgumentError(error.message, {
          cause: error,
          // No event is involved yet: it is the request that is wrong.
          code: code?.startsWith("event/") ? undefined : code,
          hint,
          details: { [place.kind]: place.name },
        });
      }
    },
  };
}

const FLAGS = new Map([["", true], ["1", true], ["true", true], ["0", false], ["false", false]]);

/** A boolean; in a query also 1 and 0, and the bare name for true. */
export const flag: Shape<boolean> = shape({ type: "boolean" }, {
  what: "true or false",
  fits: (value) => typeof value === "boolean",
  fromText: (value) => FLAGS.get(value) ?? value,
});

/** A whole number from `low` to `high`, inclusive. */
export function whole([low, high]: readonly [number, number]): Shape<number> {
  return shape({ type: "integer", minimum: low, maximum: high }, {
    what: `a whole number from ${low} to ${high}`,
    fits: (value) =>
      Number.isSafeInteger(value) && (value as number) >= low && (value as number) <= high,
    fromText: (value) => /^\d{1,16}$/.test(value) ? Number(value) : value,
  });
}

/** A fraction above 0, up to 1. */
export const share: Shape<number> = shape({ type: "number", exclusiveMinimum: 0, maximum: 1 }, {
  what: "a number above 0, up to 1",
  fits: (value) => typeof value === "number" && value > 0 && value <= 1,
});

/** One of several words. */
export function choice<const T extends string>(words: readonly T[]): Shape<T> {
  return {
    schema: { type: "string", enum: words },
    read(value, place) {
      const word = words.find((one) => one === value);
      if (word !== undefined) return word;
      throw misfit(place, `is ${orList(words)}, not ${shown(value)}`, {
        hint: typeof value === "string" ? didYouMean(value, words) : undefined,
      });
    },
  };
}

/** A list of values of one kind. */
export function list<T>(
  of: Shape<T>,
  { what, most }: { what: string; most?: number },
): Shape<T[]> {
  return {
    schema: { type: "array", items: of.schema, ...defined({ maxItems: most }) },
    read(value, place) {
      if (!Array.isArray(value)) throw misfit(place, `is an array of ${what}, not ${shown(value)}`);
      if (most !== undefined && value.length > most) {
        throw misfit(place, `has ${value.length} ${what}; the limit is ${most}`);
      }
      let index = 0;
      // An item's name is only built for an error: a thousand leases are acknowledged at once.
      const item: Place = {
        ...place,
        get name() {
          return `${place.name}[${index}]`;
        },
      };
      return value.map((one, i) => {
        index = i;
        return of.read(one, item);
      });
    },
  };
}

/** A value with an additional check, for example of its members together. */
export function refined<S extends Shape<unknown>>(
  of: S,
  check: (value: ValueOf<S>) => unknown,
  schema: ShapeSchema = {},
): S {
  return {
    ...of,
    schema: { ...of.schema, ...schema },
    read(value, place) {
      const read = of.read(value, place) as ValueOf<S>;
      check(read);
      return read;
    },
  };
}

/** A value that may be `null`. */
export function nullable<T>(of: Shape<T>): Shape<T | null> {
  return {
    schema: { anyOf: [of.schema, { type: "null" }] },
    read: (value, place) => value === null ? null : of.read(value, place),
  };
}

type Members = Readonly<Record<string, Shape<unknown>>>;
type ReadMembers<M extends Members, R extends keyof M> =
  & { [K in R]: ValueOf<M[K]> }
  & { [K in Exclude<keyof M, R>]?: ValueOf<M[K]> };

/** A JSON object with these members and no others. */
export interface ObjectShape<T> extends Shape<T> {
  readonly members: Members;
}

/** A JSON object; members that are not required may be left out. */
export function object<const M extends Members, const R extends keyof M & string = never>(
  members: M,
  { required = [] }: { required?: readonly R[] } = {},
): ObjectShape<ReadMembers<M, R>> {
  const names = Object.keys(members);
  return {
    members,
    schema: {
      type: "object",
      properties: Object.fromEntries(
        Object.entries(members).map(([name, { schema }]) => [name, schema]),
      ),
      ...(required.length > 0 ? { required } : {}),
      additionalProperties: false,
    },
    read(value, place) {
      if (!isJsonObject(value)) throw misfit(place, `is a JSON object, not ${shown(value)}`);
      const within = (name: string): Place => ({
        kind: "field",
        name: place.name === "" ? name : `${place.name}.${name}`,
      });
      for (const name of Object.keys(value)) {
        if (Object.hasOwn(members, name)) continue;
        throw unknownName(within(name), { known: names });
      }
      for (const name of required) {
        if (value[name] !== undefined) continue;
        throw new InvalidArgumentError(`${within(name).name} is missing`, {
          details: { field: within(name).name },
        });
      }
      const entries = Object.entries(value).filter(([, member]) => member !== undefined);
      return Object.fromEntries(
        entries.map(([name, member]) => [name, members[name]!.read(member, within(name))]),
      ) as ReadMembers<M, R>;
    },
  };
}

/** Reads a body that is one JSON object. */
export function readMembers<T>(of: ObjectShape<T>, body: Record<string, unknown>): T {
  return of.read(body, { kind: "field", name: "" });
}

/** Throws `InvalidArgumentError` for an unknown, repeated or invalid parameter. */
export function checkQuery(parameters: Parameters, query: URLSearchParams): void {
  const seen = new Map<string, number>();
  for (const [name, given] of query) {
    const place: Place = { kind: "parameter", name };
    if (!Object.hasOwn(parameters, name)) {
      throw unknownName(place, { known: Object.keys(parameters) });
    }
    const { shape, repeats, most = MOST_NAMES } = parameterOf(parameters[name]!);
    const times = (seen.get(name) ?? 0) + 1;
    if (times > 1 && !repeats) throw misfit(place, "is given twice");
    if (times > most) throw misfit(place, `is given more than ${most} times`);
    seen.set(name, times);
    shape.read(shape.fromText ? shape.fromText(given) : given, place);
  }
  for (const [name, parameter] of Object.entries(parameters)) {
    if (!parameterOf(parameter).required || seen.has(name)) continue;
    throw new InvalidArgumentError(`the parameter ${name} is missing`, {
      details: { parameter: name },
    });
  }
}

/** A parameter as declared, or made from a bare shape. */
export function parameterOf(parameter: Shape<unknown> | Parameter): Parameter {
  return "read" in parameter ? { shape: parameter } : parameter;
}

/** The schema of a parameter in openapi.json: everything in a query is text. */
export function parameterSchema(parameter: Shape<unknown> | Parameter): ShapeSchema {
  const { shape: { schema }, repeats, most = MOST_NAMES, required } = parameterOf(parameter);
  const one = schema["type"] === "boolean"
    ? { type: "string", enum: ["true", "false", "1", "0", ""] }
    : schema;
  if (!repeats) return one;
  return { type: "array", items: one, maxItems: most, ...(required ? { minItems: 1 } : {}) };
}

/** Reads a flag from a query; false if it is absent. */
export function flagIn(query: URLSearchParams, name: string): boolean {
  return valueIn(query, { name, shape: flag }) ?? false;
}

/** Reads a value from a query; undefined if it is absent. */
export function valueIn<T>(
  query: URLSearchParams,
  { name, shape }: { name: string; shape: Shape<T> },
): T | undefined {
  const given = query.get(name);
  if (given === null) return undefined;
  return shape.read(shape.fromText ? shape.fromText(given) : given, { kind: "parameter", name });
}

function unknownName(
  { kind, name }: Place,
  { known }: { known: readonly string[] },
): InvalidArgumentError {
  const own = name.slice(name.lastIndexOf(".") + 1);
  const [none, all] = kind === "field"
    ? ["it takes no fields", "the fields are"]
    : ["it takes no parameters", "the parameters are"];
  return new InvalidArgumentError(`there is no ${kind} ${JSON.stringify(name)} here`, {
    details: { [kind]: name },
    hint: didYouMean(own, known) ?? (known.length > 0 ? `${all} ${known.join(", ")}` : none),
  });
}

function misfit(
  { kind, name }: Place,
  fault: string,
  { hint }: { hint?: string | undefined } = {},
): InvalidArgumentError {
  return new InvalidArgumentError(`${name === "" ? "the body" : name} ${fault}`, {
    details: { [kind]: name },
    hint,
  });
}

function orList(words: readonly string[]): string {
  if (words.length < 2) return words.join("");
  return `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
}

function shown(value: unknown): string {
  const json = JSON.stringify(value);
  return json.length > 60 ? `${json.slice(0, 60)}…` : json;
}
