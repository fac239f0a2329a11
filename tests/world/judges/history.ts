/** Hand-made histories, to show what a judge finds. Each call is a fact, one second after the last. */
import type {
  Ending,
  Expectation,
  Fact,
  Happening,
  Outcome,
  Request,
  Seen,
} from "../lives/fact.ts";
import type { Settings, TopicLimits } from "../lives/act.ts";
import type { Finding } from "./judge.ts";
import { Judging } from "./all.ts";

/** How subscriptions are set up here. */
export const SETTINGS: Settings = {
  concurrency: 1,
  maxRetries: 1,
  waitMs: 100,
  timeoutMs: 1000,
  maxDeliveries: 3,
};

/** What is said of an event that is published. */
export interface Published {
  seq: number;
  topic?: string;
  key?: string;
  keySeq?: number;
  publisher?: string;
  expected?: Expectation;
  delayMs?: number;
  ttlMs?: number;
}

/** What is said of a delivery that begins. */
export interface Begun {
  seq: number;
  attempt?: number;
  isGuess?: boolean;
  key?: string;
  holder?: string;
  /** Of one that is leased by hand: when others may have it. */
  leaseMs?: number;
}

/** A history, and what is there at its end: by default what was published. */
export class History {
  readonly judging: Judging = new Judging();
  readonly stored: Seen[] = [];
  /** What is different at the end. */
  end: Partial<Ending> = {};
  #asks = 0;
  #runs = 0;
  #at = 0;

  /** Time passes. */
  pass(ms: number): void {
    this.#at += ms;
  }

  fact(happening: Happening): void {
    this.#at += 1000;
    const fact: Fact = { at: this.#at, wall: this.#at, ...happening };
    this.judging.take(fact);
  }

  /** A request and its good answer. */
  done(request: Request): void {
    const ask = ++this.#asks;
    this.fact({ is: "asked", ask, request });
    this.fact({ is: "done", ask });
  }

  /** A request that has no answer yet. */
  asked(request: Request): number {
    const ask = ++this.#asks;
    this.fact({ is: "asked", ask, request });
    return ask;
  }

  /** An event is published and acknowledged. */
  published(n: number, of: Published): void {
    const { topic = "a", key, seq, keySeq, publisher = "p", ...how } = of;
    const ask = ++this.#asks;
    const events = [{ n, topic, ...(key === undefined ? {} : { key }) }];
    const request: Request = { to: "publish", publisher, events, together: false, ...how };
    this.fact({ is: "asked", ask, request });
    this.fact({ is: "done", ask, receipts: [{ n, seq, ...(keySeq ? { keySeq } : {}) }] });
    if (seq > 0) this.stored.push(seen({ n, topic, seq, key, keySeq }));
  }

  /** The subscription s on topic a, or another one. */
  subscribed(settings: Partial<Settings> = {}, name = "s"): void {
    const all = { ...SETTINGS, ...settings };
    this.done({ to: "subscribe", name, topic: "a", holder: "c", settings: all });
  }

  limited(limits: TopicLimits): void {
    this.done({ to: "change topic", topic: "a", limits });
  }

  /** An event of topic a begins; returns the run. */
  began(n: number, of: Begun): number {
    const { seq, attempt = 1, key, holder = "c", isGuess, leaseMs } = of;
    const run = ++this.#runs;
    const event = seen({ n, topic: "a", seq, key });
    const until = leaseMs === undefined ? undefined : this.#at + 1000 + leaseMs;
    this.fact({ is: "began", run, subscription: "s", holder, event, attempt, isGuess, until });
    return run;
  }

  ended(run: number, outcome: Outcome, waitMs = 0): void {
    this.fact({ is: "ended", run, outcome, sure: true, waitMs });
  }

  /** An event of topic a is handled. */
  handled(n: number, of: Begun, outcome: Outcome): void {
    this.ended(this.began(n, of), outcome);
  }

  /** What all judges find. */
  findings(): readonly Finding[] {
    const names = [...new Set(["a", ...this.stored.map(({ topic }) => topic)])];
    const topics = names.map((name) => {
      const events = this.stored.filter(({ topic }) => topic === name);
      return { name, events, firstSeq: events[0]?.seq ?? 1, lastSeq: events.at(-1)?.seq ?? 0 };
    });
    const { subscriptions } = this.judging.model;
    return this.judging.end({
      at: this.#at + 10_000,
      wall: 0,
      topics,
      subscriptions: [...subscriptions.keys()].map((name) => infoOf(name)),
      dead: [],
      scheduled: [],
      damage: [],
      contents: [],
      ...this.end,
    });
  }
}

/** A subscription at the end, with nothing to do. */
export function infoOf(
  name: string,
  of: Partial<Ending["subscriptions"][number]> = {},
): Ending["subscriptions"][number] {
  const none = { pending: 0, leased: 0, scheduled: 0, dead: 0 };
  return { name, paused: false, ...none, missed: [], expired: [], cursors: [], ...of };
}

/** A dead letter of s at the end. */
export function deadLetter(
  n: number,
  of: Partial<Ending["dead"][number]> = {},
): Ending["dead"][number] {
  const why = { reason: "no good", attempts: 1, unanswered: 0 };
  return { subscription: "s", topic: "a", n, seq: n, ...why, ...of };
}

function seen(
  { n, topic, seq, key, keySeq }: Omit<Seen, "id" | "key"> & { key: string | undefined },
): Seen {
  const id = `id-${n}`;
  return {
    n,
    topic,
    seq,
    id,
    ...(key === undefined ? {} : { key }),
    ...(keySeq === undefined ? {} : { keySeq }),
  };
}
