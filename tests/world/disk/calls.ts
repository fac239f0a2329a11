/**
 * Every call that reaches the disk comes through here: it is traced, counted, and may be made to
 * fail. A process can be killed during its n-th call; nothing that it does afterwards has an effect.
 */
import type { DiskFault, DiskOp } from "../types.ts";
import { Ended, type SimProcess } from "../engine/process.ts";
import { codeError } from "./errors.ts";
import type { FileSystem } from "./file_system.ts";

/** A call. */
export interface DiskCall {
  op: DiskOp;
  path: string;
  /** The number of bytes to write. */
  bytes?: number;
  /** By how many the write makes the file longer. */
  grows?: number;
}

const CHANGES: readonly DiskOp[] = [
  "create",
  "write",
  "truncate",
  "sync",
  "syncFolder",
  "rename",
  "remove",
];

/** What they are told to. */
export interface DiskCallsHost {
  trace(process: SimProcess, what: string): void;
  tell(who: string, what: string): void;
  count(what: string): void;
}

/** Judges each call before it takes effect. */
export class DiskCalls {
  readonly #host: DiskCallsHost;
  readonly #files: FileSystem;
  #faults: { fault: DiskFault; after: number; times: number }[] = [];
  /** Bytes that there is room for; undefined: no limit. */
  room: number | undefined;

  constructor(host: DiskCallsHost, files: FileSystem) {
    this.#host = host;
    this.#files = files;
  }

  fault(fault: DiskFault): void {
    this.#faults.push({ fault, after: fault.after ?? 0, times: fault.times ?? 1 });
  }

  clear(): void {
    this.#faults = [];
    this.room = undefined;
  }

  /** Throws if it fails; returns how many bytes may be written. */
  begin(process: SimProcess, call: DiskCall): number {
    if (process.state === "dead") throw new Ended();
    const { op, path, bytes = 0 } = call;
    const quiet = op === "read" || op === "open" || isUninteresting(path);
    if (!quiet) this.#host.trace(process, `${op} ${path}${bytes > 0 ? ` ${bytes}` : ""}`);
    if (CHANGES.includes(op) && process.diesIn !== undefined && process.diesIn-- <= 0) {
      this.#host.tell(process.name, `is about to ${op} ${path}`);
      this.#kill(process);
    }
    const may = this.#inject(process, call);
    if (this.room === undefined || !(call.grows! > 0 || op === "create")) return may;
    if ((call.grows ?? 1) <= this.room - this.#used()) return may;
    this.#host.tell("disk", `has no room for ${path}`);
    throw codeError("ENOSPC", `${op} '${path}'`);
  }

  #inject(process: SimProcess, { op, path, bytes = 0 }: DiskCall): number {
    for (const one of this.#faults) {
      const { ops = CHANGES, path: part = "", kind } = one.fault;
      if (one.times <= 0 || !ops.includes(op) || !path.includes(part)) continue;
      if (kind === "short" && (op !== "write" || bytes < 2)) continue;
      if (one.after-- > 0) continue;
      one.times--;
      this.#host.count("disk faults");
      this.#host.tell("disk", `${kind} at ${op} ${path} of ${process.name}`);
      if (kind === "kill") this.#kill(process);
      if (kind === "short") return Math.ceil(bytes / 2);
      throw codeError(kind as "EIO" | "ENOSPC", `${op} '${path}'`);
    }
    return bytes;
  }

  #kill(process: SimProcess): never {
    process.diesIn = undefined;
    process.kill();
    throw new Ended();
  }

  #used(): number {
    let used = 0;
    for (const path of this.#files.files("/")) used += this.#files.sizeOf(path);
    return used;
  }
}

/** Lines of the log differ where stacks do, and the reserve is 128 equal writes. */
function isUninteresting(path: string): boolean {
  return path.includes("/log/") || /\/reserve(\.probe)?$/.test(path);
}
