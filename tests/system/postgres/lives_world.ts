/**
 * A database with three brokers in this process, which are closed and opened again, and what actors
 * (lives_actors.ts) were told while they used them: the judges (lives_judges.ts) compare that with
 * what is stored at the end.
 */
import { EventBroker } from "../../../mod.ts";
import { EvsError } from "../../../core/base/errors.ts";
import { PostgresState } from "../../../core/state/postgres/postgres_state.ts";
import { PostgresEventStore } from "../../../core/store/postgres/postgres_event_store.ts";

/** Topics; the last one is removed and made again. */
export const TOPICS = ["t.kept", "t.other", "t.removed"] as const;
/** Only `made` is removed and made again, and only `sought` is sought. */
export const SUBSCRIPTIONS = { kept: "t.kept", made: "t.other", sought: "t.*" } as const;
export const NAMES = Object.keys(SUBSCRIPTIONS) as (keyof typeof SUBSCRIPTIONS)[];
export type Name = keyof typeof SUBSCRIPTIONS;

const backoff = { kind: "fixed" as const, base: 1, max: 1, jitter: false };
export const SETTINGS = { maxRetries: 2, maxDeliveries: 1000, backoff, breaker: null };

/** Numbers below 1, always the same of a seed (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** What a publisher was told of an event. */
export interface Published {
  id: string;
  topic: string;
  /** Undefined: refused, or it is not known whether it was stored. */
  seq?: number;
  /** It was refused for good: it is not to be there. */
  refused?: true;
  /** How often its topic was removed, or began to be, when it was published, and when that ended. */
  removals: [number, number];
}

/** One delivery, in the order in which consumers got them. */
export interface Delivered {
  name: Name;
  topic: string;
  seq: number;
  id: string;
  key: string | undefined;
  attempt: number;
  /** It did not come in its turn: it failed before, also before its subscription was made again. */
  isRetry: boolean;
  /** Which life of the subscription it is of; undefined where that is not known. */
  life: number | undefined;
  /** What has begun attempts and orders anew; undefined where that is not known. */
  resets: number | undefined;
  /** It was answered with success, as far as its consumer knows. */
  acked: boolean;
  /** Its answer was taken. If not, it was somebody else's by then, or nobody knows. */
  taken: boolean;
}

/** A counter that is odd while what it counts is under way. */
export class Changes {
  count = 0;

  async during<T>(act: () => Promise<T>): Promise<T> {
    this.count++;
    try {
      return await act();
    } finally {
      this.count++;
    }
  }

  /** The count, if nothing has changed since `before`. */
  since(before: number): number | undefined {
    return before === this.count && before % 2 === 0 ? before : undefined;
  }
}

/** What may be told to whom does something while others do anything else. */
const EXPECTED = new Set([
  "broker/closed",
  "state/stale",
  "state/fenced",
  "store/outcome-unknown",
  "store/unavailable",
  "postgres/unavailable",
  "postgres/outcome-unknown",
  "topic/not-found",
  "subscription/not-found",
  "dead-letter/not-found",
  "event/not-found",
  "topic/exists",
  "topic/conflict",
  "subscription/conflict",
]);

/** Three brokers on one database. */
export class LivesWorld {
  readonly url: string;
  readonly seed: number;
  readonly brokers: EventBroker[] = [];
  readonly #states: PostgresState[] = [];
  readonly published: Published[] = [];
  readonly delivered: Delivered[] = [];
  /** Dead letters that somebody removed or edited, or may have: `SUBSCRIPTION TOPIC ID`. */
  readonly dismissed = new Set<string>();
  /** Events that somebody redacted, or may have: `TOPIC SEQ`. */
  readonly redacted = new Set<string>();
  readonly removals = new Map(TOPICS.map((topic) => [topic as string, new Changes()]));
  readonly lives = new Map(NAMES.map((name) => [name, new Changes()]));
  /** When the subscription of a life was made, by `NAME LIFE`: one may not have been removed. */
  readonly madeAt = new Map<string, number>();
  readonly resets = new Map(NAMES.map((name) => [name, new Changes()]));
  readonly errors: string[] = [];
  /** How often each act was done, and how often it was refused. */
  readonly acts = new Map<string, number>();
  /** Publishers and operators have ended, and handlers fail no more. */
  isCalm = false;
  /** Consumers end. */
  isOver = false;
  #actors = 0;

  private constructor(url: string, seed: number) {
    this.url = url;
    this.seed = seed;
  }

  static async start(url: string, seed: number): Promise<LivesWorld> {
    const world = new LivesWorld(url, seed);
    for (let n = 0; n < 3; n++) await world.open(n);
    const [first] = world.brokers;
    for (const topic of TOPICS) await first!.topics.create(topic);
    for (const name of NAMES) {
      const settings = name === "kept" ? SETTINGS : { ...SETTINGS, maxRetries: 1 };
      await first!.subscriptions.put(name, { topic: SUBSCRIPTIONS[name], from: "start", settings });
      const { record: { createdAt } } = first!.subscriptions.require(name);
      world.madeAt.set(`${name} 0`, createdAt);
    }
    return world;
  }

  /** Opens a broker, in place of the one that had its number. */
  async open(n: number): Promise<void> {
    const eventStore = await PostgresEventStore.open(this.url);
    const { wakeUps } = eventStore;
    const state = await PostgresState.open(this.url, { host: `n${n}`, wakeUps });
    const broker = new EventBroker({
      state,
      eventStore,
      onError: (error, context) => this.unexpected(error, `node ${n}: ${context}`),
    });
    await broker.ready;
    this.brokers[n] = broker;
    this.#states[n] = state;
  }

  async close(n: number): Promise<void> {
    await this.brokers[n]!.close();
  }

  /** A source of random numbers of its own for each actor. */
  random(): () => number {
    return randomOf(this.seed + 7919 * ++this.#actors);
  }

  any(random: () => number): EventBroker {
    return this.brokers[Math.floor(random() * this.brokers.length)]!;
  }

  /** Notes an error, unless it is one of those that come with what others do. */
  unexpected(error: unknown, context: string): void {
    if (error instanceof EvsError && EXPECTED.has(error.code)) return;
    const code = error instanceof EvsError ? `${error.code} ` : "";
    this.errors.push(`${context}: ${code}${error instanceof Error ? error.stack : error}`);
  }

  /** Does an act; false if it was refused. */
  async act(name: string, act: () => Promise<unknown>): Promise<boolean> {
    try {
      await act();
      this.acts.set(name, (this.acts.get(name) ?? 0) + 1);
      return true;
    } catch (error) {
      this.unexpected(error, name);
      this.acts.set(`${name} refused`, (this.acts.get(`${name} refused`) ?? 0) + 1);
      return false;
    }
  }
}

/** Lets others go on. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
