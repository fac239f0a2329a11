/** The wire types of schemas; see protocol.ts. */
import type { ErrorBody } from "../base/errors.ts";
import type { CompatibilityLevel } from "../event/compatibility_level.ts";

/**
 * `GET /v1/schemas`: `{schemas: SchemaInfo[]}`; `GET /v1/schemas/{type}?version=` one, with its
 * `schema`.
 */
export interface SchemaInfo {
  type: string;
  version: string;
  registeredAt: number;
  /** The highest version: what an event without a version means. */
  latest: boolean;
  bytes: number;
  schema?: unknown;
  /** On `PUT`: false when the same schema was there already. */
  created?: boolean;
  /** On `PUT` with `?dryRun=1`: nothing was registered; `created` says what would have been. */
  dryRun?: boolean;
  /** What is asked of new versions of the type; not on `GET` of one. */
  compatibility?: CompatibilityLevel;
  /** On registering: how it compares with the version before it, where there is one. */
  against?: SchemaComparison & { version: string };
  /** On registering: what in it has no effect, by JSON pointer: formats that are not known. */
  warnings?: { pointer: string; message: string }[];
}

/** Where one version may refuse payloads of another. */
export interface SchemaComparison {
  /** Where the new schema may refuse old payloads, by JSON pointer into the new one. */
  backward: { pointer: string; message: string }[];
  /** Where the old schema may refuse new payloads, by JSON pointer into the old one. */
  forward: { pointer: string; message: string }[];
}

/**
 * `POST /v1/schemas`: all of them or none, in their order. Answers `{schemas: SchemaInfo[],
 * dryRun?}`.
 */
export interface SchemasRequest {
  schemas: {
    type: string;
    version?: string;
    /** JSON text: it is kept byte for byte. */
    schema: string;
    compatibility?: CompatibilityLevel;
  }[];
  dryRun?: boolean;
}

/**
 * `GET /v1/schemas/{type}/diff?from=&to=`; `POST` with a schema as the body compares it with
 * `from`.
 */
export interface SchemaDiff extends SchemaComparison {
  type: string;
  from: string;
  /** Not there on `POST`. */
  to?: string;
  changes: {
    pointer: string;
    change: "added" | "removed" | "changed";
    old?: unknown;
    new?: unknown;
  }[];
}

/** `POST /v1/schemas/{type}/check?version=`: NDJSON payloads in, NDJSON verdicts out. */
export interface SchemaVerdict {
  line: number;
  valid: boolean;
  version: string;
  /** Each fault by JSON pointer. */
  faults?: { pointer: string; message: string }[];
  error?: ErrorBody;
}
