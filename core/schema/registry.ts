/**
 * The schema registry: a type has versions, each one schema. What is registered is compiled when it
 * is first needed, and kept byte for byte.
 */
import { ConflictError, EventRefusedError, EvsError, InvalidSchemaError } from "../base/errors.ts";
import { mayRound, parseExact } from "../json/exact.ts";
import { asCause, thrownText } from "../base/thrown.ts";
import { parseJson } from "../json/json.ts";
import { schemaToJson } from "../json/to_json.ts";
import type { LevelRecord, SchemaRecord } from "../state/state.ts";
import type { Fault } from "./validator/faults.ts";
import { breaksAgainst, compareSchemas, type Comparison } from "./compatibility/compare.ts";
import type { CompatibilityLevel } from "../event/compatibility_level.ts";
import { MAX_SCHEMA_BYTES } from "./validator/limits.ts";
import { unknownFormats } from "./validator/unknown_formats.ts";
import { loadCompiler, loadSchemaTools, type Validator } from "./validator/validator.ts";
import { compareVersions, nextVersion } from "./version.ts";

/** What a broker asks before it stores an event. An application may write its own. */
export interface SchemaRegistry {
  /** Registers a version of a type. What is not a schema is found by `ready`. */
  registerSchema(type: string, schema: unknown, version: string): void;
  /** Compiles what is registered; rejects with `InvalidSchemaError` for what is not a schema. */
  ready(): Promise<void>;
  /** True when the type has a schema (of this version). */
  has(type: string, version?: string): boolean;
  /**
   * The version that is meant and the payload's faults. No schema for the type: `version ?? "1.0"`
   * and no faults. `text`: the payload as JSON text, where there is one; numbers that `JSON.parse`
   * rounds are there as they were written.
   */
  validate(
    type: string,
    version: string | undefined,
    payload: unknown,
    text?: string,
  ): { version: string; faults: Fault[] };
  /**
   * Registers a schema given as JSON text, checked whole before it is taken; without a version, the
   * next free one.
   */
  register(
    type: string,
    options: { version?: string | undefined; schema: string },
  ): Promise<{ created: boolean; version: string }>;
  /** Takes over what was kept. */
  load(records: readonly SchemaRecord[], levels?: readonly LevelRecord[]): void;
  /** Every schema, by type, oldest version first. */
  list(): SchemaRecord[];
  /** The highest version of a type. */
  latest(type: string): string | undefined;
  /** A schema; the highest version where none is named. */
  get(type: string, version?: string): SchemaRecord | undefined;
  /** Removes one version; false when it is not there. */
  remove(type: string, version: string): boolean;
}

interface Entry {
  record: SchemaRecord;
  validator: Validator | undefined;
}

/** A schema that somebody wants to register. */
export interface SchemaRequest {
  /** The event type. */
  type: string;
  /** The next free one where it is left out; that of the same schema where there is one. */
  version?: string | undefined;
  /** JSON text. */
  schema: string;
  /** From now on asked of every new version of the type; left out: as it was, `none` at first. */
  compatibility?: CompatibilityLevel | undefined;
}

/** What a request comes to. */
export interface SchemaPlan {
  /** The schema as it is or would be kept. */
  record: SchemaRecord;
  /** False when the very same was there. */
  created: boolean;
  /** What is asked of the type's versions. */
  compatibility: CompatibilityLevel;
  /** How it compares with the version before it, where there is one. */
  against?: { version: string } & Comparison;
  /** What in it has no effect, by JSON pointer: formats that are not known. */
  warnings?: Fault[];
  /**
   * Of one that is new.
   * @internal
   */
  validator?: Validator;
}

/** What an event without a version and without a schema has. */
const UNCHECKED = "1.0";

/** A {@link SchemaRegistry} of JSON Schemas (drafts 2020-12 and 07). */
export class JsonSchemaRegistry implements SchemaRegistry {
  /** Type to version to schema. */
  readonly #types = new Map<string, Map<string, Entry>>();
  readonly #latest = new Map<string, string>();
  readonly #levels = new Map<string, CompatibilityLevel>();
  readonly #pending = new Set<Entry>();
  readonly #now: () => number;

