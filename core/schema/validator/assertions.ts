/**
 * JSON Schema keywords that check a value by itself: types, numbers, strings, counts and required
 * names.
 */
import {
  compareNumbers,
  Decimal,
  isMultipleOf,
  isNumeric,
  isWholeNumber,
  type Numeric,
} from "../../json/decimal.ts";
import {
  addFault,
  type Evaluation,
  type Keyword,
  type KeywordCheck,
  type Subject,
} from "./evaluator.ts";
import { isObject } from "./limits.ts";
import { canonical, hasUniqueItems } from "./unique_items.ts";

/** A check that reports a single fault. */
function assertion(
  keyword: string,
  about: {
    fits: (value: unknown, run: Evaluation) => boolean;
    message: string;
    params?: Record<string, unknown>;
  },
): KeywordCheck {
  const { fits, message, params = {} } = about;
  return ({ value, path }: Subject, run) =>
    fits(value, run) || addFault(run, { instancePath: path, keyword, params, message });
}

const IS_TYPE: Record<string, (value: unknown) => boolean> = {
  null: (value) => value === null,
  boolean: (value) => typeof value === "boolean",
  string: (value) => typeof value === "string",
  number: isNumeric,
  integer: (value) => isNumeric(value) && isWholeNumber(value),
  array: Array.isArray,
  object: isObject,
};

function type(named: unknown, { schema }: { schema: Record<string, unknown> }): KeywordCheck {
  const names = [named].flat() as string[];
  // OpenAPI's spelling, which ajv supports too.
  const types = schema["nullable"] === true ? [...names, "null"] : names;
  const tests = types.map((name) => IS_TYPE[name]!);
  return assertion("type", {
    fits: (value) => tests.some((test) => test(value)),
    message: `must be ${types.join(" or ")}`,
    params: { type: named },
  });
}

/** `fits` is called for numbers only. */
function ofNumbers(
  keyword: string,
  options: { sign: string; fits: (order: number) => boolean },
): Keyword {
  return (limit) =>
    assertion(keyword, {
      fits: (value) => !isNumeric(value) || options.fits(compareNumbers(value, limit as Numeric)),
      message: `must be ${options.sign} ${String(limit)}`,
    });
}

/** A minimum or maximum count. `count` returns undefined for values that it does not apply to. */
function counted(
  keyword: string,
  options: { what: string; most: boolean; count: (value: unknown) => number | undefined },
): Keyword {
  const { what, most, count } = options;
  return (limit) => {
    const bound = (limit as Numeric).valueOf();
    return assertion(keyword, {
      fits: (value) => {
        const found = count(value);
        return found === undefined || (most ? found <= bound : found >= bound);
      },
      message: `must NOT have ${most ? "more" : "fewer"} than ${String(limit)} ${what}`,
    });
  };
}

const characters = (value: unknown) => typeof value === "string" ? lengthOf(value) : undefined;
const items = (value: unknown) => Array.isArray(value) ? value.length : undefined;
const properties = (value: unknown) => isObject(value) ? Object.keys(value).length : undefined;

/** Counts code points. */
function lengthOf(text: string): number {
  let length = text.length;
  for (let at = 0; at < text.length - 1; at++) {
    if ((text.charCodeAt(at) & 0xfc00) !== 0xd800) continue;
    if ((text.charCodeAt(at + 1) & 0xfc00) !== 0xdc00) continue;
    length--;
    at++;
  }
  return length;
}

function isContainer(value: unknown): boolean {
  return Array.isArray(value) || isObject(value);
}

function oneOfValues(keyword: "enum" | "const", values: unknown[]): KeywordCheck {
  const texts = new Set(values.map((value) => canonical(value)));
  const areScalars = !values.some(isContainer);
  const params = keyword === "enum" ? { allowedValues: values } : { allowedValue: values[0] };
  return assertion(keyword, {
    fits: (value, { budget }) =>
      !(areScalars && isContainer(value)) && texts.has(canonical(value, budget)),
    message: "must be one of the values listed",
    params,
  });
}

