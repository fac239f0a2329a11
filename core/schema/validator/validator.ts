/**
 * Compiles schemas within our limits. Loaded only once there is a schema, because ajv costs 75 ms.
 */
import type { ValidateFunction } from "ajv";
import {
  EventRefusedError,
  EvsError,
  InternalError,
  InvalidSchemaError,
} from "../../base/errors.ts";
import { hasDecimals } from "../../json/exact.ts";
import { type AjvClasses, compileWithAjv, isAjvRight, withFormats } from "./ajv.ts";
import { CheckBudget, LISTING_STEPS } from "./budget.ts";
import { SchemaDocuments } from "./documents.ts";
import { Evaluator, type Format } from "./evaluator.ts";
import { type Fault, faultsOf } from "./faults.ts";
import { formatOf, safeFormats } from "./formats.ts";
import { assertReferences, assertWithinLimits, draftOf, type Schema } from "./limits.ts";
import { compileSafePattern, MAX_PATTERN_SIZE, type PatternEngine, type Re2 } from "./pattern.ts";

/**
 * Checks a payload and returns its faults, none if it fits. Numbers that a double cannot hold must
 * be decimals.
 */
export type Validator = (payload: unknown) => Fault[];

/** Compiles schemas. */
export type SchemaCompiler = (schema: unknown) => Validator;

/** The functions that need ajv, which only this module knows. */
export interface SchemaTools {
  compile: SchemaCompiler;
  /** For a schema that compiled before: whether a value fits the part at a pointer. */
  compileParts: (schema: unknown) => (pointer: string, value: unknown) => boolean;
  /** The parts of a schema and the targets of its references. */
  documentsOf: (schema: Schema | boolean) => SchemaDocuments;
  /** Compiles a pattern as used in schemas. */
  compilePattern: (pattern: string) => PatternEngine;
  /** The formats that are checked. */
  formats: readonly string[];
}

/** The drafts' meta-schemas. */
const META = {
  "2020-12": "https://json-schema.org/draft/2020-12/schema",
  "07": "http://json-schema.org/draft-07/schema",
};

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
  const [{ Ajv2020 }, { _, Ajv }, formats, { RE2JS }] = await Promise.all([
    import("ajv/dist/2020.js"),
    import("ajv"),
    import("ajv-formats/dist/formats.js"),
    import("re2js"),
  ]);
  const classes = { "2020-12": Ajv2020, "07": Ajv, code: _ } as unknown as AjvClasses;
  return new Tools({
    classes,
    re2: RE2JS,
    formats: safeFormats(formats.fullFormats as unknown as Record<string, unknown>),
  }).all();
}

/** What was loaded. */
interface Loaded {
  classes: AjvClasses;
  re2: Re2;
  formats: Record<string, unknown>;
}

