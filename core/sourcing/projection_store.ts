/**
 * Where projections are stored: state and checkpoint in a single record, so that no event counts
 * twice and none is left out.
 */
import { readJsonFile, writeJsonFile } from "./json_file.ts";
import { InvalidArgumentError } from "../base/errors.ts";

/** A stored projection. */
export interface ProjectionRecord {
  /** The projection's name. */
  name: string;
  /** The projection's version; a record of another version is not used. */
  version: string;
  /** The last seq in the state, by topic. */
  checkpoint: Record<string, number>;
  /** The id of that event, by topic; the store must have the same event there. */
  eventIds: Record<string, string>;
  /** JSON. */
  state: unknown;
}

/** Stores the latest record of each projection. */
export interface ProjectionStore {
  /** The latest record; undefined if there is none. */
  load(name: string): Promise<ProjectionRecord | undefined>;
  /** Saves state and checkpoint together, or neither. */
  save(record: ProjectionRecord): Promise<void>;
}

/**
 * Projections kept in memory, for the life of the process.
 *
 * ```ts
 * const store = new MemoryProjectionStore();
 * const record = await store.load("totals");
 * ```
 */
export class MemoryProjectionStore implements ProjectionStore {
  readonly #records = new Map<string, string>();

  /** The latest record; undefined if there is none. */
  load(name: string): Promise<ProjectionRecord | undefined> {
    const text = this.#records.get(name);
    return Promise.resolve(text === undefined ? undefined : JSON.parse(text));
  }

  // deno-lint-ignore require-await -- async turns what it throws into a rejection
  async save(record: ProjectionRecord): Promise<void> {
    this.#records.set(record.name, JSON.stringify(record));
  }
}

/**
 * Projections in a folder, one file each, replaced by rename. Not synced: after a power cut, some
 * events are read again.
 *
 * ```ts
 * const store = new FileProjectionStore("./projections");
 * const record = await store.load("totals");
 * ```
 */
export class FileProjectionStore implements ProjectionStore {
  readonly #dir: string;

  /** Keeps projections in `dir`. */
  constructor(dir: string) {
    this.#dir = dir;
  }

  /** The latest record; undefined if there is none. */
  async load(name: string): Promise<ProjectionRecord | undefined> {
    return await readJsonFile(this.#path(name));
  }

  async save(record: ProjectionRecord): Promise<void> {
    const path = this.#path(record.name);
    await Deno.mkdir(this.#dir, { recursive: true, mode: 0o700 });
    await writeJsonFile(path, record);
  }

  #path(name: string): string {
    return `${this.#dir}/${assertProjectionName(name)}.json`;
  }
}

/** Returns the name if it can be a file name; throws `InvalidArgumentError` otherwise. */
export function assertProjectionName(name: string): string {
  if (/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}$/.test(name)) return name;
  throw new InvalidArgumentError(`${JSON.stringify(name)} is not a valid projection name`, {
    code: "projection/invalid-name",
    hint: "a name is 1 to 128 of A-Z a-z 0-9 . _ - and does not begin with a dot",
    details: { name },
  });
}
