/**
 * ajv, as far as it is right. It makes a function of a schema, which is several times faster than
 * to walk it, and keeps to the specification but for a few kinds of schemas; those are told apart
 * here and judged by the evaluator (ADR 26).
 */
import type { Ajv as AjvCore, AnySchema, ValidateFunction } from "ajv";
import { isMultipleOf } from "../../json/decimal.ts";
import { hasDecimals } from "../../json/exact.ts";
import { orderArrayRules } from "./array_rules.ts";
import type { CheckBudget } from "./budget.ts";
import { countSteps } from "./budget.ts";
import type { Draft, SchemaDocuments, SchemaPart } from "./documents.ts";
import { isObject, type Schema } from "./limits.ts";
import type { PatternEngine } from "./pattern.ts";
import { hasUniqueItems } from "./unique_items.ts";

/** The classes of ajv, a draft each. */
export interface AjvClasses {
  "2020-12": new (options: Record<string, unknown>) => AjvCore;
  "07": new (options: Record<string, unknown>) => AjvCore;
}

/** What an ajv is made with. */
export interface AjvOptions {
  draft: Draft;
  allErrors: boolean;
  budget: CheckBudget;
  pattern(text: string): PatternEngine;
  formats: Record<string, unknown>;
}

/** Compiles a schema that ajv is right about. */
export function compileWithAjv(
  classes: AjvClasses,
  schema: Schema | boolean,
  options: AjvOptions,
): ValidateFunction {
  const { draft, allErrors, budget, pattern, formats } = options;
  // Each schema has an ajv of its own: what it names ($id, anchors) never meets another's.
  const ajv = withFormats(
    new classes[draft]({
      allErrors,
      // A schema may carry keywords of other tools; a payload is never changed.
      strict: false,
      validateFormats: true,
      logger: false,
      meta: false,
      validateSchema: false,
      code: {
        // ajv's own clean-up of its code drops variables that are still read ({contains} below
        // {oneOf} below {if}), and is half of what compiling costs; V8 makes the same of both.
        optimize: false,
        regExp: Object.assign((text: string) => pattern(text) as RegExp, { code: "" }),
      },
    }),
    formats,
  );
  // What was looked at is noted for `unevaluated…` alone, in code that fails where branches differ
  // (seen in ajv 8.20.0).
  ajv.opts.unevaluated = false;
  replaceKeywords(ajv, budget);
  orderArrayRules(ajv);
  countSteps(ajv, budget);
  return ajv.compile(schema as AnySchema);
}

/** Gives an ajv the formats. */
export function withFormats<T extends AjvCore>(ajv: T, formats: Record<string, unknown>): T {
  for (const [name, definition] of Object.entries(formats)) {
    ajv.addFormat(name, definition as true);
  }
  return ajv;
}

function replaceKeywords(ajv: AjvCore, budget: CheckBudget): void {
  ajv.removeKeyword("uniqueItems");
  ajv.addKeyword({
    keyword: "uniqueItems",
    type: "array",
    schemaType: "boolean",
    validate: (wanted: boolean, items: unknown[]) => !wanted || hasUniqueItems(items, budget),
  });
  ajv.removeKeyword("multipleOf");
  ajv.addKeyword({
    keyword: "multipleOf",
    type: "number",
    schemaType: "number",
    validate: (step: number, value: number) => isMultipleOf(value, step),
    error: { message: ({ schema }) => `must be multiple of ${schema}` },
  });
}

/** Keywords that ajv does not follow to the letter. */
const DEPARTS: ReadonlySet<string> = new Set([
  "$anchor",
  "$dynamicAnchor",
  "$dynamicRef",
  "unevaluatedItems",
  "unevaluatedProperties",
  // Draft-04's, which it refuses; OpenAPI's, which it refuses without a type.
  "id",
  "nullable",
]);

/** Beside a reference these change nothing. */
const NOTES: ReadonlySet<string> = new Set([
  "$comment",
  "$ref",
  "$schema",
  "definitions",
  "description",
  "examples",
  "title",
]);

/** Names that every object of JavaScript has: ajv takes them for members. */
const INHERITED: ReadonlySet<string> = new Set(Object.getOwnPropertyNames(Object.prototype));

/** True where every verdict of ajv on a payload of plain numbers is the specification's. */
export function isAjvRight(documents: SchemaDocuments): boolean {
  const { root } = documents.root;
  if (!isObject(root)) return true;
  return !hasDecimals(root) && !namesInherited(root) &&
    documents.ownParts().every((part) => isRightAt(part));
}

function isRightAt({ schema, pointer, resource }: SchemaPart): boolean {
  if (Object.keys(schema).some((keyword) => DEPARTS.has(keyword))) return false;
  if (typeof schema["$id"] === "string" && pointer !== "") return false;
  const reference = schema["$ref"];
  if (typeof reference !== "string") return true;
  if (reference !== "#" && !reference.startsWith("#/")) return false;
  return resource.draft !== "07" || Object.keys(schema).every((keyword) => NOTES.has(keyword));
}

function namesInherited(value: unknown): boolean {
  if (typeof value === "string") return INHERITED.has(value);
  if (typeof value !== "object" || value === null) return false;
  return Object.entries(value).some(([name, item]) => INHERITED.has(name) || namesInherited(item));
}
