/**
 * A state that is elsewhere: it puts promises before what another state answers at once. Answers
 * come in a later turn, in an order that is drawn, and say what was true when they were asked for,
 * when they came, or in between; commits go on meanwhile. A test can also hold the answers to one
 * kind of read, and do things while they are on their way.
 */
import type { CommitOptions, State, StateChange, StateSnapshot } from "../../core/state/state.ts";
import { randomFrom } from "./flip.ts";

/** The reads that may come later. */
export type LateRead =
  | "retry"
  | "scheduledLine"
  | "deadLetters"
  | "countDeadLetters"
  | "deadLetterKeys"
  | "jobPart"
  | "audit"
  | "deadLetterCounts"
  | "deadLetterGroups"
  | "deadLetterGroupCounts"
  | "closedDeadLetterCounts"
  | "deadLetterTrend";

/** Answers that a test holds back. */
export interface HeldReads {
  /** How many have been asked for. */
  readonly asked: number;
  /** Resolves when so many have been. */
  until(count: number): Promise<void>;
  /** Lets them come, and those that follow: as they were read, or with an error. */
  end(error?: Error): void;
}

interface HeldRead {
  asked: number;
  most: number;
  readAt: "asked" | "end";
  ended: Promise<void>;
  seen(): void;
}

/** The next turn of the event loop: timers and I/O had theirs. */
export const nextTurn = (): Promise<void> => new Promise((go) => setTimeout(go, 0));

/** A later microtask, where a test has its own clock and waits for no timer. */
export const nextTick = (): Promise<void> => Promise.resolve().then(() => {});

/** Wraps a state. */
export class LateState implements State {
  readonly #state: State;
  readonly #random: (below: number) => number;
  readonly #turn: () => Promise<void>;
  readonly #waiting: (() => void)[] = [];
  readonly #held = new Map<LateRead, HeldRead>();
  #isAnswering = false;
  /** How many reads came late. */
  answered = 0;

  constructor(
    state: State,
    { seed = 1, turn = nextTurn }: { seed?: number; turn?: () => Promise<void> } = {},
  ) {
    this.#state = state;
    this.#random = randomFrom(seed);
    this.#turn = turn;
  }

  get forgets(): boolean {
    return this.#state.forgets ?? false;
  }

  load(): StateSnapshot {
    return this.#state.load();
  }

  commit(changes: readonly StateChange[], options?: CommitOptions): Promise<void> {
    return this.#state.commit(changes, options);
  }

  async scrub(): Promise<void> {
    await this.#state.scrub?.();
  }

  /**
   * Holds the answers to these reads, at most so many; what they say is read when they are asked for,
   * or when they end.
   */
  hold(
    read: LateRead,
    { most = Infinity, readAt = "asked" as "asked" | "end" } = {},
  ): HeldReads {
    const end = Promise.withResolvers<void>();
    end.promise.catch(() => {}); // whoever reads gets it
    let watchers: { count: number; resolve(): void }[] = [];
    const seen = () => {
      for (const { count, resolve } of watchers) if (held.asked >= count) resolve();
      watchers = watchers.filter(({ count }) => held.asked < count);
    };
    const held = { asked: 0, most, readAt, ended: end.promise, seen };
    this.#held.set(read, held);
    return {
      get asked() {
        return held.asked;
      },
      until: (count) =>
        new Promise((resolve) => {
          watchers.push({ count, resolve });
          seen();
        }),
      end: (error) => {
        this.#held.delete(read);
        if (error) end.reject(error);
        else end.resolve();
      },
    };
  }

  async #late<T>(name: LateRead, read: () => T | Promise<T>): Promise<T> {
    const held = this.#held.get(name);
    if (held && held.asked < held.most) {
      held.asked++;
      const value = held.readAt === "asked" ? await read() : undefined;
      held.seen();
      await held.ended;
      return held.readAt === "asked" ? value as T : await read();
    }
    const isStale = this.#random(2) === 0;
    const before = isStale ? await read() : undefined;
    await new Promise<void>((resolve) => {
      this.#waiting.push(resolve);
      if (!this.#isAnswering) void this.#answer();
    });
    this.answered++;
    return isStale ? before as T : await read();
  }

  async #answer(): Promise<void> {
    this.#isAnswering = true;
    while (this.#waiting.length > 0) {
      await this.#turn();
      const at = this.#random(this.#waiting.length);
      this.#waiting.splice(at, 1)[0]!();
    }
    this.#isAnswering = false;
  }

  retry(...args: Parameters<State["retry"]>) {
    return this.#late("retry", () => this.#state.retry(...args));
  }

  scheduledLine(...args: Parameters<State["scheduledLine"]>) {
    return this.#late("scheduledLine", () => this.#state.scheduledLine(...args));
  }

  deadLetters(...args: Parameters<State["deadLetters"]>) {
    return this.#late("deadLetters", () => this.#state.deadLetters(...args));
  }

  countDeadLetters(...args: Parameters<State["countDeadLetters"]>) {
    return this.#late("countDeadLetters", () => this.#state.countDeadLetters(...args));
  }

  deadLetterKeys(...args: Parameters<State["deadLetterKeys"]>) {
    return this.#late("deadLetterKeys", () => this.#state.deadLetterKeys(...args));
  }

  jobPart(...args: Parameters<State["jobPart"]>) {
    return this.#late("jobPart", () => this.#state.jobPart(...args));
  }

  audit(...args: Parameters<State["audit"]>) {
    return this.#late("audit", () => this.#state.audit(...args));
  }

  deadLetterCounts() {
    return this.#late("deadLetterCounts", () => this.#state.deadLetterCounts());
  }

  deadLetterGroups() {
    return this.#late("deadLetterGroups", () => this.#state.deadLetterGroups());
  }

  deadLetterGroupCounts() {
    return this.#late("deadLetterGroupCounts", () => this.#state.deadLetterGroupCounts());
  }

  closedDeadLetterCounts() {
    return this.#late("closedDeadLetterCounts", () => this.#state.closedDeadLetterCounts());
  }

  deadLetterTrend(...args: Parameters<State["deadLetterTrend"]>) {
    return this.#late("deadLetterTrend", () => this.#state.deadLetterTrend(...args));
  }

  close(): Promise<void> {
    return this.#state.close();
  }
}
