/** Schemas compiled by ajv, within our limits. Loaded only when a first schema is there: ajv costs 75 ms. */
import type { AnySchema, ValidateFunction } from "ajv";
import { EvsError, InvalidSchemaError } from "../errors.ts";
import type { CheckBudget } from "./budget.ts";
import { type Fault, faultsOf } from "./faults.ts";
import { safeFormats } from "./formats.ts";
import { assertWithinLimits, draftOf } from "./limits.ts";
import { compileSafePattern, MAX_PATTERN_SIZE } from "./pattern.ts";
import { hasUniqueItems } from "./unique_items.ts";

/** Checks a payload: its faults, none when it fits. */
export type Validator = (payload: unknown) => Fault[];

/** Compiles schemas. */
export type SchemaCompiler = (schema: unknown) => Validator;

let loaded: Promise<SchemaCompiler> | undefined;

/** The compiler, loaded once. */
export function loadCompiler(): Promise<SchemaCompiler> {
  return loaded ??= load();
}

async function load(): Promise<SchemaCompiler> {
  const [{ Ajv2020 }, { Ajv }, formats, { RE2JS }, { CheckBudget, countSteps }] = await Promise.all(
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
  const make = (schema: unknown, allErrors: boolean, budget: CheckBudget): ValidateFunction => {
    const size = { left: MAX_PATTERN_SIZE };
    const options = {
      allErrors,
      // A schema may carry keywords of other tools; a payload is never changed.
      strict: false,
      validateFormats: true,
      addUsedSchema: false,
      logger: false as const,
      code: {
        regExp: Object.assign(
          (pattern: string) => compileSafePattern(pattern, { re2: RE2JS, size, budget }) as RegExp,
          { code: "" },
        ),
      },
    };
    const ajv = draftOf(schema) === "07" ? new Ajv(options) : new Ajv2020(options);
    for (const [name, definition] of Object.entries(definitions)) {
      ajv.addFormat(name, definition as true);
    }
    ajv.removeKeyword("uniqueItems");
    ajv.addKeyword({
      keyword: "uniqueItems",
      type: "array",
      schemaType: "boolean",
      validate: (wanted: boolean, items: unknown[]) => !wanted || hasUniqueItems(items),
    });
    if (!ajv.validateSchema(schema as AnySchema)) {
      throw notASchema(faultsOf(ajv.errors ?? [], schema));
    }
    countSteps(ajv, budget);
    return ajv.compile(schema as AnySchema);
  };
  return (schema) => {
    draftOf(schema);
    assertWithinLimits(schema);
    const budget = new CheckBudget();
    const isValid = compiling(() => make(schema, false, budget));
    let everyFault: ValidateFunction | undefined;
    return (payload) => {
      budget.refill();
      if (isValid(payload)) return [];
      const first = faultsOf(isValid.errors ?? [], payload);
      // Listing every fault is for people: it is compiled when a first payload fails, and may cost what one check may.
      everyFault ??= compiling(() => make(schema, true, budget));
      budget.refill();
      try {
        everyFault(payload);
      } catch (error) {
        if (error instanceof EvsError) return first;
        throw error;
      }
      return faultsOf(everyFault.errors ?? [], payload);
    };
  };
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
