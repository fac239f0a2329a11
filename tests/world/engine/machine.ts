/** The machine: its processes, its disk, its sockets, its clock, and what goes wrong with them. */
import { DiskCalls } from "../disk/calls.ts";
import { DatabaseFiles, isDatabase, watchDatabases } from "../disk/databases.ts";
import { FileSystem } from "../disk/file_system.ts";
import { FileNode } from "../disk/inode.ts";
import type { DiskFault, Machine, NetworkBehaviour, Program, Random } from "../types.ts";
import { commandClass } from "./child.ts";
import { fileCalls } from "./file_calls.ts";
import { Network } from "./network.ts";
import { currentProcess, currentThread, SimProcess } from "./process.ts";
import { real } from "./real.ts";
import type { Scheduler } from "./scheduler.ts";
import { DatabaseSync } from "node:sqlite";

/** What the wall clock says when the world begins. */
const BEGINNING = Date.UTC(2026, 0, 1);

/** What a machine needs of its world. */
export interface MachineHost {
  scheduler: Scheduler;
  random(stream: string): Random & { bits(): number };
  /** A part of the trace. */
  trace(who: string, what: string): void;
  /** A part of the story, too. */
  tell(who: string, what: string): void;
  count(what: string): void;
}

/** A machine. */
export class SimMachine implements Machine {
  readonly dataDir: string;
  readonly socket: string;
  readonly root: string;
  readonly fileSystem: FileSystem;
  readonly processes: SimProcess[] = [];
  readonly programs = new Map<string, Program>();
  readonly #host: MachineHost;
  readonly #calls: DiskCalls;
  readonly #network: Network;
  readonly #databases: DatabaseFiles;
  /** By process: its connections. */
  readonly #connections = new Map<SimProcess, Set<DatabaseSync>>();
  readonly #unwatch: () => void;
  #clockOff = 0;
  #pids = 1000;

