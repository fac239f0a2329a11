/**
 * The schema registry: each type has versions, and each version one schema. A schema is stored byte
 * for byte and compiled when it is first needed.
 */
import { assertName } from "../event/name.ts";
import { assertObject } from "../base/options.ts";
import { ConflictError, EventRefusedError, EvsError, InvalidSchemaError } from "../base/errors.ts";
import { mayRound, parseExact } from "../json/exact.ts";
import { asCause, thrownText } from "../base/thrown.ts";
import { parseJson } from "../json/json.ts";
import { schemaToJson } from "../json/to_json.ts";
import type { LevelRecord, SchemaRecord } from "../state/state.ts";
import type { Fault } from "./validator/faults.ts";
import { breaksAgainst } from "./compatibility/breaks.ts";
import type { Comparison } from "./compatibility/compare.ts";
import type { CompatibilityLevel } from "../event/compatibility_level.ts";
import { MAX_SCHEMA_BYTES } from "./validator/limits.ts";
import { unknownFormats } from "./validator/unknown_formats.ts";
import type { Validator } from "./validator/validator.ts";
import { compareVersionsOf, schemaTools } from "./schema_tools.ts";
import { compareVersions, nextVersion } from "./version.ts";

/** What a broker uses to check an event before storing it. Applications may supply their own. */
export interface SchemaRegistry {
  /** Registers a version of a type. An invalid schema is reported by `ready`. */
  registerSchema(type: string, schema: unknown, version: string): void;
  /** Compiles everything registered. Rejects with `InvalidSchemaError` for an invalid schema. */
  ready(): Promise<void>;
  /** True if the type has a schema (of this version). */
  has(type: string, version?: string): boolean;
  /**
   * The version that applies, and the payload's faults. Without a schema for the type: `version ??
   * "1.0"` and no faults. `text`: the payload as JSON text, if available; it preserves numbers that
   * `JSON.parse` would round.
   */
  validate(
    type: string,
    version: string | undefined,
    payload: unknown,
    text?: string,
  ): { version: string; faults: Fault[] };
  /**
   * Registers a schema given as JSON text, after checking all of it. Without a version it gets the
   * next free one.
   */
  register(
    type: string,
    options: { version?: string | undefined; schema: string },
  ): Promise<{ created: boolean; version: string }>;
  /** Loads stored records. */
  load(records: readonly SchemaRecord[], levels?: readonly LevelRecord[]): void;
  /** All schemas, by type, oldest version first. */
  list(): SchemaRecord[];
  /** The highest version of a type. */
  latest(type: string): string | undefined;
  /** A schema; the highest version if none is given. */
  get(type: string, version?: string): SchemaRecord | undefined;
  /** Removes one version; false if it does not exist. */
  remove(type: string, version: string): boolean;
}

/** A schema, and what checks payloads by it. */
export interface CompiledSchema {
  record: SchemaRecord;
  /** Absent: it is not compiled yet, or cannot be. */
  validator: Validator | undefined;
}

/** A request to register a schema. */
export interface SchemaRequest {
  /** The event type. */
  type: string;
  /** Default: the version of an identical schema if there is one, else the next free one. */
  version?: string | undefined;
  /** JSON text. */
  schema: string;
  /** Required of every later version of the type. Default: unchanged, initially `none`. */
  compatibility?: CompatibilityLevel | undefined;
}

/** The outcome of a request. */
export interface SchemaPlan {
  /** The schema as it is stored, or would be. */
  record: SchemaRecord;
  /** False if the identical schema was already registered. */
  created: boolean;
  /** The compatibility required between the type's versions. */
  compatibility: CompatibilityLevel;
  /** How it compares with the previous version, if there is one. */
  against?: { version: string } & Comparison;
  /** Parts of it that have no effect, by JSON pointer: unknown formats. */
  warnings?: Fault[];
  /**
   * The compiled schema, if it is new.
   *
   * @internal
   */
  validator?: Validator;
}

/** The version of an event that has neither a version nor a schema. */
const UNCHECKED = "1.0";

/**
 * A {@link SchemaRegistry} of JSON Schemas (drafts 2020-12 and 07).
 *
 * ```ts
 * import { EventBroker } from "@env/env-event-stream";
 *
 * const schemaRegistry = new JsonSchemaRegistry();
 * await using broker = new EventBroker({ schemaRegistry });
 * await broker.registerSchema("user.created", { required: ["username"] });
 * ```
 */
