/**
 * What is the same on all nodes of a database is told by one `evs alert` of a name at a time. Each
 * asks at every look whether that is its turn; what the one that has it remembers is in the database,
 * so that whoever comes next ends what was begun, and begins nothing again.
 */
import { EvsError } from "../../core/base/errors.ts";
import type { Client } from "../../core/client/client.ts";
import { alertTurn } from "../../core/client/nodes.ts";
import { isOfAllNodes } from "./limit.ts";
import type { ClockTimes, HeldCondition, Look } from "./machine.ts";
import type { Notice } from "./notice.ts";
import { formatRemembered, parseRemembered, type Remembered } from "./state_file.ts";

/** For how long the turn of one that says nothing is not taken, ms; longer where it looks seldom. */
const LEAST_TTL_MS = 10_000;
/** The same for those that look once and exit, each minute: ms. */
const ONCE_TTL_MS = 150_000;

/** What a look has found about the turn. */
export interface TurnLook {
  /** Whether it is its turn; undefined: that cannot be known now. */
  held: boolean | undefined;
  /** What was remembered by whoever had it before, if it is its turn only now. */
  taken?: Remembered;
}

/** What a {@link SharedTurn} asks with. */
export interface SharedTurnOptions {
  client: Client;
  name: string;
  /** Known by what it remembers itself: the same after a restart. */
  holder: string;
  everyMs: number;
  /** It looks once, and is run again by something else. */
  once: boolean;
}

/** The turn of one `evs alert`. */
export class SharedTurn {
  readonly #options: SharedTurnOptions;
  #isHeld = false;
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: SharedTurnOptions) {
    this.#options = options;
  }

  get isHeld(): boolean {
    return this.#isHeld;
  }

  get #request() {
    const { name, holder, everyMs, once } = this.#options;
    return { name, holder, ttlMs: once ? ONCE_TTL_MS : Math.max(LEAST_TTL_MS, 4 * everyMs) };
  }

  /** Asks whether it is its turn. */
  async look(now: ClockTimes): Promise<TurnLook> {
    try {
      const { held, memory } = await alertTurn(this.#options.client, this.#request);
      const isNew = held && !this.#isHeld;
      this.#isHeld = held;
      if (!isNew || memory === undefined) return { held };
      return { held, taken: parseRemembered(memory, { path: "the database", now }) };
    } catch (error) {
      if (!(error instanceof EvsError)) throw error;
      return { held: undefined };
    }
  }

  /** Keeps what it remembers, after what was to be kept before. Rejects if that cannot be done. */
  keep(remembered: Remembered): Promise<void> {
    const memory = formatRemembered(remembered);
    const kept = this.#last.then(async () => {
      if (!this.#isHeld) return;
      const { held } = await alertTurn(this.#options.client, { ...this.#request, memory });
      this.#isHeld = held;
    });
    this.#last = kept.catch(() => {});
    return kept;
  }

  /** Resolves when all is kept that can be. */
  async settled(): Promise<void> {
    await this.#last;
  }
}

/** A look without what is of all nodes: that is not seen. Pure. */
export function withoutShared({ readings, unseen }: Look): Look {
  const others = readings.filter(({ measure }) => isOfAllNodes(measure))
    .map(({ measure }) => ({ measure, subscription: "*" as const }));
  const own = readings.filter(({ measure }) => !isOfAllNodes(measure));
  return { readings: own, unseen: [...unseen, ...others] };
}

/** The part of what is remembered that is of all nodes, or the rest of it. Pure. */
export function turnPartOf(
  { conditions, untold }: { conditions: readonly HeldCondition[]; untold: readonly Notice[] },
  { shared }: { shared: boolean },
): Pick<Remembered, "conditions" | "untold"> {
  return {
    conditions: conditions.filter(({ measure }) => isOfAllNodes(measure) === shared),
    untold: untold.filter(({ alert }) => isOfAllNodes(alert) === shared),
  };
}
