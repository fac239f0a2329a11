/**
 * The schema registry: a type has versions, each one schema. What is registered is compiled when it is first needed, and
 * kept byte for byte.
 */
import { ConflictError, EventRefusedError, InvalidSchemaError } from "../errors.ts";
import { parseJson } from "../json.ts";
import type { SchemaRecord } from "../state/state.ts";
import type { Fault } from "./faults.ts";
import { MAX_SCHEMA_BYTES } from "./limits.ts";
import { loadCompiler, type Validator } from "./validator.ts";
import { compareVersions, nextVersion } from "./version.ts";

/** What a broker asks before it stores an event. An application may write its own. */
export interface SchemaRegistry {
  registerSchema(type: string, schema: unknown, version: string): void;
  /** Compiles what is registered; rejects with `InvalidSchemaError` for what is not a schema. */
  ready(): Promise<void>;
  /** True when the type has a schema (of this version). */
  has(type: string, version?: string): boolean;
  /** The version that is meant and the payload's faults. No schema for the type: `version ?? "1.0"` and no faults. */
  validate(
    type: string,
    version: string | undefined,
    payload: unknown,
  ): { version: string; faults: Fault[] };
  /** Registers a schema given as JSON text, checked whole before it is taken; without a version, the next free one. */
  register(
    type: string,
    options: { version?: string | undefined; schema: string },
  ): Promise<{ created: boolean; version: string }>;
  /** Takes over what was kept. */
  load(records: readonly SchemaRecord[]): void;
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

/** What an event without a version and without a schema has. */
const UNCHECKED = "1.0";

/** A {@link SchemaRegistry} of JSON Schemas (drafts 2020-12 and 07). */
export class JsonSchemaRegistry implements SchemaRegistry {
  /** Type to version to schema. */
  readonly #types = new Map<string, Map<string, Entry>>();
  readonly #latest = new Map<string, string>();
  readonly #pending = new Set<Entry>();
  readonly #now: () => number;

  constructor(options: { now?: () => number } = {}) {
    this.#now = options.now ?? Date.now;
  }

  /**
   * Registers a schema at once and compiles it at the latest when a payload of its type is published. The same schema
   * again changes nothing; another one under the same version throws `ConflictError`.
   */
  registerSchema(type: string, schema: unknown, version: string): void {
    this.#add(type, version, JSON.stringify(schema));
  }

  /**
   * Registers a schema given as JSON text, checked whole before it is taken. Without a version it gets the next free
   * one. Throws `InvalidSchemaError` or `ConflictError`.
   */
  async register(
    type: string,
    options: { version?: string | undefined; schema: string },
  ): Promise<{ created: boolean; version: string }> {
    const { schema } = options;
    const validator = (await loadCompiler())(parseSchema(schema));
    const version = this.#versionFor(type, options);
    const entry = this.#add(type, version, schema);
    if (!entry) return { created: false, version };
    entry.validator = validator;
    this.#pending.delete(entry);
    return { created: true, version };
  }

  /** What {@link register} would do, and its errors; nothing is taken. */
  async preview(
    type: string,
    options: { version?: string | undefined; schema: string },
  ): Promise<{ created: boolean; version: string }> {
    (await loadCompiler())(parseSchema(options.schema));
    const version = this.#versionFor(type, options);
    return { created: !this.#isThere(type, { version, schema: options.schema }), version };
  }

  #versionFor(type: string, options: { version?: string | undefined; schema: string }): string {
    return options.version ?? this.#sameAs(type, options.schema) ??
      nextVersion(this.versions(type));
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
    this.#pending.add(entry);
    this.#findLatest(type);
  }

  /** Takes over what was kept; it was checked when it was registered. */
  load(records: readonly SchemaRecord[]): void {
    for (const record of records) this.#put({ record, validator: undefined });
  }

  async ready(): Promise<void> {
    if (this.#pending.size === 0) return;
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
    return { version: meant, faults: entry.validator(payload) };
  }
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
    return parseJson(text);
  } catch (error) {
    if (!(error instanceof EventRefusedError)) throw error;
    throw new InvalidSchemaError(`the schema is ${error.message}`, {
      code: error.code === "event/too-deep" ? "schema/refused" : "schema/invalid",
      cause: error,
      details: { ...error.details },
    });
  }
}
