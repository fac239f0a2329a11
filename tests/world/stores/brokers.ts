/**
 * Three brokers, one on each store, that are told the same. Each has a clock of its own, which is
 * moved by as much, and subscriptions whose handlers do what their event says and write down what
 * they were given.
 */
import assert from "node:assert/strict";
import { EvsError } from "../../../core/base/errors.ts";
import { EventBroker } from "../../../core/broker/event_broker.ts";
import { deadLetter, retry, skip } from "../../../core/delivery/outcome.ts";
import type { Subscription } from "../../../core/delivery/subscription.ts";
import type { Event } from "../../../core/event/event.ts";
import { MemoryState } from "../../../core/state/memory.ts";
import { SqliteState } from "../../../core/state/sqlite.ts";
import type { State } from "../../../core/state/state.ts";
import { FileEventStore } from "../../../core/store/file/file_event_store.ts";
import { MemoryEventStore } from "../../../core/store/memory.ts";
import { SqliteEventStore } from "../../../core/store/sqlite/sqlite_event_store.ts";
import type { JournalStore } from "../../../core/store/store.ts";
import { copyFolder } from "../../helpers/copy_folder.ts";
import { FakeClock, settled } from "../../helpers/fake_clock.ts";
import { MemoryDisk } from "../../helpers/memory_disk.ts";

/** What a handler does at an attempt; after the last one it is `ok`. */
export type Step = "ok" | "throw" | "dead" | "skip" | "retry";

/** How the subscriptions are set up. */
export interface Setup {
  concurrency: number;
  maxRetries: number;
  maxEvents: number;
  keep: "limits" | "unconsumed";
  drop: "limits" | "consumed";
}

/** What a broker is made of. */
interface Parts {
  eventStore: JournalStore;
  state: State;
}

/** Where a broker keeps what it has. */
interface Home {
  /** Opens what is there. */
  open(clock: FakeClock): Parts;
  /** The process has ended without a word; what it had open is not used any more. */
  kill(left: Parts): Promise<void>;
}

/** A broker, its clock, and what its handlers were given. */
export class Told {
  readonly name: string;
  readonly clock = new FakeClock(undefined, () => this.settle());
  /**
   * What each subscription was given of each key, and of each event without one: which of two keys,
   * or of two subscriptions, comes first is not promised.
   */
  readonly handled: Record<string, string[]> = {};
  readonly errors: string[] = [];
  readonly #setup: Setup;
  readonly #home: Home;
  #parts: Parts | undefined;
  #life = { alive: true };
  broker: EventBroker;
  subscriptions: Subscription[] = [];

  constructor(name: string, setup: Setup, home: Home) {
    this.name = name;
    this.#setup = setup;
    this.#home = home;
    this.broker = this.#start();
  }

  #start(): EventBroker {
    const isFirst = this.#parts === undefined;
    const life = this.#life = { alive: true };
    this.#parts = this.#home.open(this.clock);
    const broker = new EventBroker({
      ...this.#parts,
      clock: {
        now: () => this.clock.now(),
        monotonic: () => this.clock.monotonic(),
        // Nothing of a process that was killed happens any more.
        setTimer: (callback, ms) => this.clock.setTimer(() => life.alive && callback(), ms),
      },
      random: () => 0.5,
      onError: (error, context) => void this.errors.push(`${context}: ${error}`),
    });
    const { concurrency, maxRetries, maxEvents, keep, drop } = this.#setup;
    // Later its options may be others, or somebody has removed it.
    if (isFirst) broker.createTopic("t", { maxEvents, keep, drop });
    const options = { concurrency, maxRetries, retryDelay: 50, maxDeliveries: 10 };
    this.subscriptions = [
      broker.subscribe("t", this.#handler("one"), { ...options, name: "one" }),
      broker.subscribe("*", this.#handler("all"), { ...options, name: "all", eventTypes: ["a"] }),
      broker.subscribe("t", this.#handler("late"), { ...options, name: "late", from: "end" }),
    ];
    return broker;
  }

  #handler(name: string) {
    return ({ topic, seq, id, key, payload }: Event, { attempt }: { attempt: number }) => {
      const step = (payload as { steps: Step[] } | null)?.steps[attempt - 1] ?? "ok";
      const given = this.handled[`${name}: ${topic} ${key ?? id}`] ??= [];
      given.push(`${seq} ${id} ${attempt} ${step}`);
      switch (step) {
        case "throw":
          throw new Error("thrown");
        case "dead":
          return deadLetter("given up");
        case "skip":
          return skip("not mine");
        case "retry":
          return retry({ afterMs: 70 });
        case "ok":
          return;
      }
    };
  }

  /**
   * Lets everything that follows happen: the disk is in memory, and SQLite does not wait. What is
   * read ahead is read in the next turn of the process.
   */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 20; turn++) await settled();
    await new Promise((resolve) => setTimeout(resolve, 0));
    for (let turn = 0; turn < 20; turn++) await settled();
  }

  async restart(): Promise<void> {
    await this.broker.close();
    this.broker = this.#start();
  }

  async kill(): Promise<void> {
    this.#life.alive = false;
    await this.#home.kill(this.#parts!);
    this.broker = this.#start();
  }
}

