/**
 * What the model knows of an event, of what a subscription has done with it, of a subscription, of a
 * topic and of a run of a handler.
 */
import type { Request, Sent } from "./fact.ts";
import type { Settings, TopicLimits } from "./act.ts";

/** An event: whether it is stored, and where. */
export interface Known {
  readonly sent: Sent;
  /** The first request that asked for it. */
  readonly ask: number;
  readonly request: Request & { to: "publish" };
  readonly askedAt: number;
  state: "asked" | "stored" | "scheduled" | "refused" | "maybe";
  /** Given by its publisher, or by the broker; that is known once anybody has got the event. */
  id?: string;
  /** Once anybody has seen it. */
  seq?: number;
  keySeq?: number;
  /** When an answer said that it is stored or scheduled. */
  answeredAt?: number;
  /** When somebody was first shown its number, by the clock of WrittenDown. */
  shownAfter?: number;
  redaction?: "asked" | "done";
  /** Those of its numbers that were redacted, and when the answer came, by `at`. */
  readonly redactedAt: Map<number, number>;
  cancel?: "asked" | "done";
}

/** What a subscription has done with an event. */
export interface Work {
  readonly n: number;
  /** As it is if the last outcome was kept. */
  state: "waiting" | "running" | "done" | "dead";
  /** How many attempts were certainly counted, and how many may have been. */
  low: number;
  high: number;
  /** How many of the attempts before the last one may not have been counted. */
  unsure: number;
  /** Attempts before somebody granted fresh retries. */
  granted: number;
  /** Deliveries that ended without an answer. */
  cuts: number;
  beganAt: number;
  /** When it ended; since then an outcome is on its way. */
  endedAt: number;
  /** Not again before that, by `at`. */
  dueAt: number;
  /** A handler has said that it shall be dead. */
  isGivenUp: boolean;
  /** It was a dead letter and was sent again: other events of its key went on meanwhile. */
  isRevived: boolean;
  /** Nobody knows whether it was sent again: it may still be the dead letter that it was. */
  isPerhapsDead: boolean;
  /**
   * Nothing more is to be done, perhaps: it was done when somebody began with it who had leased it
   * long before, or whoever had done it says so later, or its dead letter was removed.
   */
  isPerhapsDone: boolean;
  /** When the lease ends of a holder that is gone, by `at`, and the attempt that this was. */
  lapse?: { at: number; attempt: number } | undefined;
  /** Its last outcome is certainly kept, or was kept or not: something was disturbed meanwhile. */
  isSure: boolean;
  inDoubt: boolean;
}

/** A subscription. */
export class Consumption {
  readonly name: string;
  readonly topic: string;
  readonly settings: Settings;
  readonly works = new Map<number, Work>();
  /** It certainly exists. */
  isMade = false;
  /** Since when it is certainly paused, and until when at least, by `at`. */
  paused?: { since: number; until: number };
  /** Somebody moved its cursor or removed it: only a part of the promises can be judged. */
  isLoose = false;
  /** Leases whose answer was lost: each may have cost any event an attempt that nobody knows of. */
  lostLeases = 0;

  constructor({ name, topic, settings }: Request & { to: "subscribe" }) {
    this.name = name;
    this.topic = topic;
    this.settings = settings;
  }

  takes(topic: string): boolean {
    return this.topic === topic ||
      (this.topic.endsWith(".*") && topic.startsWith(this.topic.slice(0, -1)));
  }

  /** What it has done with an event; of one that it never had, nothing. */
  find(n: number): Work {
    const none = {
      low: 0,
      high: 0,
      unsure: 0,
      granted: 0,
      cuts: 0,
      beganAt: -1,
      endedAt: -1,
      dueAt: 0,
    };
    const flags = {
      isGivenUp: false,
      isRevived: false,
      isPerhapsDead: false,
      isPerhapsDone: false,
    };
    const kept = { isSure: true, inDoubt: false };
    return this.works.get(n) ?? { n, state: "waiting" as const, ...none, ...flags, ...kept };
  }

  /** The same, to be changed. */
  work(n: number): Work {
    const work = this.find(n);
    this.works.set(n, work);
    return work;
  }
}

/** A topic. */
export class Log {
  /** Which event has which number, as somebody has seen it. */
  readonly numbers = new Map<number, number>();
  /** All limits that it may have had. */
  readonly limits: TopicLimits[] = [];
  /** What was asked for up to this request may be gone with the topic. */
  goneUpTo = -1;
  /** When somebody damaged its files, by `at`, and what was written down then; see WrittenDown. */
  readonly damages: { at: number; writtenUpTo: number }[] = [];

  get isDamaged(): boolean {
    return this.damages.length > 0;
  }

  /** True if limits may have deleted events. */
  get mayDelete(): boolean {
    return this.limits.some((one) =>
      one.maxEvents || one.maxBytes || one.retentionPeriod || one.drop === "consumed"
    );
  }

  /** True if everything that was stored must still be there. */
  get isWhole(): boolean {
    return !this.mayDelete && this.goneUpTo < 0 && !this.isDamaged;
  }
}

/** A delivery that has not ended. */
export interface Run {
  readonly run: number;
  readonly subscription: string;
  readonly holder: string;
  readonly n: number;
  readonly attempt: number;
  readonly isGuess: boolean | undefined;
  /** Its holder has it under a lease of the broker's: it did not fetch it before a disturbance. */
  readonly isFresh: boolean;
  /** Its attempt had been answered already: its lease has ended, and somebody else had the event. */
  readonly isOutdated: boolean;
  readonly beganAt: number;
  /** When its lease ends by itself. */
  readonly until: number;
}