function pattern(text: unknown, maker: Parameters<Keyword>[1]): KeywordCheck {
  const engine = maker.pattern(text as string);
  return assertion("pattern", {
    fits: (value) => typeof value !== "string" || engine.test(value),
    message: `must match pattern "${text}"`,
    params: { pattern: text },
  });
}

function format(name: unknown, maker: Parameters<Keyword>[1]): KeywordCheck | undefined {
  const known = maker.format(String(name));
  if (known === undefined) return undefined;
  const applies = known.type === "number"
    ? isNumeric
    : (value: unknown) => typeof value === "string";
  return assertion("format", {
    fits: (value) => !applies(value) || known.test(value),
    message: `must match format "${name}"`,
    params: { format: name },
  });
}

function required(names: unknown): KeywordCheck {
  return ({ value, path }, run) => {
    if (!isObject(value)) return true;
    let ok = true;
    for (const name of names as string[]) {
      if (Object.hasOwn(value, name)) continue;
      ok = missing(name, { path, run });
      if (!run.faults) break;
    }
    return ok;
  };
}

function missing(name: string, { path, run }: { path: string; run: Evaluation }): false {
  return addFault(run, {
    instancePath: path,
    keyword: "required",
    params: { missingProperty: name },
    message: `must have required property '${name}'`,
  });
}

function dependentRequired(map: unknown): KeywordCheck {
  const entries = Object.entries(map as Record<string, unknown>)
    .filter((entry): entry is [string, string[]] => Array.isArray(entry[1]));
  return ({ value, path }, run) => {
    if (!isObject(value)) return true;
    let ok = true;
    for (const [name, names] of entries) {
      if (!Object.hasOwn(value, name)) continue;
      for (const other of names) {
        if (!Object.hasOwn(value, other)) ok = missing(other, { path, run });
      }
    }
    return ok;
  };
}

/** In evaluation order; all of them run before any subschema. */
export const ASSERTIONS: readonly [keyword: string, make: Keyword][] = [
  ["type", type],
  ["enum", (values) => oneOfValues("enum", values as unknown[])],
  ["const", (value) => oneOfValues("const", [value])],
  ["minimum", ofNumbers("minimum", { sign: ">=", fits: (order) => order >= 0 })],
  ["exclusiveMinimum", ofNumbers("exclusiveMinimum", { sign: ">", fits: (order) => order > 0 })],
  ["maximum", ofNumbers("maximum", { sign: "<=", fits: (order) => order <= 0 })],
  ["exclusiveMaximum", ofNumbers("exclusiveMaximum", { sign: "<", fits: (order) => order < 0 })],
  ["multipleOf", (step) =>
    assertion("multipleOf", {
      fits: (value, { budget }) => {
        if (!isNumeric(value)) return true;
        if (value instanceof Decimal) budget.spend(value.digits.length >> 3);
        return isMultipleOf(value, step as Numeric);
      },
      message: `must be multiple of ${String(step)}`,
    })],
  ["minLength", counted("minLength", { what: "characters", most: false, count: characters })],
  ["maxLength", counted("maxLength", { what: "characters", most: true, count: characters })],
  ["pattern", pattern],
  ["format", format],
  ["minItems", counted("minItems", { what: "items", most: false, count: items })],
  ["maxItems", counted("maxItems", { what: "items", most: true, count: items })],
  ["uniqueItems", (wanted) =>
    wanted !== true ? undefined : assertion("uniqueItems", {
      fits: (value, { budget }) => !Array.isArray(value) || hasUniqueItems(value, budget),
      message: "must NOT have duplicate items",
    })],
  [
    "minProperties",
    counted("minProperties", { what: "properties", most: false, count: properties }),
  ],
  [
    "maxProperties",
    counted("maxProperties", { what: "properties", most: true, count: properties }),
  ],
  ["required", required],
  ["dependentRequired", (map, { draft }) => draft === "07" ? undefined : dependentRequired(map)],
  ["dependencies", dependentRequired],
];
