/**
 * Tracks whether the disk is full. That begins with a refusal and ends when something is stored
 * again or, if nobody stores anything, when the reserve could be recreated or a check finds space.
 * The log gets a line for the beginning and the end, not for each refusal.
 */
import process from "node:process";
import { CannotStoreError, FILE_SIZE_LIMIT, isDiskFull } from "../core/base/errors.ts";
import type { Clock } from "../core/base/clock.ts";
import { isNoSpace, type SpaceReserve } from "./space_reserve.ts";

/** How often to check for space while the disk is full, ms. */
const LOOK_EVERY = 1000;
/**
 * A nearly full disk still stores something now and then. The episode ends after this long without
 * a refusal, ms.
 */
const QUIET = 10_000;
/** Delay before the reserve follows the size of what was written, ms. */
const RESERVE_AFTER = 5000;
/**
 * How often to retry when the reserve does not fit, ms: each try briefly takes the remaining space.
 */
const RESERVE_EVERY = 600_000;

/** What {@link DiskSpace} needs. */
export interface DiskSpaceOptions {
  /** Absent: no reserve is kept. */
  reserve?: SpaceReserve | undefined;
  /** Tells the stores whether the reserve may be kept, or is released for a deletion. */
  keepRoom?(keeps: boolean): Promise<void>;
  /** Tries to take up some space for a moment. */
  hasRoom(): boolean;
  clock: Clock;
  /** Calls `listener` when events are stored; returns a function that stops it. */
  onStored(listener: () => void): () => void;
  log: {
    began(error: unknown): void;
    ended(facts: { refusals: number; ms: number }): void;
  };
}

/** What the daemon knows about the space on its disk. */
export class DiskSpace {
  readonly #options: DiskSpaceOptions;
  /** Refusals since the start. */
  refusals = 0;
  #full = false;
  /** A limit on the size of files was reached, not the end of the disk. */
  #isLimited = false;
  #making = 0;
  /** What the log treats as one incident; undefined: none in progress. */
  #episode: { begun: number; refusals: number; last: number } | undefined;
  #cancelLook: (() => void) | undefined;
  #cancelReserve: (() => void) | undefined;
  readonly #stop: () => void;

  constructor(options: DiskSpaceOptions) {
    this.#options = options;
    this.#stop = options.onStored(() => {
      this.stored();
      this.#keepReserve(RESERVE_AFTER);
    });
    this.#keepReserve(0);
  }

  /** Why the disk counts as full, for people; undefined while it has space. */
  problem(): string | undefined {
    if (!this.#full) return undefined;
    if (this.#isLimited) {
      return "a file has reached the limit on the size of files (ulimit -f): what needs more is " +
        "refused; start the daemon without that limit";
    }
    return "the disk is full: what needs room is refused, and works again by itself when there is some; " +
      "evs topic list shows what is large, evs topic update TOPIC --max-events N or evs topic remove TOPIC makes room";
  }

  /** True while the disk is full. */
  get full(): boolean {
    return this.#full;
  }

  /** Records an error; returns whether it means that the disk is full. */
  note(error: unknown): boolean {
    if (!isDiskFull(error) && !isNoSpace(error)) return false;
    this.#isLimited = (error as { code?: unknown }).code === FILE_SIZE_LIMIT;
    const now = this.#options.clock.monotonic();
    this.refusals++;
    this.#full = true;
    if (this.#episode === undefined) {
      this.#episode = { begun: now, refusals: 0, last: now };
      this.#options.log.began(error);
    }
    this.#episode.refusals++;
    this.#episode.last = now;
    this.#lookLater();
    return true;
  }

  /** Something was stored or deleted, so there is space. */
  stored(): void {
    if (!this.#full) return;
    this.#full = false;
    this.#cancelReserve?.();
    this.#cancelReserve = undefined;
    this.#keepReserve(RESERVE_AFTER);
  }

  /** Refuses to store anything while space is being freed, because it would use up that space. */
  admit(): void {
    if (this.#making === 0) return;
    throw new CannotStoreError(
      "the disk is full, and room is being made: nothing of this was stored",
      {
        code: "store/disk-full",
        hint: "publishing works again by itself",
      },
    );
  }

  /** The same for a function that stores something. */
  admitted<T>(work: () => Promise<T>): Promise<T> {
    if (this.#making === 0) return work();
    try {
      this.admit();
    } catch (error) {
      return Promise.reject(error);
    }
    return work();
  }

  /** Runs a deletion. If it finds no space, it is retried with the space of the reserve. */
  async makeRoom<T>(work: () => Promise<T>): Promise<T> {
    try {
      const result = await work();
      if (this.#full) this.stored();
      return result;
    } catch (error) {
      const isKept = this.#making > 0 || (this.#options.reserve?.held ?? 0) > 0;
      if (!this.note(error) || !isKept) throw error;
    }
    this.#making++;
    try {
      await this.#options.keepRoom?.(false);
      this.#options.reserve?.release();
      const result = await work();
      this.stored();
      return result;
    } catch (error) {
      this.note(error);
      throw error;
    } finally {
      if (this.#making === 1) await this.#recreateReserve();
      this.#making--;
    }
  }

  /** Stops its timers. */
  stop(): void {
    this.#stop();
    this.#cancelLook?.();
    this.#cancelReserve?.();
    this.#cancelReserve = () => {};
  }

  #lookLater(): void {
    this.#cancelLook ??= this.#options.clock.setTimer(() => {
      this.#cancelLook = undefined;
      // Free space does not help against a limit on the size of files.
      if (this.#full && !this.#isLimited && this.#options.hasRoom()) this.stored();
      const { clock, log } = this.#options;
      const episode = this.#episode!;
      const now = clock.monotonic();
      if (this.#full || now - episode.last < QUIET) return this.#lookLater();
      this.#episode = undefined;
      log.ended({ refusals: episode.refusals, ms: Math.round(episode.last - episode.begun) });
    }, LOOK_EVERY);
  }

  /** At once: the next deletion may need it. */
  async #recreateReserve(): Promise<void> {
    await this.#options.keepRoom?.(true);
    if (this.#options.reserve?.make() !== false) return;
    this.#cancelReserve?.();
    this.#cancelReserve = undefined;
    this.#keepReserve(RESERVE_EVERY);
  }

  #keepReserve(ms: number): void {
    const { reserve, clock } = this.#options;
    if (reserve === undefined) return;
    this.#cancelReserve ??= clock.setTimer(() => {
      this.#cancelReserve = undefined;
      if (this.#full || !reserve.make()) this.#keepReserve(RESERVE_EVERY);
    }, ms);
  }
}

/**
 * The system's call; a simulated world (tests/world) has a disk of its own. Its module takes as long
 * to load as a tenth of a start, and nothing there asks for it.
 */
export const fileSystem = {
  statfsSync: (folder: string) => process.getBuiltinModule("node:fs").statfsSync(folder),
};

/** The space on the disk of a folder, bytes; undefined where the system does not tell. */
export function spaceOf(folder: string): { free: number; used: number; size: number } | undefined {
  try {
    const { bavail, bfree, blocks, bsize } = fileSystem.statfsSync(folder);
    return { free: bavail * bsize, used: (blocks - bfree) * bsize, size: blocks * bsize };
  } catch {
    return undefined; // an older launcher did not allow it, or the folder is gone: health tells that
  }
}