  /** Makes an empty registry. `now`: Unix ms, for `registeredAt`. */
  constructor(options: { now?: () => number } = {}) {
    this.#now = options.now ?? Date.now;
  }

  /**
   * Registers a schema at once and compiles it at the latest when a payload of its type is
   * published. The same schema again changes nothing; another one under the same version throws
   * `ConflictError`.
   */
  registerSchema(type: string, schema: unknown, version: string): void {
    this.#add(type, version, schemaToJson(schema));
  }

  /**
   * Registers a schema given as JSON text, checked whole before it is taken. Without a version it
   * gets the next free one. Throws `InvalidSchemaError` or `ConflictError`.
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
   * What registering these, one after the other, comes to, and its first error (`details.type` says
   * whose); nothing is taken. A later one may build on an earlier one.
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
    // What is there was checked when it came, and compiling costs others 10 ms.
    const isKnown = this.get(type, version)?.schema === schema;
    const { compile, formats } = await loadSchemaTools();
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
      ...(validator === undefined ? {} : { validator }),
      ...(against === undefined ? {} : { against }),
      ...(warnings.length === 0 ? {} : { warnings }),
    };
  }

  /**
   * Events of every version lie in a topic side by side: what comes between two has to fit both.
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

  /** Takes what was planned. */
  take(plans: readonly SchemaPlan[]): void {
    for (const { record, created, compatibility, validator } of plans) {
      if (created) this.#put({ record, validator });
      this.setLevel(record.type, compatibility);
    }
  }

  /** What is asked of new versions of a type. */
  level(type: string): CompatibilityLevel {
    return this.#levels.get(type) ?? "none";
  }

  /** The types of which something is asked. */
  levels(): LevelRecord[] {
    return [...this.#levels].map(([type, level]) => ({ type, level }));
  }

  /** Asks it of every new version of the type. */
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

  /** Undefined when the very same is there. */
  #add(type: string, version: string, schema: string): Entry | undefined {
    if (this.#isThere(type, { version, schema })) return undefined;
    const entry: Entry = {
      record: { type, version, schema, registeredAt: this.#now() },
      validator: undefined,
    };
    this.#put(entry);
    return entry;
  }

  /** True when the very same is there; another one under this version throws `ConflictError`. */
  #isThere(type: string, { version, schema }: { version: string; schema: string }): boolean {
    const versions = this.#types.get(type) ?? new Map<string, Entry>();
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

  #put(entry: Entry): void {
    const { type, version } = entry.record;
    const versions = this.#types.get(type) ?? new Map<string, Entry>();
    versions.set(version, entry);
    this.#types.set(type, versions);
    if (!entry.validator) this.#pending.add(entry);
    this.#findLatest(type);
  }

  /** Takes over what was kept; it was checked when it was registered. */
  load(records: readonly SchemaRecord[], levels: readonly LevelRecord[] = []): void {
    for (const record of records) this.#put({ record, validator: undefined });
    for (const { type, level } of levels) this.setLevel(type, level);
  }

  /** True when all that is registered is compiled. */
  get isReady(): boolean {
    return this.#pending.size === 0;
  }

  async ready(): Promise<void> {
    if (this.isReady) return;
    const compile = await loadCompiler();
    for (const entry of this.#pending) {
      entry.validator = compile(parseSchema(entry.record.schema));
      this.#pending.delete(entry);
    }
  }

  /** Every schema, by type, oldest version first. */
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

  /** A schema; the highest version where none is named. */
  get(type: string, version?: string): SchemaRecord | undefined {
    return this.#types.get(type)?.get(version ?? this.latest(type) ?? "")?.record;
  }

  has(type: string, version?: string): boolean {
    const versions = this.#types.get(type);
    return versions !== undefined && (version === undefined || versions.has(version));
  }

  /** Removes one version; false when it is not there. */
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
 * A validator that throws says nothing of the payload: one event is refused, and the bug is named
 * as ours.
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
  return await compareSchemas(parseSchema(older.schema), parseSchema(newer.schema));
}

/** How many breaks a message names; `details` has them all. */
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
      `the schema has ${bytes} bytes, and ${MAX_SCHEMA_BYTES} is the most`,
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