/** The three; each keeps what it has through a restart and a kill. */
export function brokers(folder: string, setup: Setup): Told[] {
  return [
    new Told("memory", setup, inMemory()),
    new Told("sqlite", setup, inSqlite(`${folder}/sqlite`)),
    new Told("file", setup, inFiles(`${folder}/file`)),
  ];
}

/** The process of a store in memory does not end: the next broker has the same one. */
function inMemory(): Home {
  let parts: Parts | undefined;
  return {
    open: (clock) =>
      parts ??= {
        eventStore: unclosed(new MemoryEventStore({ clock })),
        state: unclosed(new MemoryState()),
      },
    kill: () => Promise.resolve(),
  };
}

function inSqlite(folder: string): Home {
  const files = new Copies(folder);
  return {
    open: (clock) => ({
      eventStore: new SqliteEventStore(`${files.dir}/events.db`, {
        clock,
        durability: "os",
        lock: false,
      }),
      state: new SqliteState(`${files.dir}/state.db`, { lock: false }),
    }),
    async kill({ eventStore, state }) {
      await files.copy();
      await eventStore.close();
      await state.close();
    },
  };
}

function inFiles(folder: string): Home {
  const files = new Copies(folder);
  let disk = new MemoryDisk();
  return {
    open: (clock) => ({
      eventStore: new FileEventStore("/data/events", {
        disk,
        clock,
        segments: { maxBytes: 6000 },
      }),
      state: new SqliteState(`${files.dir}/state.db`, { lock: false }),
    }),
    async kill({ state }) {
      disk = disk.kill();
      await files.copy();
      await state.close();
    },
  };
}

/** A folder, and the next one with a copy of what it had when its process was killed. */
class Copies {
  readonly #folder: string;
  #n = 0;

  constructor(folder: string) {
    this.#folder = folder;
    Deno.mkdirSync(this.dir, { mode: 0o700 });
  }

  get dir(): string {
    return `${this.#folder}-${this.#n}`;
  }

  async copy(): Promise<void> {
    const from = this.dir;
    this.#n++;
    await copyFolder(from, this.dir);
  }
}

function unclosed<T extends object>(target: T): T {
  return new Proxy(target, {
    get(object, name) {
      const value = Reflect.get(object, name);
      if (name === "close") return () => Promise.resolve();
      return typeof value === "function" ? value.bind(object) : value;
    },
  });
}

/** Does the same with all of them, and compares what they answer and what followed. */
export async function tellAll(
  all: readonly Told[],
  what: string,
  act: (told: Told) => Promise<unknown>,
): Promise<void> {
  const answers = [];
  for (const told of all) {
    const answer = await answerOf(() => act(told));
    await told.settle();
    answers.push({ answer, ...await everythingOf(told) });
  }
  for (const [i, answer] of answers.entries()) {
    assert.deepEqual(answer, answers[0], `${what}: ${all[i]!.name} is other than ${all[0]!.name}`);
  }
}

async function answerOf(act: () => Promise<unknown>): Promise<unknown> {
  try {
    return plain(await act());
  } catch (error) {
    if (error instanceof EvsError) return { error: error.code };
    throw error;
  }
}

/** All that can be seen of a broker. */
async function everythingOf({ broker, handled, errors }: Told): Promise<unknown[]> {
  const { topics, subscriptions } = await broker.stats();
  const dead = await broker.getDeadLetterQueue().getEvents();
  const { scheduled } = await broker.scheduledEvents();
  return [
    plain({
      handled,
      errors,
      topics,
      subscriptions,
      dead: dead.map((one) => JSON.stringify(plain(one))).sort(),
      scheduled,
      groups: (await broker.deadLetterGroups.list())
        .map(({ reason, count }) => `${count} of ${reason}`).sort(),
    }),
  ];
}

/** Lists of what subscriptions did in each topic, or of subscriptions: in no promised order. */
const UNORDERED = ["by", "expired", "missed", "cursors"];

/**
 * Without what is undefined, the name of the store, and the numbers within keys (key_book.ts says
 * why those may differ).
 */
function plain(value: unknown): unknown {
  const text = JSON.stringify(value ?? null, (name, member) => {
    if (name === "keySeq" || name === "store") return undefined;
    if (!UNORDERED.includes(name) || !Array.isArray(member)) return member;
    return member.map((one) => JSON.stringify(one)).sort();
  });
  return JSON.parse(text);
}
