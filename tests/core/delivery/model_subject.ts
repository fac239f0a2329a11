/**
 * The system under test beside the model: an in-memory broker whose handlers follow the script in
 * their event and notify the model. It can be closed and reopened, or killed at any moment; after
 * that nothing of it reaches the state or the handlers any more.
 */
import {
  deadLetter,
  EventBroker,
  HandlerTimeoutError,
  type JournalStore,
  MemoryEventStore,
  MemoryState,
  NonRetryableError,
  retry,
  skip,
  type State,
  type Subscription,
} from "../../../mod.ts";
import type { Clock } from "../../../core/base/clock.ts";
import { FakeClock, settled } from "../../helpers/fake_clock.ts";
import { randomFrom } from "../../helpers/flip.ts";
import { LateState, nextTick } from "../../helpers/late_state.ts";
import { inSomeTurns, LateStore } from "../../helpers/late_store.ts";
import type { DeliveryModel, Step } from "./model.ts";

/** A read comes within so many turns, and what its events lead to is stored within a few more. */
const LATE_TURNS = 12;
const CALM_TURNS = LATE_TURNS + 8;

/** How long a handler may take, ms. */
export const TIMEOUT_MS = 1000;

interface Life {
  alive: boolean;
}

/** What is read later, in an order that a seed decides; absent: at once. */
export interface Late {
  events?: number;
  state?: number;
}

/** The broker that is compared with the model. */
export class Subject {
  readonly clock = new FakeClock();
  readonly errors: unknown[] = [];
  readonly hanging = new Map<number, (step: Exclude<Step, "hang">) => void>();
  readonly #model: DeliveryModel;
  readonly #state = new MemoryState();
  readonly #store: JournalStore;
  readonly #late: Late;
  /** Calls of the handler. */
  #calls = 0;
  #life: Life = { alive: true };
  broker: EventBroker;
  subscription: Subscription | undefined;
  #abort = new AbortController();

  constructor(model: DeliveryModel, late: Late = {}) {
    this.#model = model;
    this.#late = late;
    const inner = new MemoryEventStore({ clock: this.clock });
    this.#store = late.events === undefined ? inner : new LateStore(
      inner,
      inSomeTurns(randomFrom(late.events), { turn: settled, most: LATE_TURNS }),
    );
    this.broker = this.#open();
  }

  #open(): EventBroker {
    const life = this.#life = { alive: true };
    const state = mortal(this.#state, life, ["commit"]) as State;
    return new EventBroker({
      state: this.#late.state === undefined
        ? state
        : new LateState(state, { seed: this.#late.state, turn: nextTick }),
      eventStore: mortal(this.#store, life, ["append", "truncate"]),
      clock: mortalClock(this.clock, life),
      random: () => 0.5,
      onError: (error) => life.alive && this.errors.push(error),
    });
  }

  /** Starts or continues. */
  subscribe(): void {
    const { concurrency, maxRetries, waitMs } = this.#model.setup;
    const life = this.#life;
    this.#abort = new AbortController();
    this.subscription = this.broker.subscribe("t", (event, { attempt, signal }) => {
      if (!life.alive) return new Promise(() => {});
      return this.#act(event.payload, { attempt, signal, life });
    }, {
      name: "s",
      concurrency,
      maxRetries,
      retryDelay: waitMs,
      timeoutMs: TIMEOUT_MS,
      signal: this.#abort.signal,
    });
  }

  #act(n: number, of: { attempt: number; signal: AbortSignal; life: Life }): unknown {
    this.#calls++;
    const now = () => this.clock.monotonic();
    const step = this.#model.begins(n, of.attempt, now());
    if (step !== "hang") {
      this.#model.ends(n, step, now());
      return this.#perform(step);
    }
    return new Promise((resolve, reject) => {
      const end = (then: () => void) => {
        if (!of.life.alive || !this.hanging.delete(n)) return;
        then();
      };
      this.hanging.set(n, (next) =>
        end(() => {
          this.#model.ends(n, next, now());
          try {
            resolve(this.#perform(next));
          } catch (error) {
            reject(error);
          }
        }));
      of.signal.addEventListener("abort", () =>
        end(() => {
          if (of.signal.reason instanceof HandlerTimeoutError) this.#model.ends(n, "throw", now());
          else this.#model.interrupted(n);
          reject(new Error("aborted"));
        }));
    });
  }

  #perform(step: Exclude<Step, "hang">): unknown {
    switch (step) {
      case "ok":
        return undefined;
      case "skip":
        return skip("not mine");
      case "retry":
        return retry({ afterMs: this.#model.setup.afterMs });
      case "dead":
        return deadLetter("given up");
      case "throw":
        throw new Error("thrown");
      case "hopeless":
        throw new NonRetryableError("hopeless");
      case "reject":
        return Promise.reject(new Error("rejected"));
    }
  }

  /** The subscription ends by its signal. */
  async abort(): Promise<void> {
    this.#abort.abort();
    await this.subscription?.unsubscribe();
  }

  /** The broker is closed in order, and another one is opened on what it left. */
  async restart(): Promise<void> {
    await this.broker.close();
    this.broker = this.#open();
  }

  /**
   * What handlers have done is stored. Where pages come later, one may have ended just now, and a
   * model cannot know whether that counts when the subscription ends then.
   */
  async calm(): Promise<void> {
    let turns = 0;
    for (let calls = this.#calls; turns < CALM_TURNS; turns++) {
      await settled();
      if (this.#calls === calls) continue;
      [calls, turns] = [this.#calls, 0];
    }
  }

  /** The process dies, and another one finds what was kept. */
  crash(): void {
    this.#life.alive = false;
    for (const n of this.hanging.keys()) this.#model.interrupted(n);
    this.hanging.clear();
    this.broker = this.#open();
  }
}

/** The object, until its owner's death: from then on these methods never answer. */
function mortal<T extends object>(target: T, life: Life, methods: readonly string[]): T {
  return new Proxy(target, {
    get(object, name) {
      const value = Reflect.get(object, name);
      if (typeof value !== "function") return value;
      // Closing a broker leaves the store and the state for the next one.
      if (name === "close") return () => Promise.resolve();
      const bound = value.bind(object);
      if (!methods.includes(String(name))) return bound;
      return (...args: unknown[]) => life.alive ? bound(...args) : new Promise(() => {});
    },
  });
}

function mortalClock(clock: Clock, life: Life): Clock {
  return {
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    setTimer: (callback, ms) => clock.setTimer(() => life.alive && callback(), ms),
  };
}
