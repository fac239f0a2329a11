/**
 * Whether the disk has room: begins with a refusal, ends with the first thing that is stored again,
 * or, where nobody stores anything, once the reserve could be made or a look finds room. A log
 * tells of the beginning and the end, not of each refusal.
 */
import { CannotStoreError, EvsError } from "../core/base/errors.ts";
import type { Clock } from "../core/base/clock.ts";
import { isNoSpace, type SpaceReserve } from "./space_reserve.ts";

/** How often is looked for room while the disk is full, ms. */
const LOOK_EVERY = 1000;
/**
 * A full disk that stores something now and then is told of as one: quiet for so long, it is over,
 * ms.
 */
const QUIET = 10_000;
/** After so long the reserve follows what has been written, ms. */
const RESERVE_AFTER = 5000;
/**
 * Tried again so often where there is no room for it, ms: trying takes what room there is for a
 * moment.
 */
const RESERVE_EVERY = 600_000;

/** What it needs. */
export interface DiskSpaceOptions {
  /** Left out: none is kept. */
  reserve?: SpaceReserve | undefined;
  /** What the reserve should have now, bytes. */
  reserveSize(): number;
  /** Tries to take up some room for a moment. */
  hasRoom(): boolean;
  clock: Clock;
  /** Calls back when events are stored; returns what stops that. */
  onStored(listener: () => void): () => void;
  log: {
    began(error: unknown): void;
    ended(facts: { refusals: number; ms: number }): void;
  };
}

/** True for the refusal of a full disk, wherever it comes from. */
export function isDiskFull(error: unknown): boolean {
  return (error instanceof EvsError && error.code === "store/disk-full") || isNoSpace(error);
}

/** What the daemon knows of the room on its disk. */
export class DiskSpace {
  readonly #options: DiskSpaceOptions;
  /** Refusals since the start. */
  refusals = 0;
  #full = false;
  #making = 0;
  /** Of what the log calls one time; undefined: none is under way. */
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

  /** Why the disk counts as full, for people; undefined while it has room. */
  problem(): string | undefined {
    if (!this.#full) return undefined;
    return "the disk is full: what needs room is refused, and works again by itself when there is some; " +
      "evs topic list shows what is large, evs topic update TOPIC --max-events N or evs topic remove TOPIC makes room";
  }

  /** True while the disk is full. */
  get full(): boolean {
    return this.#full;
  }

  /** Takes note of an error; tells whether it was the refusal of a full disk. */
  note(error: unknown): boolean {
    if (!isDiskFull(error)) return false;
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

  /** Something was stored, or taken away: there is room. */
  stored(): void {
    if (!this.#full) return;
    this.#full = false;
    this.#cancelReserve?.();
    this.#cancelReserve = undefined;
    this.#keepReserve(RESERVE_AFTER);
  }

  /** Refuses what needs room while room is made: it would be gone before what it was made for. */
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

  /** The same for what stores. */
  admitted<T>(work: () => Promise<T>): Promise<T> {
    if (this.#making === 0) return work();
    try {
      this.admit();
    } catch (error) {
      return Promise.reject(error);
    }
    return work();
  }

  /**
   * Does what takes something away. Where it finds no room for that, it is done again with the
   * reserve's.
   */
  async makeRoom<T>(work: () => Promise<T>): Promise<T> {
    try {
      const result = await work();
      if (this.#full) this.stored();
      return result;
    } catch (error) {
      if (!this.note(error) || this.#options.reserve?.release() !== true) throw error;
    }
    this.#making++;
    try {
      const result = await work();
      this.stored();
      return result;
    } catch (error) {
      this.note(error);
      throw error;
    } finally {
      this.#making--;
      this.#keepReserve(0);
    }
  }

  /** Ends its timers. */
  stop(): void {
    this.#stop();
    this.#cancelLook?.();
    this.#cancelReserve?.();
    this.#cancelReserve = () => {};
  }

  #lookLater(): void {
    this.#cancelLook ??= this.#options.clock.setTimer(() => {
      this.#cancelLook = undefined;
      if (this.#full && this.#options.hasRoom()) this.stored();
      const { clock, log } = this.#options;
      const episode = this.#episode!;
      const now = clock.monotonic();
      if (this.#full || now - episode.last < QUIET) return this.#lookLater();
      this.#episode = undefined;
      log.ended({ refusals: episode.refusals, ms: Math.round(episode.last - episode.begun) });
    }, LOOK_EVERY);
  }

  #keepReserve(ms: number): void {
    const { reserve, clock, reserveSize } = this.#options;
    if (reserve === undefined) return;
    this.#cancelReserve ??= clock.setTimer(() => {
      this.#cancelReserve = undefined;
      reserve.size = Math.max(reserve.size, reserveSize());
      if (this.#full || !reserve.make()) this.#keepReserve(RESERVE_EVERY);
    }, ms);
  }
}