export class JsonSchemaRegistry implements SchemaRegistry {
  /** Type to version to schema. */
  readonly #types = new Map<string, Map<string, CompiledSchema>>();
  readonly #latest = new Map<string, string>();
  readonly #levels = new Map<string, CompatibilityLevel>();
  readonly #pending = new Set<CompiledSchema>();
  readonly #now: () => number;

  /** Creates an empty registry. `now`: Unix ms, for `registeredAt`. */
  constructor(options: { now?: () => number } = {}) {
    const { now = Date.now } = assertObject(options, "the options of JsonSchemaRegistry");
    this.#now = now;
  }

  /**
   * Registers a schema immediately. It is compiled at the latest when a payload of its type is
   * published. Registering the same schema again changes nothing; a different one under the same
   * version throws `ConflictError`.
   */
  registerSchema(type: string, schema: unknown, version: string): void {
    assertName(type, "the type");
    assertName(version, "the version");
    this.#add(type, version, schemaToJson(schema));
  }

  /**
   * Registers a schema given as JSON text, after checking all of it. Without a version it gets the
   * next free one. Throws `InvalidSchemaError` or `ConflictError`.
   */
  async register(
    type: string,
    options: Omit<SchemaRequest, "type">,
  ): Promise<{ created: boolean; version: string }> {
    const [plan] = await this.plan([{ type, ...options }]);
    const { created, record } = plan!;
    this.take([plan!]);
    return { created, version: record.version };
  }

  /**
   * Works out what registering these in order would do, without registering anything. Throws the
   * first error (`details.type` names the type). A later request may build on an earlier one.
   */
  async plan(requests: readonly SchemaRequest[]): Promise<SchemaPlan[]> {
    const draft = new JsonSchemaRegistry({ now: this.#now });
    const types = new Set(requests.map(({ type }) => type));
    draft.load(this.list().filter(({ type }) => types.has(type)), this.levels());
    const plans: SchemaPlan[] = [];
    for (const request of requests) {
      try {
        plans.push(await draft.#plan(request));
      } catch (error) {
        if (error instanceof EvsError) {
          Object.assign(error, { details: { ...error.details, type: request.type } });
        }
        throw error;
      }
    }
    return plans;
  }

  async #plan(request: SchemaRequest): Promise<SchemaPlan> {
    const { type, schema } = request;
    const version = request.version ?? this.#sameAs(type, schema) ??
      nextVersion(this.versions(type));
    // An existing schema was checked when it was registered, and compiling blocks others for 10 ms.
    const isKnown = this.get(type, version)?.schema === schema;
    const { compile, formats } = await schemaTools();
    const parsed = parseSchema(schema);
    const validator = isKnown ? undefined : compile(parsed);
    const warnings = unknownFormats(parsed, formats);
    const compatibility = request.compatibility ?? this.level(type);
    this.setLevel(type, compatibility);
    const entry = this.#add(type, version, schema);
    const { record } = entry ?? this.#types.get(type)!.get(version)!;
    const against = await this.#compareWithNeighbours(record, {
      level: entry === undefined ? "none" : compatibility,
    });
    return {
      record,
      created: entry !== undefined,
      compatibility,
      validator,
      against,
      warnings: warnings.length === 0 ? undefined : warnings,
    };
  }

