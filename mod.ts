/**
 * env-event-stream: an event stream for one machine, in a process.
 *
 * ```ts
 * import { defaultBroker } from "@env/env-event-stream";
 *
 * defaultBroker.subscribe<{ username: string }>("users", (event) => {
 *   console.log(`User created: ${event.payload.username}`);
 * });
 * await defaultBroker.publish("users", "user.created", { username: "first" });
 * ```
 *
 * @module
 */
import { EventBroker } from "./core/broker.ts";

export { type BrokerOptions, type CreateTopicOptions, EventBroker } from "./core/broker.ts";
export type { PublishOptions } from "./core/capture.ts";
export { type Clock, systemClock } from "./core/clock.ts";
export type {
  DeadLetterEntry,
  DeadLetterQuery,
  DeadLetterQueue,
} from "./core/dead_letter/queue.ts";
export {
  CannotStoreError,
  ClosedError,
  ConflictError,
  EventRefusedError,
  EvsError,
  InvalidArgumentError,
  InvalidSchemaError,
  NonRetryableError,
  NotFoundError,
  UnsupportedError,
} from "./core/errors.ts";
export type { Event, NewEvent, StoredEvent } from "./core/event.ts";
export type { BackoffSpec } from "./core/retry.ts";
export {
  type Break,
  compareSchemas,
  type Comparison,
} from "./core/schema/compatibility/compare.ts";
export { type CompatibilityLevel } from "./core/schema/compatibility/level.ts";
export { JsonSchemaRegistry, type SchemaRegistry } from "./core/schema/registry.ts";
export { type Upcast, Upcasters } from "./core/schema/upcasters.ts";
export { MemoryState } from "./core/state/memory.ts";
export type { State } from "./core/state/state.ts";
export { MemoryEventStore } from "./core/store/memory.ts";
export type { EventQuery, EventStore, Expected, JournalStore } from "./core/store/store.ts";
export { type Handler, type SubscribeOptions, Subscription } from "./core/subscription.ts";
export type { TopicOptions } from "./core/topic.ts";
export { Topic } from "./core/topic_handle.ts";

/** A broker in memory that the whole process shares. */
export const defaultBroker: EventBroker = new EventBroker();
