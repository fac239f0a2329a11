/** Where projections are kept: state and checkpoint as one thing, so that no event counts twice and none is left out. */
import { InvalidArgumentError } from "../base/errors.ts";

/** A projection as it is kept. */
export interface ProjectionRecord {
  /** The projection's name. */
  name: string;
  /** The projection's own version: a record of another is not used. */
  version: string;
  /** Per topic, the last seq that is in the state. */
  checkpoint: Record<string, number>;
  /** Per topic, the id of that event: what the store has there must be the very same. */
  eventIds: Record<string, string>;
  /** JSON. */
  state: unknown;
}

/** Keeps the latest record of each projection. */
export interface ProjectionStore {
  /** The latest record; undefined where there is none. */
  load(name: string): Promise<ProjectionRecord | undefined>;
  /** State and checkpoint together, or neither. */
  save(record: ProjectionRecord): Promise<void>;
}

/** Projections that last as long as the process. */
export class MemoryProjectionStore implements ProjectionStore {
  readonly #records = new Map<string, string>();

  /** The latest record; undefined where there is none. */
  load(name: string): Promise<ProjectionRecord | undefined> {
    const text = this.#records.get(name);
    return Promise.resolve(text === undefined ? undefined : JSON.parse(text));
  }

  // deno-lint-ignore require-await -- async turns what it throws into a rejection
  async save(record: ProjectionRecord): Promise<void> {
    this.#records.set(record.name, JSON.stringify(record));
  }
}

/** Projections in a folder, a file each, replaced by renaming. Not synced: after a power cut some events are read again. */
export class FileProjectionStore implements ProjectionStore {
  readonly #dir: string;

  /** Projections in `dir`. */
  constructor(dir: string) {
    this.#dir = dir;
  }

  /** The latest record; undefined where there is none. */
  async load(name: string): Promise<ProjectionRecord | undefined> {
    try {
      return JSON.parse(await Deno.readTextFile(this.#path(name)));
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw error;
    }
  }

  async save(record: ProjectionRecord): Promise<void> {
    const path = this.#path(record.name);
    const fresh = `${path}.${crypto.randomUUID()}`;
    await Deno.mkdir(this.#dir, { recursive: true, mode: 0o700 });
    try {
      await Deno.writeTextFile(fresh, JSON.stringify(record), { mode: 0o600 });
      await Deno.rename(fresh, path);
    } catch (error) {
      await Deno.remove(fresh).catch(() => {}); // it may not even be there; the cause is told below
      throw error;
    }
  }

  #path(name: string): string {
    return `${this.#dir}/${assertProjectionName(name)}.json`;
  }
}

/** A projection's name, fit for a file; `InvalidArgumentError` where it is not. */
export function assertProjectionName(name: string): string {
  if (/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}$/.test(name)) return name;
  throw new InvalidArgumentError(`the projection's name ${JSON.stringify(name)} is not one`, {
    code: "projection/invalid-name",
    hint: "a name is 1 to 128 of A-Z a-z 0-9 . _ - and does not begin with a dot",
    details: { name },
  });
}
