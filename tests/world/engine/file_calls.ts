/** The `Deno` functions that deal with files, on a simulated disk. */
import type { DiskCalls } from "../disk/calls.ts";
import { type DatabaseFiles, isDatabase } from "../disk/databases.ts";
import { osError } from "../disk/errors.ts";
import type { FileSystem } from "../disk/file_system.ts";
import { FileNode, FolderNode, type Inode } from "../disk/inode.ts";
import { infoOf, OpenDatabase, OpenFile, type OpenFileHost } from "../disk/open_file.ts";
import type { Random } from "../types.ts";
import { currentProcess } from "./process.ts";
import { real } from "./real.ts";
import type { Scheduler } from "./scheduler.ts";

/** What they work on. */
export interface FileCallsHost {
  files: FileSystem;
  calls: DiskCalls;
  databases: DatabaseFiles;
  scheduler: Scheduler;
  random: Random;
  wallClock(): number;
}

type Api = Record<string, unknown>;
type WriteOptions = { create?: boolean; createNew?: boolean; append?: boolean; mode?: number };

/** Programs of the real disk may be read: what a module loads is not a part of the world. */
function isProgram(path: string | URL): path is URL {
  return path instanceof URL;
}

/** All of them. Asynchronous ones do the same at once, and answer a turn later. */
export function fileCalls(host: FileCallsHost): Api {
  const api = new FileCalls(host);
  const sync: Api = {};
  for (const name of NAMES) {
    // deno-lint-ignore no-explicit-any -- the arguments of each are the runtime's
    const call = (...args: any[]) => (api as any)[name](...args);
    sync[`${name}Sync`] = call;
    // deno-lint-ignore no-explicit-any -- the same
    sync[name] = (...args: any[]) => Promise.try(() => call(...args));
  }
  sync["readDir"] = (path: string) =>
    (async function* () {
      await Promise.resolve();
      yield* api.readDir(path);
    })();
  return sync;
}

const NAMES = [
  "open",
  "lstat",
  "stat",
  "readDir",
  "mkdir",
  "rename",
  "remove",
  "chmod",
  "chown",
  "truncate",
  "readFile",
  "readTextFile",
  "writeFile",
  "writeTextFile",
  "copyFile",
  "realPath",
] as const satisfies (keyof FileCalls)[];

/** Named like the runtime's, without `Sync`. */
class FileCalls {
  readonly #host: FileCallsHost & OpenFileHost;
  readonly #files: FileSystem;
  readonly #databases: DatabaseFiles;

  constructor(host: FileCallsHost) {
    this.#host = host;
    this.#files = host.files;
    this.#databases = host.databases;
  }