class Tools {
  readonly #loaded: Loaded;
  /**
   * The drafts' meta-schemas are compiled once, rather than for each schema that is checked against
   * them.
   */
  readonly #drafts: { [D in "2020-12" | "07"]: () => InstanceType<AjvClasses[D]> };
  /** The same for schemas with numbers that a double cannot hold. */
  readonly #metaValidators = {
    "2020-12": lazily(() => this.#compile({ $ref: META["2020-12"] })),
    "07": lazily(() => this.#compile({ $ref: META["07"] })),
  };
  readonly #checked = new Map<string, Format>();

  constructor(loaded: Loaded) {
    this.#loaded = loaded;
    const { classes, formats } = loaded;
    const make = (draft: "2020-12" | "07") =>
      lazily(() => withFormats(new classes[draft]({ strict: false, logger: false }), formats));
    this.#drafts = { "2020-12": make("2020-12"), "07": make("07") };
    for (const [name, definition] of Object.entries(formats)) {
      this.#checked.set(name, formatOf(definition));
    }
  }

  all(): SchemaTools {
    return {
      compile: (schema) => this.#compile(schema),
      compileParts: (schema) => this.#compileParts(schema),
      documentsOf: (schema) => this.#documentsOf(schema),
      compilePattern: (pattern) => {
        const budget = new CheckBudget();
        budget.refill();
        return this.#patterns(budget)(pattern);
      },
      formats: [...this.#checked.keys()],
    };
  }

  #compile(schema: unknown): Validator {
    const draft = draftOf(schema);
    assertWithinLimits(schema);
    const budget = new CheckBudget();
    const documents = compiling(() => this.#documentsOf(schema));
    this.#assertSchema(schema, draft);
    assertReferences(documents);
    const pattern = this.#patterns(budget);
    // Always created first: ajv must not even see what the evaluator rejects, such as a pattern
    // with look-around.
    const evaluator = compiling(() => this.#evaluator(documents, { budget, pattern }));
    const ajv = isAjvRight(documents)
      ? this.#tryAjv(schema, { draft, budget, pattern, allErrors: false })
      : undefined;
    const own: Validator = (payload) => {
      budget.refill();
      if (evaluator.fits(payload)) return [];
      budget.refill(LISTING_STEPS);
      return faultsOf(listing(() => evaluator.violations(payload)), payload);
    };
    if (!ajv) return own;
    const everyFault = lazily(() =>
      this.#tryAjv(schema, { draft, budget, pattern: this.#patterns(budget), allErrors: true })
    );
    return (payload) => {
      if (hasDecimals(payload)) return own(payload);
      budget.refill();
      try {
        if (ajv(payload)) return [];
        const first = ajv.errors ?? [];
        // Listing every fault is for people: it is compiled when a first payload fails, and its
        // cost is limited.
        const every = everyFault();
        budget.refill(LISTING_STEPS);
        return faultsOf(listing(() => every && (every(payload), every.errors), first), payload);
      } catch (error) {
        if (error instanceof EvsError) throw error;
        return own(payload); // a bug in ajv's code says nothing about the payload
      }
    };
  }

  #compileParts(schema: unknown): (pointer: string, value: unknown) => boolean {
    if (typeof schema === "boolean") return () => schema;
    const budget = new CheckBudget();
    const documents = this.#documentsOf(schema as Schema);
    const evaluator = compiling(() =>
      this.#evaluator(documents, { budget, pattern: this.#patterns(budget) })
    );
    return (pointer, value) => {
      const target = documents.at(pointer);
      if (!target) throw new InternalError(`the schema has no part at ${pointer}`);
      budget.refill();
      return evaluator.fits(value, target);
    };
  }

  #evaluator(
    documents: SchemaDocuments,
    about: { budget: CheckBudget; pattern: (text: string) => PatternEngine },
  ): Evaluator {
    return new Evaluator({
      documents,
      ...about,
      format: (name) => this.#checked.get(name),
    });
  }

  #documentsOf(schema: Schema | boolean): SchemaDocuments {
    return new SchemaDocuments(schema, (uri) => this.#metaSchema(uri));
  }

  /** Returns one of the drafts' meta-schemas. */
  #metaSchema(uri: string): Schema | undefined {
    for (const draft of ["2020-12", "07"] as const) {
      if (!uri.includes(`json-schema.org/draft${draft === "07" ? "-07" : "/2020-12"}/`)) continue;
      return this.#drafts[draft]().getSchema(uri)?.schema as Schema | undefined;
    }
    return undefined;
  }

  #assertSchema(schema: Schema | boolean, draft: "2020-12" | "07"): void {
    if (hasDecimals(schema)) {
      const faults = this.#metaValidators[draft]()(schema);
      if (faults.length > 0) throw notASchema(faults);
      return;
    }
    const meta = this.#drafts[draft]();
    if (compiling(() => meta.validateSchema(schema))) return;
    throw notASchema(faultsOf(meta.errors ?? [], schema));
  }

  /** Undefined if ajv rejects a schema that its own draft allows. */
  #tryAjv(
    schema: Schema | boolean,
    about: Omit<Parameters<typeof compileWithAjv>[2], "formats">,
  ): ValidateFunction | undefined {
    const { classes, formats } = this.#loaded;
    try {
      return compileWithAjv(classes, schema, { ...about, formats });
    } catch (error) {
      if (error instanceof EvsError) throw error;
      return undefined;
    }
  }

  /** Compiles the patterns of one schema, each once. */
  #patterns(budget: CheckBudget): (pattern: string) => PatternEngine {
    const { re2 } = this.#loaded;
    const size = { left: MAX_PATTERN_SIZE };
    const known = new Map<string, PatternEngine>();
    return (pattern) => {
      const engine = known.get(pattern) ?? compileSafePattern(pattern, { re2, size, budget });
      known.set(pattern, engine);
      return engine;
    };
  }
}

/** The full list, or what is already known if listing would cost too much. */
function listing<T>(list: () => T[] | null | undefined, known: T[] = []): T[] {
  try {
    return list() ?? known;
  } catch (error) {
    if (error instanceof EventRefusedError && known.length > 0) return known;
    throw error;
  }
}

function lazily<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => (made ??= { value: make() }).value;
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
