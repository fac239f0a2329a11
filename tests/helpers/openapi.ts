/**
 * schemas/openapi.json from a client's point of view: what it allows, what it forbids, and whether
 * a reply matches it.
 */
import { Ajv2020 } from "ajv/dist/2020.js";
import fc from "../packages/fast_check.ts";

/** A JSON Schema. */
// deno-lint-ignore no-explicit-any -- a document is what it is
export type Schema = any;

/** The document. */
export const openapi: Schema = JSON.parse(
  await Deno.readTextFile(new URL("../../schemas/openapi.json", import.meta.url)),
);
const ajv = new Ajv2020({ strict: false, allErrors: true });

/** Resolves a schema that is a reference. */
export function resolved(schema: Schema): Schema {
  const name = schema?.$ref?.split("/").at(-1);
  return name === undefined ? schema : openapi.components.schemas[name];
}

/** Resolves every reference, and drops what is only for people. */
export function plain(schema: Schema): Schema {
  if (Array.isArray(schema)) return schema.map(plain);
  if (typeof schema !== "object" || schema === null) return schema;
  const { description: _, ...rest } = resolved(schema);
  return Object.fromEntries(Object.entries(rest).map(([name, value]) => [name, plain(value)]));
}

/** A validator for a schema. */
export function validator(schema: Schema): ReturnType<typeof ajv.compile> {
  let validate = validators.get(schema);
  if (!validate) validators.set(schema, validate = ajv.compile(plain(schema)));
  return validate;
}

const validators = new WeakMap<object, ReturnType<typeof ajv.compile>>();

/** The JSON texts of an NDJSON response: notices about missed events begin with RS (0x1e). */
export function ndjsonLines(text: string): string[] {
  return text.split("\n").filter(Boolean).map((line) => line.replace("\x1e", ""));
}

/** How a reply deviates from the document; undefined if it matches. */
export function faultsOf(
  response: Schema,
  answer: { status: number; headers: Headers; text: string },
): string | undefined {
  const type = answer.headers.get("content-type")?.split(";")[0] ?? "";
  const content = response?.content?.[type];
  if (!content) return `${answer.status} with ${type} is not described`;
  if (!type.includes("json")) return undefined;
  const texts = type === "application/json" ? [answer.text] : ndjsonLines(answer.text);
  const validate = validator(content.schema);
  const wrong = texts.find((text) => !validate(JSON.parse(text)));
  return wrong === undefined ? undefined : `${JSON.stringify(validate.errors)} in ${wrong}`;
}

const json = () => fc.jsonValue({ maxDepth: 2 });

/** Values that the schema allows. */
export function allowed(schema: Schema): fc.Arbitrary<unknown> {
  const one = resolved(schema);
  if (one.if) return allOrSome(one);
  if (one.enum) return fc.constantFrom(...one.enum);
  if (one.anyOf) {
    return fc.oneof(
      ...one.anyOf.map((each: Schema) => allowed({ ...each, type: each.type ?? one.type })),
    );
  }
  switch (one.type) {
    case "boolean":
      return fc.boolean();
    case "null":
      return fc.constant(null);
    case "integer":
      return fc.integer({ min: one.minimum ?? -1e9, max: one.maximum ?? 1e9 });
    case "number":
      return fc.double({ min: Number.MIN_VALUE, max: one.maximum, noNaN: true });
    case "string":
      return allowedText(one);
    case "array":
      return fc.array(allowed(one.items), { minLength: one.minItems ?? 0, maxLength: 3 });
    case "object":
      return allowedObject(one);
    default:
      return json();
  }
}

function allowedText(schema: Schema): fc.Arbitrary<string> {
  const { contentSchema, pattern, minLength = 0, maxLength = 300 } = schema;
  if (contentSchema) return allowed(contentSchema).map((value) => JSON.stringify(value));
  const fits = validator(schema);
  // A random text matches a pattern only if the pattern merely excludes characters.
  const byChance = pattern === undefined || pattern.startsWith("^[^");
  const text = byChance
    ? fc.string({ minLength, maxLength: Math.min(maxLength, 300), unit: "grapheme" })
    : fc.stringMatching(new RegExp(pattern), { size: "-1" });
  return text.filter((one) => fits(one) === true);
}

function allowedObject({ properties, required = [] }: Schema): fc.Arbitrary<unknown> {
  if (!properties) return fc.dictionary(fc.string(), json(), { maxKeys: 3 });
  const members = Object.entries(properties).map(([name, schema]) => [name, allowed(schema)]);
  return fc.record(Object.fromEntries(members), { requiredKeys: required });
}

/** Either all or some, by the names that `else` asks for: the only condition in the document. */
function allOrSome(schema: Schema): fc.Arbitrary<unknown> {
  const { if: _if, then: _then, else: some, properties, required = [] } = schema;
  const selects = new Set(some.anyOf.flatMap((one: Schema) => one.required));
  const { all: _all, ...others } = properties;
  const unselected = Object.entries(others).filter(([name]) => !selects.has(name));
  const fits = validator(schema);
  return fc.oneof(
    allowedObject({
      properties: { ...Object.fromEntries(unselected), all: { type: "boolean", enum: [true] } },
      required: [...required, "all"],
    }),
    allowedObject({ properties: others, required }),
  ).filter(fits);
}

/** Values that it forbids; undefined if it allows everything that can be sent there. */
export function forbidden(
  schema: Schema,
  { asText, canBeSent }: { asText: boolean; canBeSent(value: unknown): boolean },
): fc.Arbitrary<unknown> | undefined {
  const fits = validator(schema);
  const takes = (value: unknown) => fits(value) || (asText && fits(Number(value)));
  const any = asText
    ? fc.oneof(
      fc.string(),
      fc.string({ minLength: 129, maxLength: 400 }),
      fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n }).map(String),
      fc.constantFrom("\u0000", "a\nb", "..", "TRUE", "yes", "1.5", "-1", "0x1", " 1"),
    )
    : fc.oneof(json(), fc.string(), fc.double({ noNaN: true }), fc.constant("x".repeat(300)));
  const isWrong = (value: unknown) => !takes(value) && canBeSent(value);
  const tried = fc.sample(any, { numRuns: 200, seed: 1 });
  return tried.some(isWrong) ? any.filter(isWrong) : undefined;
}