  open(path: string, options: Deno.OpenOptions = { read: true }): OpenFile | OpenDatabase {
    if (isDatabase(path)) return this.#openDatabase(path, options);
    let node = this.#files.find(path);
    const { create, createNew, write, append, truncate, mode = 0o666 } = options;
    if (node !== undefined && createNew) throw osError("AlreadyExists", `open '${path}'`);
    if (node === undefined) {
      if (!create && !createNew) throw osError("NotFound", `open '${path}'`);
      this.#begin("create", path);
      node = this.#files.create(path, "file", mode);
      if (node instanceof FileNode) node.hollow = /\/reserve(\.probe)?$/.test(path);
    } else this.#begin("open", path);
    const writes = Boolean(write || append);
    if (writes && node instanceof FolderNode) throw osError("IsADirectory", `open '${path}'`);
    const file = new OpenFile(node, { path, appends: Boolean(append), writes }, this.#host);
    if (truncate) file.truncateSync();
    return file;
  }

  lstat(path: string): Deno.FileInfo {
    if (isDatabase(path)) return this.#databases.stat(path);
    return infoOf(this.#need(path, "stat"));
  }

  stat(path: string): Deno.FileInfo {
    return this.lstat(path);
  }

  readDir(path: string): Deno.DirEntry[] {
    const entries = Array.from(this.#files.folder(path).entries, ([name, node]) => ({
      name,
      isFile: node instanceof FileNode,
      isDirectory: node instanceof FolderNode,
      isSymlink: false,
    }));
    const databases = this.#databases.list(path).map((name) => ({
      name,
      isFile: true,
      isDirectory: false,
      isSymlink: false,
    }));
    return [...entries, ...databases].toSorted((a, b) => a.name < b.name ? -1 : 1);
  }

  mkdir(path: string, { recursive = false, mode = 0o777 }: Deno.MkdirOptions = {}): void {
    this.#begin("create", path);
    this.#files.makeFolder(path, { recursive, mode });
  }

  rename(from: string, to: string): void {
    this.#begin("rename", `${from} -> ${to}`);
    if (isDatabase(from)) {
      if (!isDatabase(to)) return this.#moveOut(from, to);
      return real.Deno.renameSync(from, to);
    }
    if (isDatabase(to)) return this.#moveIn(from, to);
    this.#files.rename(from, to);
  }

  remove(path: string, { recursive = false }: Deno.RemoveOptions = {}): void {
    this.#begin("remove", path);
    if (isDatabase(path)) return this.#databases.remove(path);
    this.#files.remove(path, { recursive });
  }

  chmod(path: string, mode: number): void {
    if (isDatabase(path)) return real.Deno.chmodSync(path, mode);
    this.#need(path, "chmod").mode = mode;
  }

  chown(path: string): void {
    this.#need(path, "chown");
  }

  truncate(path: string, length = 0): void {
    using file = this.open(path, { write: true });
    file.truncateSync(length);
  }

  readFile(path: string | URL): Uint8Array {
    if (isProgram(path)) return real.Deno.readFileSync(path);
    if (isDatabase(path)) return real.Deno.readFileSync(path);
    const node = this.#need(path, "open");
    this.#begin("read", path);
    if (!(node instanceof FileNode)) throw osError("IsADirectory", `read '${path}'`);
    return node.bytes.slice();
  }

  readTextFile(path: string | URL): string {
    return new TextDecoder().decode(this.readFile(path));
  }

  writeFile(path: string, bytes: Uint8Array, options: WriteOptions = {}): void {
    const { create = true, createNew = false, append = false, mode } = options;
    using file = this.open(path, {
      write: true,
      create,
      createNew,
      append,
      truncate: !append,
      ...(mode === undefined ? {} : { mode }),
    });
    for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
  }

  writeTextFile(path: string, text: string, options: WriteOptions = {}): void {
    this.writeFile(path, new TextEncoder().encode(text), options);
  }

  copyFile(from: string, to: string): void {
    this.writeFile(to, this.readFile(from));
  }

  realPath(path: string): string {
    this.lstat(path);
    return path;
  }

  #need(path: string, doing: string): Inode {
    const node = this.#files.find(path);
    if (node === undefined) throw osError("NotFound", `${doing} '${path}'`);
    return node;
  }

  #begin(op: "open" | "create" | "read" | "rename" | "remove", path: string): void {
    this.#host.calls.begin(currentProcess(), { op, path });
  }

  #openDatabase(path: string, options: Deno.OpenOptions): OpenDatabase {
    this.#begin(options.createNew || options.create ? "create" : "open", path);
    return new OpenDatabase(path, options, this.#host);
  }

  /** A database that gets another kind of name is a file like any other. */
  #moveOut(from: string, to: string): void {
    const bytes = real.Deno.readFileSync(from);
    const { folder, name } = this.#files.parent(to);
    if (folder.entries.has(name)) this.#files.remove(to, { recursive: false });
    const node = this.#files.create(to, "file", 0o600);
    if (node instanceof FileNode) node.set(bytes);
    real.Deno.removeSync(from);
  }

  #moveIn(from: string, to: string): void {
    const node = this.#need(from, "rename");
    if (!(node instanceof FileNode)) throw osError("IsADirectory", `rename '${from}'`);
    real.Deno.writeFileSync(to, node.bytes, { mode: node.mode & 0o777 });
    this.#files.remove(from, { recursive: false });
  }
}
