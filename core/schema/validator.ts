/** Schemas compiled by ajv, within our limits. Loaded only when a first schema is there: ajv costs 75 ms. */
import type { AnySchema, ValidateFunction } from "ajv";
import { EvsError, InvalidSchemaError } from "../errors.ts";
import { type Fault, faultsOf } from "./faults.ts";
import { safeFormats } from "./formats.ts";
import { assertWithinLimits, draftOf } from "./limits.ts";
import { compileSafePattern } from "./pattern.ts";
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
  const [{ Ajv2020 }, { Ajv }, formats, { RE2JS }] = await Promise.all([
    import("ajv/dist/2020.js"),
    import("ajv"),
    import("ajv-formats/dist/formats.js"),
    import("re2js"),
  ]);
  const options = {
    allErrors: true,
    // A schema may carry keywords of other tools; a payload is never changed.
    strict: false,
    validateFormats: true,
    addUsedSchema: false,
    logger: false as const,
    code: {
      regExp: Object.assign((pattern: string) => compileSafePattern(pattern, RE2JS) as RegExp, {
        code: "",
      }),
    },
  };
  const definitions = safeFormats(formats.fullFormats as unknown as Record<string, unknown>);
  const make = (draft: "2020-12" | "07") => {
    const ajv = draft === "07" ? new Ajv(options) : new Ajv2020(options);
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
    return ajv;
  };
  return (schema) => {
    const draft = draftOf(schema);
    assertWithinLimits(schema);
    // Each schema has an ajv of its own: what it names ($id, anchors) never meets another's.
    const ajv = make(draft);
    let validate: ValidateFunction;
    try {
      if (!ajv.validateSchema(schema as AnySchema)) {
        throw notASchema(faultsOf(ajv.errors ?? [], schema));
      }
      validate = ajv.compile(schema as AnySchema);
    } catch (error) {
      if (error instanceof EvsError) throw error;
      throw new InvalidSchemaError(
        `not a JSON Schema: ${error instanceof Error ? error.message : String(error)}`,
        { cause: error },
      );
    }
    return (payload) => validate(payload) ? [] : faultsOf(validate.errors ?? [], payload);
  };
}

function notASchema(faults: Fault[]): InvalidSchemaError {
  const told = faults.slice(0, 3).map(({ pointer, message }) =>
    `${pointer || "the root"} ${message}`
  ).join("; ");
  return new InvalidSchemaError(`not a JSON Schema: ${told}`, { details: { faults } });
}
