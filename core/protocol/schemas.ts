/** The wire types of schemas; see protocol.ts. */
import type { ErrorBody } from "../base/errors.ts";
import type { CompatibilityLevel } from "../event/compatibility_level.ts";

/**
 * `GET /v1/schemas`: `{schemas: SchemaInfo[]}`. `GET /v1/schemas/{type}?version=`: a single one,
 * with its `schema`.
 */
export interface SchemaInfo {
  type: string;
  version: string;
  registeredAt: number;
  /** True for the highest version, which events without a version refer to. */
  latest: boolean;
  bytes: number;
  schema?: unknown;
  /** On `PUT`: false if the same schema was already registered. */
  created?: boolean;
  /** On `PUT` with `?dryRun=1`: nothing was registered; `created` says what would have happened. */
  dryRun?: boolean;
  /** The compatibility required of new versions of the type; not on `GET` of a single one. */
  compatibility?: CompatibilityLevel;
  /** On registering: how it compares with the previous version, if there is one. */
  against?: SchemaComparison & { version: string };
  /** On registering: parts without effect, by JSON pointer, such as unknown formats. */
  warnings?: { pointer: string; message: string }[];
}

/** Where one version may reject payloads of another. */
export interface SchemaComparison {
  /** Where the new schema may reject old payloads, by JSON pointer into the new one. */
  backward: { pointer: string; message: string }[];
  /** Where the old schema may reject new payloads, by JSON pointer into the old one. */
  forward: { pointer: string; message: string }[];
}

/**
 * `POST /v1/schemas`: registers all of them or none, in order. Returns `{schemas: SchemaInfo[],
 * dryRun?}`.
 */
export interface SchemasRequest {
  schemas: {
    type: string;
    version?: string;
    /** JSON text, kept byte for byte. */
    schema: string;
    compatibility?: CompatibilityLevel;
  }[];
  dryRun?: boolean;
}

/**
 * `GET /v1/schemas/{type}/diff?from=&to=`. `POST` with a schema as the body compares it with
 * `from`.
 */
export interface SchemaDiff extends SchemaComparison {
  type: string;
  from: string;
  /** Absent on `POST`. */
  to?: string;
  changes: {
    pointer: string;
    change: "added" | "removed" | "changed";
    old?: unknown;
    new?: unknown;
  }[];
}

/** `POST /v1/schemas/{type}/check?version=`: takes NDJSON payloads, returns NDJSON verdicts. */
export interface SchemaVerdict {
  line: number;
  valid: boolean;
  version: string;
  /** Each fault, by JSON pointer. */
  faults?: { pointer: string; message: string }[];
  error?: ErrorBody;
}