  /**
   * A topic holds events of every version side by side, so a version between two others has to be
   * compatible with both.
   */
  async #compareWithNeighbours(
    record: SchemaRecord,
    { level }: { level: CompatibilityLevel },
  ): Promise<SchemaPlan["against"]> {
    const versions = this.versions(record.type);
    const at = versions.indexOf(record.version);
    const before = this.get(record.type, versions[at - 1] ?? "");
    const after = this.get(record.type, versions[at + 1] ?? "");
    const against = before && { version: before.version, ...await compare(before, record) };
    if (before && against) assertCompatible(level, [before, record], against);
    if (after && level !== "none") {
      assertCompatible(level, [record, after], await compare(record, after));
    }
    return against;
  }

  /** Registers what was planned. */
  take(plans: readonly SchemaPlan[]): void {
    for (const { record, created, compatibility, validator } of plans) {
      if (created) this.#put({ record, validator });
      this.setLevel(record.type, compatibility);
    }
  }

  /** The compatibility required of new versions of a type. */
  level(type: string): CompatibilityLevel {
    return this.#levels.get(type) ?? "none";
  }

  /** The types that require compatibility. */
  levels(): LevelRecord[] {
    return [...this.#levels].map(([type, level]) => ({ type, level }));
  }

  /** Requires this compatibility of every new version of the type. */
  setLevel(type: string, level: CompatibilityLevel): void {
    if (level === "none") this.#levels.delete(type);
    else this.#levels.set(type, level);
  }

  #sameAs(type: string, schema: string): string | undefined {
    const versions = [...this.#types.get(type) ?? []].filter(([, { record }]) =>
      record.schema === schema
    );
    return versions.map(([version]) => version).sort(compareVersions).at(-1);
  }

  /** Undefined if the identical schema is already registered. */
  #add(type: string, version: string, schema: string): CompiledSchema | undefined {
    if (this.#isThere(type, { version, schema })) return undefined;
    const entry: CompiledSchema = {
      record: { type, version, schema, registeredAt: this.#now() },
      validator: undefined,
    };
    this.#put(entry);
    return entry;
  }

  /**
   * True if the identical schema exists. A different one under this version throws `ConflictError`.
   */
  #isThere(type: string, { version, schema }: { version: string; schema: string }): boolean {
    const versions = this.#types.get(type) ?? new Map<string, CompiledSchema>();
    const there = versions.get(version);
    if (there === undefined) return false;
    if (there.record.schema === schema) return true;
    const free = nextVersion([...versions.keys()]);
    throw new ConflictError(`${type} has another schema under version ${version} already`, {
      code: "schema/version-taken",
      details: { type, version, free },
      hint: `a version never changes: register this one as ${free}`,
    });
  }

  #put(entry: CompiledSchema): void {
    const { type, version } = entry.record;
    const versions = this.#types.get(type) ?? new Map<string, CompiledSchema>();
    versions.set(version, entry);
    this.#types.set(type, versions);
    if (!entry.validator) this.#pending.add(entry);
    this.#findLatest(type);
  }

  /** Loads stored records; they were checked when they were registered. */
  load(records: readonly SchemaRecord[], levels: readonly LevelRecord[] = []): void {
    for (const record of records) this.#put({ record, validator: undefined });
    for (const { type, level } of levels) this.setLevel(type, level);
  }

  /**
   * Compiles records that others have stored, without registering them.
   * @internal
   */
  async compile(records: readonly SchemaRecord[]): Promise<CompiledSchema[]> {
    if (records.length === 0) return [];
    const { compile } = await schemaTools();
    return records.map((record) => {
      try {
        return { record, validator: compile(parseSchema(record.schema)) };
      } catch {
        return { record, validator: undefined }; // `ready` will say why
      }
    });
  }

  /**
   * Registers what was compiled.
   * @internal
   */
  learn(compiled: readonly CompiledSchema[]): void {
    for (const entry of compiled) this.#put(entry);
  }

  /** True if everything registered has been compiled. */
  get isReady(): boolean {
    return this.#pending.size === 0;
  }

  async ready(): Promise<void> {
    if (this.isReady) return;
    const { compile } = await schemaTools();
    for (const entry of this.#pending) {
      entry.validator = compile(parseSchema(entry.record.schema));
      this.#pending.delete(entry);
    }
  }

  /** All schemas, by type, oldest version first. */
  list(): SchemaRecord[] {
    return [...this.#types.values()]
      .flatMap((versions) => [...versions.values()].map(({ record }) => record))
      .sort((a, b) =>
        a.type < b.type ? -1 : a.type > b.type ? 1 : compareVersions(a.version, b.version)
      );
  }

  /** The versions of a type, lowest first. */
  versions(type: string): string[] {
    return [...this.#types.get(type)?.keys() ?? []].sort(compareVersions);
  }

  /** The highest version of a type. */
  latest(type: string): string | undefined {
    return this.#latest.get(type);
  }

  /** A schema; the highest version if none is given. */
  get(type: string, version?: string): SchemaRecord | undefined {
    return this.#types.get(type)?.get(version ?? this.latest(type) ?? "")?.record;
  }

  has(type: string, version?: string): boolean {
    const versions = this.#types.get(type);
    return versions !== undefined && (version === undefined || versions.has(version));
  }

  /** Removes one version; false if it does not exist. */
  remove(type: string, version: string): boolean {
    const versions = this.#types.get(type);
    const entry = versions?.get(version);
    if (!versions || !entry) return false;
    versions.delete(version);
    this.#pending.delete(entry);
    if (versions.size === 0) this.#types.delete(type);
    this.#findLatest(type);
    return true;
  }

  #findLatest(type: string): void {
    const latest = this.versions(type).at(-1);
    if (latest === undefined) this.#latest.delete(type);
    else this.#latest.set(type, latest);
  }

  validate(
    type: string,
    version: string | undefined,
    payload: unknown,
    text?: string,
  ): { version: string; faults: Fault[] } {
    const versions = this.#types.get(type);
    if (!versions) return { version: version ?? UNCHECKED, faults: [] };
    const meant = version ?? this.#latest.get(type)!;
    const entry = versions.get(meant);
    if (!entry) {
      const known = this.versions(type);
      throw new EventRefusedError(
        "event/schema-unknown-version",
        `${type} has no schema version ${meant}`,
        {
          details: { type, version: meant, versions: known },
          hint: `it has ${known.join(", ")}`,
        },
      );
    }
    if (!entry.validator) {
      throw new InvalidSchemaError(`the schema of ${type} ${meant} is not compiled yet`, {
        hint: "await registry.ready() first",
      });
    }
    const exact = text !== undefined && mayRound(text) ? parseExact(text) : payload;
    try {
      return { version: meant, faults: entry.validator(exact) };
    } catch (cause) {
      if (cause instanceof EvsError) throw cause;
      throw validatorFailed(`${type} ${meant}`, cause);
    }
  }
}

