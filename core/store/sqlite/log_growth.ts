/**
 * Disk space for the write-ahead log of a database.
 *
 * New pages are first written to the log. Before the log can be overwritten, they are checkpointed
 * into the database, which grows by them. On a full disk it cannot grow, and then nothing can be
 * written any more, not even deletions. So a reserve, a file of its own, always covers what the
 * database still has to grow by, plus one step of a deletion. If the reserve cannot be enlarged,
 * the log is checkpointed at once, and an append that would exceed the reserve is refused.
 *
 * This is checked once per many bytes, not with every write.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { type Clock, systemClock } from "../../base/clock.ts";
import { CannotStoreError, isDiskFull } from "../../base/errors.ts";
import { countOf, isPacked, payloadBytesOf, type StoreRequest } from "../pack.ts";
import { asSqliteStoreError } from "./sqlite_error.ts";

/** The reserved space. */
export interface KeptRoom {
  /** Its size, bytes. */
  readonly held: number;
  /**
   * Grows it to at least this size. If the disk has no space for that, it takes half of the free
   * space and returns false.
   */
  grow(size: number): boolean;
}

const MIB = 1024 * 1024;
/** The part of the reserve for a step of a deletion and for the state database, bytes. */
const BESIDE = 7 * MIB;
/** Requested beyond what is needed now, so that requests are rare, bytes. */
const AHEAD = 2 * MIB;
/** Written between two checks, estimated bytes. */
const LOOK_EVERY = 256 * 1024;
/** The pause after a request that failed, ms: each request briefly takes all free space. */
const ASK_EVERY = 10_000;
/** Bytes of a line besides its payload and metadata, about. */
const LINE = 256;
/** Larger rows leave much of their page empty, bytes. */
const LARGE_ROW = 4096;

/** Limits what a database may have to grow by. */
export class LogGrowth {
  readonly #database: DatabaseSync;
  readonly path: string;
  readonly #room: KeptRoom | undefined;
  readonly #clock: Clock;
  readonly #pageSize: number;
  readonly #pageCount: StatementSync;
  readonly #freePages: StatementSync;
  /** False while the reserve is released for a deletion. */
  #keeps = true;
  /** A write found no space, and none has succeeded since. */
  #isFull = false;
  /** The last known size of the reserve. */
  #held = 0;
  /** The last known size of the database file, which only grows. */
  #size = 0;
  /** Estimated bytes written since the last check. */
  #unseen = Infinity;
  #askAfter = -Infinity;

  constructor(
    database: DatabaseSync,
    { path, room, clock = systemClock }: {
      path: string;
      room?: KeptRoom | undefined;
      clock?: Clock | undefined;
    },
  ) {
    this.#database = database;
    this.path = path;
    this.#room = room;
    this.#clock = clock;
    this.#pageCount = database.prepare("PRAGMA page_count");
    this.#freePages = database.prepare("PRAGMA freelist_count");
    this.#pageSize = Number(Object.values(database.prepare("PRAGMA page_size").get()!)[0]);
  }

  /** True from the refusal of a full disk until something is stored again. */
  get isFull(): boolean {
    return this.#isFull;
  }

