/**
 * A small place for lives: one broker in this process, with a file store on a disk in memory, and a
 * clock that the life moves. It proves the model and the judges without sockets and processes; all
 * actors share the broker and end with it.
 */
import { EventBroker } from "../../../core/broker/event_broker.ts";
import type { Clock } from "../../../core/base/clock.ts";
import { MemoryState } from "../../../core/state/memory.ts";
import { FileEventStore } from "../../../core/store/file/file_event_store.ts";
import type { EventStore } from "../../../core/store/store.ts";
import type { State } from "../../../core/state/state.ts";
import { FakeClock } from "../../helpers/fake_clock.ts";
import { MemoryDisk } from "../../helpers/memory_disk.ts";
import type { Random } from "../types.ts";
import { LocalOperator } from "./local_operator.ts";
import type { Access, Place } from "./place.ts";

/** One life of the process. */
interface Life {
  alive: boolean;
  ended: Promise<void>;
  end(): void;
  number: number;
}

/** Time passes in steps of at most this, ms: in between, timers of the runtime get their turn. */
const STEP_MS = 250;

/** One broker, its disk and its clock. */
export class LocalPlace implements Place {
  readonly clock = new FakeClock();
  onGone: (holder: string) => void = () => {};
  onReport: (error: unknown, context: string) => void = () => {};
  readonly #random: Random;
  readonly #holders = new Set<string>();
  #disk = new MemoryDisk();
  #state = new MemoryState();
  #life: Life;
  #lives = 0;
  #broker: EventBroker;

  constructor(random: Random) {
    this.#random = random;
    this.#life = this.#newLife();
    this.#broker = this.#open();
  }

  now(): number {
    return this.clock.monotonic();
  }

  wall(): number {
    return this.clock.now();
  }

  get disk(): MemoryDisk {
    return this.#disk;
  }

  async sleep(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= STEP_MS) {
      await this.clock.pass(Math.min(STEP_MS, left));
      await turn();
    }
    await turn();
  }

  async as(actor: string, work: (access: Access) => Promise<void>): Promise<void> {
    const { number, ended } = this.#life;
    const holder = `${actor}#${number}`;
    this.#holders.add(holder);
    const broker = this.#broker;
    const sleep = (ms: number) =>
      new Promise<void>((resolve) => void this.clock.setTimer(resolve, ms));
    await Promise.race([
      work({ holder, broker, operator: new LocalOperator(broker), sleep }),
      ended,
    ]);
  }

  /** The broker is closed in order, and opened again. */
  async restart(): Promise<void> {
    let closed = false;
    const closing = this.#broker.close().then(() => closed = true);
    while (!closed) await this.sleep(STEP_MS);
    await closing;
    this.#again(this.#disk.kill());
  }

  kill(): void {
    this.#again(this.#disk.kill());
  }

  powerCut(): void {
    this.#again(this.#disk.powerCut(() => this.#random.next()));
  }

  #again(disk: MemoryDisk): void {
    this.#life.alive = false;
    this.#life.end();
    for (const holder of this.#holders) this.onGone(holder);
    this.#holders.clear();
    this.#disk = disk;
    this.#life = this.#newLife();
    this.#broker = this.#open();
  }

  #newLife(): Life {
    const { promise, resolve } = Promise.withResolvers<void>();
    return { alive: true, ended: promise, end: resolve, number: ++this.#lives };
  }

  #open(): EventBroker {
    const life = this.#life;
    const clock: Clock = {
      now: () => this.clock.now(),
      monotonic: () => this.clock.monotonic(),
      setTimer: (callback, ms) => this.clock.setTimer(() => life.alive && callback(), ms),
    };
    const store = new FileEventStore("/data/events", {
      disk: this.#disk,
      clock,
      segments: { maxBytes: 4_000 },
    });
    return new EventBroker({
      eventStore: mortal(store, life, ["append", "appendTelling", "truncate"]) as EventStore,
      state: mortal(this.#state, life, ["commit"]) as State,
      clock,
      random: () => this.#random.next(),
      onError: (error, context) => life.alive && this.onReport(error, context),
    });
  }
}

/** The object, until its process ends: from then on these methods never answer. */
function mortal<T extends object>(target: T, life: Life, methods: readonly string[]): T {
  return new Proxy(target, {
    get(object, name) {
      const value = Reflect.get(object, name);
      if (typeof value !== "function") return value;
      // The state is left for the next life.
      if (name === "close" && object instanceof MemoryState) return () => Promise.resolve();
      const bound = value.bind(object);
      if (!methods.includes(String(name))) return bound;
      return (...args: unknown[]) => life.alive ? bound(...args) : new Promise(() => {});
    },
  });
}

/** Lets the timers of the runtime that are due have their turn. */
async function turn(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 0));
  await new Promise((resolve) => setTimeout(resolve, 0));
}