/**
 * A validator that throws says nothing about the payload. One event is rejected, and the error says
 * that the bug is ours.
 */
function validatorFailed(schema: string, cause: unknown): EventRefusedError {
  return new EventRefusedError(
    "event/validator-failed",
    `the schema of ${schema} could not be checked: its validator failed (${thrownText(cause)})`,
    {
      cause: asCause(cause),
      hint: "this is a bug of env-event-stream: please report it, with the schema and the payload",
    },
  );
}

async function compare(older: SchemaRecord, newer: SchemaRecord): Promise<Comparison> {
  return await compareVersionsOf(parseSchema(older.schema), parseSchema(newer.schema));
}

/** How many breaks a message lists; `details` has them all. */
const NAMED = 3;

function assertCompatible(
  level: CompatibilityLevel,
  [older, newer]: readonly [SchemaRecord, SchemaRecord],
  comparison: Comparison,
): void {
  const breaks = breaksAgainst(level, comparison);
  if (breaks.length === 0) return;
  const { type } = newer;
  const named = breaks.slice(0, NAMED).map(({ pointer, message }) => `${pointer} ${message}`);
  const more = breaks.length > NAMED ? `; and ${breaks.length - NAMED} more` : "";
  throw new ConflictError(
    `${type} ${newer.version} is not ${level} compatible with ${older.version}: ` +
      `${named.join("; ")}${more}`,
    {
      code: "schema/incompatible",
      details: { type, versions: [older.version, newer.version], level, breaks },
      hint: "make it compatible, or register it as it is with --compat none",
    },
  );
}

function parseSchema(text: string): unknown {
  const bytes = new TextEncoder().encode(text).length;
  if (bytes > MAX_SCHEMA_BYTES) {
    throw new InvalidSchemaError(
      `the schema has ${bytes} bytes; the limit is ${MAX_SCHEMA_BYTES}`,
      {
        code: "schema/too-large",
        details: { limit: MAX_SCHEMA_BYTES },
      },
    );
  }
  try {
    parseJson(text);
    return parseExact(text);
  } catch (error) {
    if (!(error instanceof EventRefusedError)) throw error;
    throw new InvalidSchemaError(`the schema is ${error.message}`, {
      code: error.code === "event/too-deep" ? "schema/refused" : "schema/invalid",
      cause: error,
      details: { ...error.details },
    });
  }
}
