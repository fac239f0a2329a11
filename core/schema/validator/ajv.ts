/**
 * ajv, where it is correct. It compiles a schema into a function, which is several times faster
 * than walking the schema. It follows the specification except for a few kinds of schemas; those
 * are detected here and checked by our own evaluator instead (ADR 26).
 */
import type { Ajv as AjvCore, AnySchema, ValidateFunction } from "ajv";
import { isMultipleOf } from "../../json/decimal.ts";
import { hasDecimals } from "../../json/exact.ts";
import { orderArrayRules } from "./array_rules.ts";
import type { CheckBudget } from "./budget.ts";
import { type CodeTemplate, countSteps } from "./budget.ts";
import type { Draft, SchemaDocuments, SchemaPart } from "./documents.ts";
import { isObject, type Schema } from "./limits.ts";
import type { PatternEngine } from "./pattern.ts";
import { hasUniqueItems } from "./unique_items.ts";

/** What is loaded of ajv: a class for each draft, and its template for code. */
export interface AjvClasses {
  "2020-12": new (options: Record<string, unknown>) => AjvCore;
  "07": new (options: Record<string, unknown>) => AjvCore;
  code: CodeTemplate;
}

/** What an ajv instance needs. */
export interface AjvOptions {
  draft: Draft;
  allErrors: boolean;
  budget: CheckBudget;
  pattern(text: string): PatternEngine;
  formats: Record<string, unknown>;
}

/** Compiles a schema that ajv handles correctly. */
export function compileWithAjv(
  classes: AjvClasses,
  schema: Schema | boolean,
  options: AjvOptions,
): ValidateFunction {
  const { draft, allErrors, budget, pattern, formats } = options;
  // Each schema gets its own ajv, so that its names ($id, anchors) never clash with another's.
  const ajv = withFormats(
    new classes[draft]({
      allErrors,
      // A schema may carry keywords of other tools. A payload is never modified.
      strict: false,
      validateFormats: true,
      logger: false,
      meta: false,
      validateSchema: false,
      code: {
        // ajv's optimizer removes variables that are still used ({contains} below {oneOf} below
        // {if}), and takes half of the compile time; V8 optimizes both equally well.
        optimize: false,
        regExp: Object.assign((text: string) => pattern(text) as RegExp, { code: "" }),
      },
    }),
    formats,
  );
  // Tracking evaluated parts only serves `unevaluated…`, and its code fails when branches differ
  // (seen in ajv 8.20.0).
  ajv.opts.unevaluated = false;
  replaceKeywords(ajv, budget);
  orderArrayRules(ajv);
  countSteps(ajv, budget, classes.code);
  return ajv.compile(schema as AnySchema);
}

/** Adds the formats to an ajv instance. */
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

/** Keywords where ajv departs from the specification. */
const DEPARTS: ReadonlySet<string> = new Set([
  "$anchor",
  "$dynamicAnchor",
  "$dynamicRef",
  "unevaluatedItems",
  "unevaluatedProperties",
  // ajv refuses draft-04's `id`, and OpenAPI's `nullable` without a type.
  "id",
  "nullable",
  // Its code keeps the verdict of the item before where an item has nothing to look at: `[[1], []]`
  // is valid by `{items: {contains: true}}` (seen in ajv 8.20.0).
  "contains",
]);

/** Keywords that change nothing beside a reference. */
const NOTES: ReadonlySet<string> = new Set([
  "$comment",
  "$ref",
  "$schema",
  "definitions",
  "description",
  "examples",
  "title",
]);

/** Names that every JavaScript object has; ajv mistakes them for members. */
const INHERITED: ReadonlySet<string> = new Set(Object.getOwnPropertyNames(Object.prototype));

/** True if ajv judges every payload of plain numbers as the specification does. */
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