  /** `root`: a real folder, for databases. */
  constructor(root: string, host: MachineHost) {
    this.root = root;
    this.#host = host;
    this.dataDir = `${root}/data`;
    this.socket = `${root}/run/evs.sock`;
    const wallClock = () => this.wallClock();
    this.#databases = new DatabaseFiles(root, wallClock);
    this.fileSystem = new FileSystem({ wallClock }, this.#databases);
    this.#calls = new DiskCalls({
      trace: (process, what) => host.trace(process.name, what),
      tell: host.tell,
      count: host.count,
    }, this.fileSystem);
    this.#network = new Network({
      ...host,
      files: this.fileSystem,
      random: host.random("network"),
    });
    this.#unwatch = watchDatabases({
      used: (database) => this.#used(database),
      committing: (database) => this.#committing(database),
      committed: (database, synced) => {
        if (synced) this.#databases.synced(locationOf(database)!);
      },
    });
    for (const path of ["/dev/shm", "/tmp", root, `${root}/run`]) {
      this.fileSystem.makeFolder(path, { recursive: true, mode: 0o755 });
    }
    this.fileSystem.cutPower({ ...host.random("nothing"), int: (_, high) => high } as Random);
  }

  /** What `Date.now` says. */
  wallClock(): number {
    return BEGINNING + this.#host.scheduler.now + this.#clockOff;
  }

  /** Functions of `Deno` that reach the disk and the network. */
  deno(): Record<string, unknown> {
    const { scheduler, random } = this.#host;
    const network = this.#network;
    return {
      ...fileCalls({
        files: this.fileSystem,
        calls: this.#calls,
        databases: this.#databases,
        scheduler,
        random: random("disk"),
        wallClock: () => this.wallClock(),
      }),
      Command: commandClass({
        scheduler,
        programs: this.programs,
        spawn: (name, program) => this.spawn(name, program),
      }),
      // A program that the C library started would run outside of this world.
      dlopen: () => {
        throw new Deno.errors.NotCapable("the C library cannot be called");
      },
      listen: (options: { path: string }) => network.listen(options),
      connect: (options: { path: string }) => network.connect(options),
    };
  }

  /** Starts a process. */
  spawn(name: string, program: () => Promise<number | void>): SimProcess {
    const pid = this.#pids++;
    const { scheduler, random, tell } = this.#host;
    const process = new SimProcess({ name, pid, random: random(`process ${name} ${pid}`) }, {
      scheduler,
      note: tell,
      ended: (process) => this.#ended(process),
    });
    this.processes.push(process);
    tell(name, `starts as process ${pid}`);
    process.begin(program);
    return process;
  }

  /** A signal from one process to another, or to a group. */
  signal(pid: number, signal: string): void {
    const process = this.processes.find((one) => one.pid === Math.abs(pid));
    if (process === undefined || process.state === "dead") {
      throw new Deno.errors.NotFound("No such process (os error 3)");
    }
    if (signal === "SIGKILL") process.kill();
    else process.signal(signal as "SIGTERM");
  }

  /** The living process of this name. */
  process(name: string): SimProcess | undefined {
    return this.processes.findLast((one) => one.name === name && one.state !== "dead");
  }

  fault(fault: DiskFault): void {
    this.#calls.fault(fault);
  }

  clearFaults(): void {
    this.#calls.clear();
    for (const process of this.processes) process.diesIn = undefined;
  }

  room(bytes: number | undefined): void {
    this.#calls.room = bytes;
  }

  flipBit(path: string, byte: number, bit: number): boolean {
    const bytes = this.#exists(path) ? this.bytes(path).slice() : new Uint8Array(0);
    if (byte >= bytes.length) return false;
    bytes[byte]! ^= 1 << bit;
    if (isDatabase(path)) {
      // In place: a process that has it open reads it, too.
      using file = real.Deno.openSync(path, { write: true });
      file.seekSync(byte, Deno.SeekMode.Start);
      file.writeSync(bytes.subarray(byte, byte + 1));
    } else (this.fileSystem.find(path) as FileNode).set(bytes);
    this.#host.count("disk faults");
    this.#host.tell("disk", `flips bit ${bit} of byte ${byte} of ${path}`);
    return true;
  }

  takeAway(path: string): boolean {
    if (!this.#exists(path)) return false;
    this.#host.count("disk faults");
    this.#host.tell("disk", `${path} is taken away`);
    if (isDatabase(path)) this.#databases.remove(path);
    else {
      this.fileSystem.remove(path, { recursive: true });
      this.fileSystem.parent(path).folder.sync();
    }
    return true;
  }

  files(folder: string = this.root): string[] {
    return [...this.fileSystem.files(folder)];
  }

  bytes(path: string): Uint8Array {
    if (isDatabase(path)) return real.Deno.readFileSync(path);
    const node = this.fileSystem.find(path);
    if (node instanceof FileNode) return node.bytes;
    throw new Error(`there is no file ${path}`);
  }

  put(path: string, bytes: Uint8Array): void {
    if (isDatabase(path)) return real.Deno.writeFileSync(path, bytes);
    const above = path.slice(0, path.lastIndexOf("/"));
    this.fileSystem.makeFolder(above, { recursive: true, mode: 0o700 });
    const there = this.fileSystem.find(path);
    const node = there ?? this.fileSystem.create(path, "file", 0o600);
    (node as FileNode).set(bytes);
    this.fileSystem.parent(path).folder.sync();
    if (there !== undefined) return;
    // A new one is only as durable as the folders that it is in.
    for (let at = above; at !== ""; at = at.slice(0, at.lastIndexOf("/"))) {
      this.fileSystem.parent(at).folder.sync();
    }
  }

  powerCut(): void {
    this.#host.tell("machine", "loses power");
    this.#host.count("power cuts");
    for (const process of this.processes) if (process.name !== "director") process.kill();
    // The daemon may not open what its data dir lies in, so it cannot sync the name of the data dir.
    // File systems with a journal keep it with the first file in it that is synced.
    this.fileSystem.folder(this.root).sync();
    const before = this.files();
    this.fileSystem.cutPower(this.#host.random(`power cut ${this.#host.scheduler.now}`));
    const after = new Set(this.files());
    const lost = before.filter((path) => !after.has(path));
    this.#host.tell("disk", lost.length === 0 ? "loses no file" : `loses ${lost.join(", ")}`);
  }

  stepClock(byMs: number): void {
    this.#host.tell("clock", `steps by ${byMs} ms`);
    this.#host.count("clock steps");
    this.#clockOff += byMs;
  }

  network(behaviour: NetworkBehaviour): void {
    this.#host.tell("network", `is now ${JSON.stringify(behaviour)}`);
    this.#network.behave(behaviour);
  }

  cut(process?: string): number {
    const count = this.#network.cut(process);
    for (let n = 0; n < count; n++) this.#host.count("cut connections");
    this.#host.tell("network", `cuts ${count} connections of ${process ?? "all"}`);
    return count;
  }

  halfClose(process: string): number {
    const count = this.#network.halfClose(process);
    this.#host.tell("network", `half-closes ${count} connections of ${process}`);
    return count;
  }

  /** Ends everything; nothing of it may run afterwards. */
  close(): void {
    for (const process of this.processes) process.kill();
    for (const connections of this.#connections.values()) closeAll(connections);
    this.#unwatch();
    real.Deno.removeSync(this.root, { recursive: true });
  }

  #exists(path: string): boolean {
    if (!isDatabase(path)) return this.fileSystem.find(path) !== undefined;
    return this.files().includes(path);
  }

  #ended(process: SimProcess): void {
    if (process.exit?.how === "killed") this.#host.count("kills");
    const connections = this.#connections.get(process);
    this.#connections.delete(process);
    if (connections === undefined) return;
    const paths = [...connections].map(locationOf).filter((path) => path !== undefined);
    const others = new Set(
      [...this.#connections.values()].flatMap((all) => [...all].map(locationOf)),
    );
    this.#databases.detach(new Set(paths.filter((path) => !others.has(path))));
    // Later: one of them may be what has just been called.
    const run = () => closeAll(connections);
    this.#host.scheduler.after(0, { kind: "disk", thread: undefined, run });
  }

  #used(database: DatabaseSync): void {
    const process = currentThread()?.process;
    if (process === undefined || process.state === "dead") return;
    const known = this.#connections.get(process) ?? new Set();
    this.#connections.set(process, known.add(database));
  }

  #committing(database: DatabaseSync): void {
    const path = locationOf(database);
    if (path === undefined) return;
    try {
      this.#calls.begin(currentProcess(), { op: "sync", path: `${path}-wal` });
    } catch (error) {
      throw asSqliteError(error);
    }
  }
}

/** As SQLite reports it. */
function asSqliteError(error: unknown): unknown {
  const { code } = error as { code?: unknown };
  const [errcode, errstr] = code === "ENOSPC"
    ? [13, "database or disk is full"]
    : code === "EIO"
    ? [1034, "disk I/O error"]
    : [];
  if (errcode === undefined) return error;
  return Object.assign(new Error(errstr), { code: "ERR_SQLITE_ERROR", errcode, errstr });
}

/** The file of an open connection. */
function locationOf(database: DatabaseSync): string | undefined {
  try {
    return database.location() ?? undefined;
  } catch {
    return undefined; // it was closed
  }
}

function closeAll(connections: Iterable<DatabaseSync>): void {
  for (const database of connections) {
    if (locationOf(database) !== undefined) database.close();
  }
}
