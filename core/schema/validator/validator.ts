/** Schemas compiled by ajv, within our limits. Loaded only when a first schema is there: ajv costs 75 ms. */
import type { Ajv as AjvCore, AnySchema, ValidateFunction } from "ajv";
import { EvsError, InternalError, InvalidSchemaError } from "../../base/errors.ts";
import { orderArrayRules } from "./array_rules.ts";
import type { CheckBudget } from "./budget.ts";
import { type Fault, faultsOf } from "./faults.ts";
import { safeFormats } from "./formats.ts";
import { assertWithinLimits, draftOf } from "./limits.ts";
import { compileSafePattern, MAX_PATTERN_SIZE, type PatternEngine } from "./pattern.ts";
import { hasUniqueItems } from "./unique_items.ts";

/** Checks a payload: its faults, none when it fits. */
export type Validator = (payload: unknown) => Fault[];

/** Compiles schemas. */
export type SchemaCompiler = (schema: unknown) => Validator;

/** What only this module can do: it knows ajv. */
export interface SchemaTools {
  compile: SchemaCompiler;
  /** Of a schema that was compiled before: whether a value fits the part at a pointer. */
  compileParts: (schema: unknown) => (pointer: string, value: unknown) => boolean;
  /** Compiles a pattern as schemas have them. */
  compilePattern: (pattern: string) => PatternEngine;
  /** The formats that are checked. */
  formats: readonly string[];
}

let loaded: Promise<SchemaTools> | undefined;

/** The tools, loaded once. */
export function loadSchemaTools(): Promise<SchemaTools> {
  return loaded ??= load();
}

/** The compiler, loaded once. */
export async function loadCompiler(): Promise<SchemaCompiler> {
  return (await loadSchemaTools()).compile;
}

async function load(): Promise<SchemaTools> {
  const [{ Ajv2020 }, { Ajv }, formats, { RE2JS }, { CheckBudget, countSteps, LISTING_STEPS }] =
    await Promise.all(
      [
        import("ajv/dist/2020.js"),
        import("ajv"),
        import("ajv-formats/dist/formats.js"),
        import("re2js"),
        import("./budget.ts"),
      ],
    );
  const definitions = safeFormats(formats.fullFormats as unknown as Record<string, unknown>);
  // Each schema has an ajv of its own: what it names ($id, anchors) never meets another's.
  const withFormats = <T extends AjvCore>(ajv: T): T => {
    for (const [name, definition] of Object.entries(definitions)) {
      ajv.addFormat(name, definition as true);
    }
    return ajv;
  };
  // The drafts' own schemas are compiled once, not anew with each schema that is held against them.
  const drafts = {
    "07": lazily(() => withFormats(new Ajv({ strict: false, logger: false }))),
    "2020-12": lazily(() => withFormats(new Ajv2020({ strict: false, logger: false }))),
  };
  const prepare = (schema: unknown, allErrors: boolean, budget: CheckBudget): AjvCore => {
    const size = { left: MAX_PATTERN_SIZE };
    const options = {
      allErrors,
      // A schema may carry keywords of other tools; a payload is never changed.
      strict: false,
      validateFormats: true,
      logger: false as const,
      meta: false,
      validateSchema: false,
      code: {
        // ajv's own clean-up of its code drops variables that are still read ({contains} below {oneOf} below {if}), and is
        // half of what compiling costs; V8 makes the same of both.
        optimize: false as const,
        regExp: Object.assign(
          (pattern: string) => compileSafePattern(pattern, { re2: RE2JS, size, budget }) as RegExp,
          { code: "" },
        ),
      },
    };
    const draft = draftOf(schema);
    const ajv = withFormats(draft === "07" ? new Ajv(options) : new Ajv2020(options));
    ajv.removeKeyword("uniqueItems");
    ajv.addKeyword({
      keyword: "uniqueItems",
      type: "array",
      schemaType: "boolean",
      validate: (wanted: boolean, items: unknown[]) => !wanted || hasUniqueItems(items, budget),
    });
    orderArrayRules(ajv);
    const meta = drafts[draft]();
    if (!meta.validateSchema(schema as AnySchema)) {
      throw notASchema(faultsOf(meta.errors ?? [], schema));
    }
    countSteps(ajv, budget);
    return ajv;
  };
  const make = (schema: unknown, allErrors: boolean, budget: CheckBudget): ValidateFunction =>
    prepare(schema, allErrors, budget).compile(schema as AnySchema);
  const compile: SchemaCompiler = (schema) => {
    draftOf(schema);
    assertWithinLimits(schema);
    const budget = new CheckBudget();
    const isValid = compiling(() => make(schema, false, budget));
    let everyFault: ValidateFunction | undefined;
    return (payload) => {
      budget.refill();
      if (isValid(payload)) return [];
      const first = faultsOf(isValid.errors ?? [], payload);
      // Listing every fault is for people: it is compiled when a first payload fails, and may cost little.
      everyFault ??= compiling(() => make(schema, true, budget));
      budget.refill(LISTING_STEPS);
      try {
        everyFault(payload);
      } catch (error) {
        if (error instanceof EvsError) return first;
        throw error;
      }
      return faultsOf(everyFault.errors ?? [], payload);
    };
  };
  const compileParts: SchemaTools["compileParts"] = (schema) => {
    if (typeof schema === "boolean") return () => schema;
    const budget = new CheckBudget();
    const id = "evs:whole";
    const ajv = prepare(schema, false, budget).addSchema({ ...schema as object, $id: id });
    return (pointer, value) => {
      const uri = pointer.split("/").map(encodeURIComponent).join("/");
      const isValid = compiling(() => ajv.getSchema(pointer === "" ? id : `${id}#${uri}`));
      if (!isValid) throw new InternalError(`the schema has no part at ${pointer}`);
      budget.refill();
      return isValid(value) as boolean;
    };
  };
  const compilePattern = (pattern: string) => {
    const budget = new CheckBudget();
    budget.refill();
    return compileSafePattern(pattern, { re2: RE2JS, size: { left: MAX_PATTERN_SIZE }, budget });
  };
  return { compile, compileParts, compilePattern, formats: Object.keys(definitions) };
}

function lazily<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => made ??= make();
}

function compiling<T>(compile: () => T): T {
  try {
    return compile();
  } catch (error) {
    if (error instanceof EvsError) throw error;
    const reason = error instanceof RangeError
      ? "it is too large, or its references nest too deep"
      : error instanceof Error
      ? error.message
      : String(error);
    throw new InvalidSchemaError(`not a JSON Schema: ${reason}`, { cause: error });
  }
}

function notASchema(faults: Fault[]): InvalidSchemaError {
  const told = faults.slice(0, 3).map(({ pointer, message }) =>
    `${pointer || "the root"} ${message}`
  ).join("; ");
  return new InvalidSchemaError(`not a JSON Schema: ${told}`, { details: { faults } });
}