  /**
   * Call this before something is stored. Throws `CannotStoreError` if the log could no longer be
   * checkpointed with it.
   */
  admit(requests: readonly StoreRequest[]): void {
    if (this.#room === undefined) {
      if (this.#isFull) this.#tryToEmpty("PASSIVE");
      return;
    }
    const need = requests.reduce((sum, request) => sum + estimate(request), 0);
    this.#unseen += need;
    if (this.#unseen >= LOOK_EVERY) this.#look(this.#room, need);
  }

  /** Call this after something was stored. */
  stored(): void {
    this.#isFull = false;
  }

  /** Call this after a write was refused by a full disk. */
  refused(): void {
    this.#isFull = true;
    this.#unseen = Infinity;
  }

  /**
   * With false, the reserve is about to be released for a deletion. With true, it may be kept again,
   * and the log is truncated so that there is space for it.
   */
  keep(keeps: boolean): void {
    this.#keeps = keeps;
    this.#unseen = Infinity;
    this.#askAfter = -Infinity;
    if (!keeps) this.#isFull = true;
    else this.#tryToEmpty("TRUNCATE");
  }

  /**
   * Checkpoints the log into the database, so that the next transaction overwrites it. Returns false
   * if a reader prevents that. Throws `CannotStoreError` if the database would have to grow and
   * cannot; what it has grown by until then is kept.
   */
  restart(mode: "PASSIVE" | "RESTART" | "TRUNCATE"): boolean {
    try {
      const { busy } = this.#database.prepare(`PRAGMA wal_checkpoint(${mode})`).get() as {
        busy: number;
      };
      return busy === 0;
    } catch (error) {
      throw asSqliteStoreError(error, { path: this.path });
    }
  }

  /** What the database has to grow by before the log can be overwritten, bytes. */
  pending(): number {
    this.#size = Deno.statSync(this.path).size;
    return this.#atMostPending();
  }

  /** Checkpoints; if that finds no space, the next write finds out what that means. */
  #tryToEmpty(mode: "PASSIVE" | "TRUNCATE"): void {
    try {
      this.restart(mode);
    } catch (error) {
      if (!isDiskFull(error)) throw error;
    }
  }

  /** An upper bound of that by the last known file size, without a system call. */
  #atMostPending(): number {
    return Math.max(0, valueOf(this.#pageCount) * this.#pageSize - this.#size);
  }

  #look(room: KeptRoom, need: number): void {
    if (!this.#isFull && this.#fits(this.#atMostPending() + need)) return this.#seen();
    let pending = this.pending();
    this.#held = this.#keeps ? room.held : 0;
    if (!this.#isFull && (this.#fits(pending + need) || this.#ask(room, pending + need))) {
      return this.#seen();
    }
    this.#tryToEmpty("PASSIVE");
    pending = this.pending();
    const free = valueOf(this.#freePages) * this.#pageSize;
    const isKept = () => this.#fits(pending + Math.max(0, need - free));
    if (isKept() || this.#ask(room, pending + need) || isKept()) return this.#seen();
    this.refused();
    throw new CannotStoreError(
      "the disk is full: nothing of this was stored, what was acknowledged is safe; " +
        "the space that is left is reserved for deletions",
      { code: "store/disk-full", hint: "make room; publishing works again by itself" },
    );
  }

  #seen(): void {
    this.#unseen = 0;
  }

  /** Whether the reserve covers this growth and the rest. */
  #fits(growth: number): boolean {
    return growth <= Math.max(this.#held - BESIDE, this.#held / 4);
  }

  /** Requests the space that this growth needs. */
  #ask(room: KeptRoom, growth: number): boolean {
    const now = this.#clock.monotonic();
    if (!this.#keeps || now < this.#askAfter) return false;
    const isThere = room.grow(growth + BESIDE + AHEAD);
    if (!isThere) this.#askAfter = now + ASK_EVERY;
    this.#held = room.held;
    return isThere;
  }
}

/** What the database grows by for a request, at most, about. */
function estimate(request: StoreRequest): number {
  const count = countOf(request);
  const bytes = payloadBytesOf(request) + metadataOf(request) + count * LINE;
  return Math.ceil(bytes * (bytes > count * LARGE_ROW ? 2 : 1.25));
}

function metadataOf(request: StoreRequest): number {
  if (!isPacked(request)) {
    return request.events.reduce((sum, { metadata }) => sum + metadata.length, 0);
  }
  const { metadata, count } = request;
  if (typeof metadata === "string") return metadata.length * count;
  return metadata.reduce((sum, { length }) => sum + length, 0);
}

function valueOf(pragma: StatementSync): number {
  return Object.values(pragma.get()!)[0] as number;
}
