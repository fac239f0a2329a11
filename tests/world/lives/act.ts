/**
 * What the people and programs of a life do, as plain data. An act names what it acts on by numbers
 * that always mean something ("the pick-th dead letter that is there"), so that any part of a life
 * is a life: the engine makes a failing one smaller by leaving acts out.
 */
import type { Step } from "../types.ts";

/** What a handler does in one attempt. */
export type Behaviour =
  | "ok"
  | "skip"
  | "throw"
  | "retry"
  | "dead"
  | "hopeless"
  | "hang"
  | "publish";

/** An event to publish. */
export interface NewOne {
  n: number;
  key?: string;
  /** The publisher gives it an id of its own. */
  named?: boolean;
  /** What handlers do with it, attempt by attempt; afterwards they succeed. */
  script?: readonly Behaviour[];
  /** How long that takes them, ms. */
  takesMs?: number;
}

/** How a subscription treats its events. */
export interface Settings {
  concurrency: number;
  maxRetries: number;
  /** The wait before a retry, ms. */
  waitMs: number;
  /** An attempt that takes longer fails, ms. */
  timeoutMs: number;
  /** After this many deliveries without an answer, an event is a dead letter. */
  maxDeliveries: number;
  /** Up to this many events at once; absent: one by one. */
  batch?: number;
  /** Most handlers that begin, such as `10/s`. */
  rate?: string;
  prefetch?: number;
}

/** What is deleted of a topic; 0: nothing is. */
export interface TopicLimits {
  maxEvents?: number;
  maxBytes?: number;
  retentionPeriod?: number;
  keep?: "limits" | "unconsumed";
  drop?: "limits" | "consumed";
  deadMax?: number;
  deadRetention?: number;
  /** Where it lives, for good. */
  store?: "file" | "sqlite";
}

/** One act. The actor says who does it: a publisher, a consumer, a reader, an operator, `chaos`. */
export type Act =
  | {
    do: "publish";
    topic: string;
    events: readonly NewOne[];
    together?: boolean;
    /** `right`: what is true as far as the publisher knows; `wrong`: something else. */
    expect?: "right" | "wrong" | "none" | "key seq";
    delayMs?: number;
    ttlMs?: number;
  }
  /** The same event again, by its id. */
  | { do: "repeat"; pick: number }
  | { do: "publish all"; events: readonly (NewOne & { topic: string })[] }
  | { do: "create topic" | "change topic"; topic: string; limits: TopicLimits }
  | { do: "remove topic"; topic: string }
  | { do: "subscribe"; name: string; topic: string; settings: Settings }
  | { do: "unsubscribe" | "remove subscription" | "resume" | "retry now"; name: string }
  | { do: "pause"; name: string; forMs?: number }
  | { do: "seek"; name: string; to: "start" | "end" | "-2" }
  /** A consumer that leases by hand, and does that with what it got. */
  | {
    do: "lease";
    name: string;
    max: number;
    leaseMs: number;
    afterMs: number;
    then: "ack" | "nack" | "dead" | "release" | "nothing";
  }
  | { do: "retry dead" | "remove dead"; pick: number; all?: boolean }
  | { do: "redact" | "cancel"; pick: number }
  | { do: "read" | "tail"; topic: string }
  | { do: "stop daemon" | "kill daemon" | "power cut" | "heal" }
  | { do: "kill at disk"; after: number }
  | { do: "stand still"; who: string; ms: number }
  | { do: "kill"; who: string }
  | { do: "cut"; who?: string }
  | { do: "half close"; who: string }
  | { do: "network"; delayMs: number; cutChance: number; pieceBytes: number; ms: number }
  | { do: "stall"; ms: number }
  | { do: "clock"; byMs: number }
  | {
    do: "disk fault";
    kind: "EIO" | "ENOSPC" | "short";
    op: "write" | "sync" | "read";
    after: number;
    times: number;
    ms: number;
  }
  | { do: "full disk"; bytes: number; ms: number }
  | { do: "flip bit" | "take away"; path: string; nth: number; at: number; bit: number }
  | { do: "second daemon" }
  | { do: "doctor" | "backup" };

/** An act with its time and its actor, as the engine takes it. */
export function stepOf(act: Act, { id, at, actor }: Pick<Step, "id" | "at" | "actor">): Step {
  const { do: name, ...args } = act;
  // Through JSON, because that is what a kept failure is read from.
  return { id, at, actor, act: name, args: JSON.parse(JSON.stringify(args)) };
}

/** The act of a step. */
export function actOf({ act, args }: Pick<Step, "act" | "args">): Act {
  return { do: act, ...args } as unknown as Act;
}
