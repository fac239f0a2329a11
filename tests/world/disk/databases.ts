/**
 * SQLite's files are real: it does its own reading and writing. They lie at the same path in a real
 * folder, and the simulated disk shows them. A crash replaces them by a copy: what a dead process
 * still has open is the old files, which have no name any more, so nothing that it holds can change
 * the new ones (SQLite sees that its file has moved, and neither checkpoints nor removes a log).
 *
 * What a power cut may take: bytes of the log behind those of the last transaction that was synced.
 * Whether SQLite itself syncs is not simulated: see tests/system.
 */
import { DatabaseSync } from "node:sqlite";
import { real } from "../engine/real.ts";
import type { Random } from "../types.ts";

const NAME = /\.db(-wal|-shm|-journal)?$/;
const WAL_HEADER = 32;

/** True for a path at which SQLite reads and writes. */
export function isDatabase(path: string): boolean {
  return NAME.test(path);
}

/** The real files of one machine. */
export class DatabaseFiles {
  /** The real folder that holds all of them; paths outside have none. */
  readonly root: string;
  readonly #wallClock: () => number;
  /** Of each log: how far it was synced, and which log that was (its salt). */
  readonly #synced = new Map<string, { salt: string; size: number }>();
  /** When each was last seen to change, by the machine's clock. */
  readonly #changed = new Map<string, { seen: string; at: number }>();

  constructor(root: string, wallClock: () => number) {
    this.root = root;
    this.#wallClock = wallClock;
    real.Deno.mkdirSync(root, { recursive: true });
  }

  madeFolder(path: string): void {
    if (this.#holds(path)) real.Deno.mkdirSync(path, { recursive: true });
  }

  renamed(from: string, to: string): void {
    if (this.#holds(from) && this.#holds(to)) ifThere(() => real.Deno.renameSync(from, to));
  }

  removedFolder(path: string): void {
    if (this.#holds(path)) ifThere(() => real.Deno.removeSync(path, { recursive: true }));
  }

  remove(path: string): void {
    real.Deno.removeSync(path);
  }

  /** Names of databases and logs in a folder. */
  list(path: string): string[] {
    if (!this.#holds(path)) return [];
    const entries = ifThere(() => [...real.Deno.readDirSync(path)]) ?? [];
    return entries.filter(({ name, isFile }) => isFile && NAME.test(name)).map(({ name }) => name);
  }

  stat(path: string): Deno.FileInfo {
    const info = real.Deno.lstatSync(path);
    const seen = `${info.size} ${info.mtime?.getTime()}`;
    let changed = this.#changed.get(path);
    if (changed?.seen !== seen) {
      this.#changed.set(path, changed = { seen, at: this.#wallClock() });
    }
    return { ...info, mtime: new Date(changed.at) };
  }

  /** Everything in the log of the database is durable. */
  synced(database: string): void {
    this.written(`${database}-wal`)();
  }

  /** Returns what makes durable what is in a log now. */
  written(log: string): () => void {
    const mark = { salt: saltOf(log), size: ifThere(() => real.Deno.statSync(log).size) ?? 0 };
    return () => {
      const before = this.#synced.get(log);
      if (before?.salt === mark.salt && before.size > mark.size) return;
      this.#synced.set(log, mark);
    };
  }

  /** A process has died: replaces the files by copies, so that it reaches them no more. */
  detach(databases: Iterable<string>): void {
    for (const database of databases) {
      for (const path of [database, `${database}-wal`]) {
        const bytes = ifThere(() => real.Deno.readFileSync(path));
        if (bytes !== undefined) replace(path, bytes);
      }
      ifThere(() => real.Deno.removeSync(`${database}-shm`));
    }
  }

  /** Call it when no process is left. */
  cutPower(random: Random): void {
    for (const path of walk(this.root)) {
      if (path.endsWith("-shm")) real.Deno.removeSync(path);
      if (!path.endsWith("-wal")) continue;
      const { salt, size } = this.#synced.get(path) ?? { salt: "", size: 0 };
      const bytes = real.Deno.readFileSync(path);
      const kept = saltOf(path) === salt ? size : Math.min(WAL_HEADER, bytes.length);
      if (kept >= bytes.length) continue;
      const left = bytes.slice(0, kept + random.int(0, bytes.length - kept));
      if (left.length > kept && random.chance(0.3)) left.fill(0, random.int(kept, left.length));
      replace(path, left);
    }
  }

  #holds(path: string): boolean {
    return path === this.root || path.startsWith(`${this.root}/`);
  }
}

function* walk(folder: string): Generator<string> {
  const entries = [...real.Deno.readDirSync(folder)];
  for (const { name, isDirectory } of entries.toSorted((a, b) => a.name < b.name ? -1 : 1)) {
    if (isDirectory) yield* walk(`${folder}/${name}`);
    else yield `${folder}/${name}`;
  }
}

function replace(path: string, bytes: Uint8Array): void {
  const { mode } = real.Deno.statSync(path);
  real.Deno.writeFileSync(`${path}.copy`, bytes, { mode: (mode ?? 0o600) & 0o777 });
  real.Deno.renameSync(`${path}.copy`, path);
}

/** A log that is begun again gets another. */
function saltOf(path: string): string {
  const file = ifThere(() => real.Deno.openSync(path, { read: true }));
  if (file === undefined) return "";
  using open = file;
  const head = new Uint8Array(WAL_HEADER);
  open.readSync(head);
  return head.subarray(16, 24).join();
}

function ifThere<T>(ask: () => T): T | undefined {
  try {
    return ask();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** What {@link watchDatabases} tells. */
export interface DatabaseWatcher {
  /** A process uses this connection. */
  used(database: DatabaseSync): void;
  /** A transaction is about to be committed; may throw. */
  committing(database: DatabaseSync): void;
  /** It was committed, and synced if the connection does that. */
  committed(database: DatabaseSync, synced: boolean): void;
}

/** Watches all connections of this process, until the result is called. */
export function watchDatabases(watcher: DatabaseWatcher): () => void {
  const { exec, prepare } = DatabaseSync.prototype;
  const modes = new WeakMap<DatabaseSync, string>();
  DatabaseSync.prototype.exec = function (sql: string) {
    watcher.used(this);
    const [, mode] = /PRAGMA synchronous\s*=\s*(\w+)/i.exec(sql) ?? [];
    if (mode !== undefined) modes.set(this, mode.toUpperCase());
    if (sql !== "COMMIT") return exec.call(this, sql);
    watcher.committing(this);
    exec.call(this, sql);
    watcher.committed(this, (modes.get(this) ?? "FULL") === "FULL");
  };
  DatabaseSync.prototype.prepare = function (sql: string, ...rest: []) {
    watcher.used(this);
    const statement = prepare.call(this, sql, ...rest);
    if (sql !== "COMMIT") return statement;
    const run = statement.run.bind(statement);
    statement.run = () => {
      watcher.committing(this);
      const result = run();
      watcher.committed(this, (modes.get(this) ?? "FULL") === "FULL");
      return result;
    };
    return statement;
  };
  return () => Object.assign(DatabaseSync.prototype, { exec, prepare });
}
