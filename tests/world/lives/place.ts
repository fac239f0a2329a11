/**
 * Where a life takes place, as those who live it see it: processes that have a broker and an
 * operator's access to it. The simulated world is one (world_place.ts); a broker in this process,
 * on a disk in memory, is a small one that proves the model (local_place.ts).
 */
import type { Broker } from "../../../core/broker/broker.ts";
import type { DeadLetterInfo, SubscriptionInfo } from "../../../core/protocol/protocol.ts";
import type { Event } from "../../../core/event/event.ts";
import type { TopicLimits } from "./act.ts";

/** A delivery that was leased by hand. */
export interface HandLease {
  lease: string;
  attempt: number;
  event: Event;
}

/** What an operator, and a program without the library, can do. */
export interface Operator {
  topics(): Promise<{ name: string; firstSeq: number; lastSeq: number }[]>;
  createTopic(name: string, limits: TopicLimits): Promise<unknown>;
  changeTopic(name: string, limits: TopicLimits): Promise<unknown>;
  removeTopic(name: string): Promise<unknown>;
  subscriptions(): Promise<SubscriptionInfo[]>;
  pause(name: string, forMs: number | undefined): Promise<unknown>;
  resume(name: string): Promise<unknown>;
  seek(name: string, to: string): Promise<unknown>;
  removeSubscription(name: string): Promise<unknown>;
  retryNow(name: string): Promise<unknown>;
  lease(name: string, request: { max: number; leaseMs: number }): Promise<HandLease[]>;
  /** Returns those that were no longer held. */
  ack(name: string, leases: string[]): Promise<string[]>;
  release(name: string, leases: string[]): Promise<string[]>;
  nack(
    name: string,
    items: { lease: string; error: string; dead?: boolean; afterMs?: number }[],
  ): Promise<("retry" | "dead" | "lost" | "done")[]>;
  deadLetters(): Promise<(DeadLetterInfo & { unanswered: number })[]>;
  /** Names as `SUBSCRIPTION:ID`. */
  retryDead(names: string[]): Promise<{ count: number }>;
  removeDead(names: string[]): Promise<{ count: number }>;
  redact(topic: string, event: number | string): Promise<unknown>;
  scheduled(): Promise<{ topic: string; id: string }[]>;
  cancel(topic: string, id: string): Promise<unknown>;
  /** All events of a topic, from the first to the last. */
  read(topic: string): Promise<Event[]>;
  /** What is wrong with the data, as it is told to people. */
  damage(): Promise<string[]>;
}

/** What a process of a life has at hand. */
export interface Access {
  /** The process: its actor, and which of its lives it is. */
  holder: string;
  broker: Broker;
  operator: Operator;
  sleep(ms: number): Promise<void>;
}

/** Where a life takes place. */
export interface Place {
  /** True time, ms. */
  now(): number;
  /** The machine's wall clock, Unix ms. */
  wall(): number;
  sleep(ms: number): Promise<void>;
  /**
   * Runs `work` in the process of this actor, which is started if it is not there. Resolves when
   * the work has ended, or the process: then nothing more of it happens.
   */
  as(actor: string, work: (access: Access) => Promise<void>): Promise<void>;
  /** Called when a process of an actor has ended. */
  onGone: (holder: string) => void;
  /** Called with errors for which no caller waits. */
  onReport: (error: unknown, context: string) => void;
}
