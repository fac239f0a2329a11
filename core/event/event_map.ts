/**
 * The types behind an event map, `{topic: {type: payload}}`. With a map, `publish` and `subscribe`
 * are type-checked and a handler gets a union of events, so that `switch (event.type)` narrows the
 * payload. Without one (`any`), any topic, type and payload is allowed.
 *
 * ```ts
 * import { EventBroker } from "@env/env-event-stream";
 *
 * interface Events {
 *   orders: { "order.placed": { total: number }; "order.cancelled": { reason: string } };
 * }
 * await using broker = new EventBroker<Events>();
 * broker.subscribe("orders", (event) => {
 *   if (event.type === "order.placed") console.log(event.payload.total);
 * });
 * await broker.publish("orders", "order.placed", { total: 7 });
 * ```
 */
import type { Event } from "./event.ts";

/** True for `any` only: a broker without a map. */
export type IsAny<E> = 0 extends 1 & E ? true : false;

/** Any name if there is no map; with a map, none. */
export type FreeName<E> = IsAny<E> extends true ? string : never;

/** The topics of a map. */
export type TopicName<E> = IsAny<E> extends true ? string : keyof E & string;

/** A topic of a map, or a pattern: a name with `*` (one dot-segment) or `**` (one or more). */
export type TopicPattern<E> = TopicName<E> | `${string}*${string}`;

/** The event types of one topic, or of several. */
export type TypeName<E, T> = IsAny<E> extends true ? string
  : T extends keyof E ? keyof E[T] & string
  : never;

/** The payload of a type on a topic. */
export type PayloadOf<E, T, Y> = IsAny<E> extends true
  // deno-lint-ignore no-explicit-any -- without a map a payload is read without a cast
  ? any
  : T extends keyof E ? Y extends keyof E[T] ? E[T][Y] : never
  : never;

/**
 * A payload as delivered: after a trip through JSON. A `Date` becomes its ISO string, and an object
 * with `toJSON` becomes what that returns.
 */
export type Delivered<T> = IsAny<T> extends true ? T
  : unknown extends T ? T
  : T extends { toJSON(...args: never[]): infer J } ? Delivered<J>
  : T extends string | number | boolean | null | undefined ? T
  : T extends object ? { [K in keyof T]: Delivered<T[K]> }
  : T;

/** The events of one topic, or of several: a union with one member per type. */
export type EventOf<E, T, Y = string> = IsAny<E> extends true ? Event
  : T extends keyof E & string ? {
      [K in keyof E[T] & string]: K extends Y ? Event<Delivered<E[T][K]>, K, T> : never;
    }[keyof E[T] & string]
  : never;

/** The topics of a map that match a name or pattern. */
export type Matching<E, P extends string> = IsAny<E> extends true ? string
  : P extends keyof E ? P
  : { [T in keyof E & string]: Matches<P, T> extends true ? T : never }[keyof E & string];

/** True if the pattern matches the topic; the same rule as `compilePattern` at run time. */
export type Matches<P extends string, T extends string> = P extends "**" ? true
  : P extends `**.${infer Rest}`
    ? T extends `${string}.${infer Tail}`
      ? Matches<Rest, Tail> extends true ? true : Matches<P, Tail>
    : false
  : P extends `${infer Head}.${infer Rest}`
    ? T extends `${infer First}.${infer Tail}`
      ? Head extends "*" | First ? Matches<Rest, Tail> : false
    : false
  : T extends `${string}.${string}` ? false
  : P extends "*" ? true
  : P extends T ? true
  : false;

/** One event of {@link Broker.publishBatch}. */
// deno-lint-ignore no-explicit-any -- without a map a payload is of any type
export interface Message<T = any, Y extends string = string> {
  /** What happened. */
  type: Y;
  /** Any JSON value. */
  payload: T;
  /** The idempotency key: publishing the same id again stores nothing. */
  id?: string;
  /** Orders and groups. */
  key?: string;
  /** The version of the payload's schema; default: the highest registered one. */
  schemaVersion?: string;
  /** Unix ms. */
  timestamp?: number;
  /** Its time to live: how long after publishing it is delivered, ms. */
  ttlMs?: number;
  /** Data that accompanies the payload. */
  metadata?: Record<string, unknown>;
}

/** The messages that a topic accepts: a union with one member per type. */
export type MessageOf<E, T> = IsAny<E> extends true ? Message
  : T extends keyof E ? { [K in keyof E[T] & string]: Message<E[T][K], K> }[keyof E[T] & string]
  : never;
