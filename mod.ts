/**
 * env-event-stream: an event stream for one machine, inside your process.
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
import "./core/broker/shared_modules.ts";

export {
  type BrokerOptions,
  type CreateTopicOptions,
  EventBroker,
} from "./core/broker/event_broker.ts";
export type { PublishOptions } from "./core/broker/publish_options.ts";
export type { OutboxTransaction } from "./core/store/outbox.ts";
export { type Cause, causedBy } from "./core/event/causation.ts";
export { type Clock, systemClock } from "./core/base/clock.ts";
export type {
  ConsumerFacts,
  ConsumerRequest,
  InFlightInfo,
  RetriesNowReply,
  RetriesNowRequest,
  RetriesPage,
  RetriesReply,
  RetryInfo,
} from "./core/protocol/in_flight.ts";
export type { ScheduleOption } from "./core/event/schedule.ts";
export type {
  CancelScheduledReply,
  CancelScheduledRequest,
  ScheduledInfo,
  ScheduledPage,
  ScheduledReply,
} from "./core/protocol/scheduled.ts";
export type { PartOwners } from "./core/protocol/node.ts";
export type { SubscriptionInfo, TopicInfo, TopicRates } from "./core/protocol/protocol.ts";
export type { HeldBack } from "./core/event/held_back.ts";
export type { BrokerStats } from "./core/broker/stats.ts";
export type { BreakerSpec } from "./core/event/breaker.ts";
export type { PausedBy } from "./core/event/subscription_settings.ts";
export {
  connect,
  type ConnectOptions,
  type DatabaseBrokerOptions,
} from "./core/client/broker/connect.ts";
export type { RemoteBroker } from "./core/client/broker/remote_broker.ts";
export { defaultBroker } from "./core/broker/default_broker.ts";
export { FileDeadLetterQueue, type FileDeadLetterQueueOptions } from "./core/dead_letter/file.ts";
export type {
  DeadLetterDetails,
  DeadLetterEntry,
  DeadLetterHost,
  DeadLetterQuery,
  DeadLetterQueue,
  DeadLetterTrim,
  DeadLetterTrimmed,
} from "./core/dead_letter/queue.ts";
export type {
  DeadLetterGroup,
  DeadLetterGroupAct,
  DeadLetterGroupBy,
  DeadLetterGroupDetail,
  DeadLetterGroupList,
  DeadLetterGroupNote,
  DeadLetterGroupQuery,
  DeadLetterGroups,
  DeadLetterGroupState,
  DeadLetterSample,
  DismissOptions,
  LastGroupAct,
} from "./core/protocol/dead_letter_groups.ts";
export type { DeadLetterFilter } from "./core/event/dead_letter_filter.ts";
export {
  type BatchHandler,
  type Handler,
  type HandlerContext,
  type Middleware,
} from "./core/delivery/handler.ts";
export {
  deadLetterOn,
  type DeadLetterOptions,
  dedup,
  type DedupOptions,
  reliable,
  type ReliableOptions,
  retryOn,
  type RetryOptions,
  timeout,
} from "./core/delivery/middleware.ts";
export { deadLetter, HandlerOutcome, retry, skip } from "./core/delivery/outcome.ts";
export {
  BrokenHistoryError,
  CannotStoreError,
  ClosedError,
  ConflictError,
  ConnectionLostError,
  type ErrorBody,
  type ErrorOptions,
  EventRefusedError,
  EvsError,
  ExitCode,
  HandlerTimeoutError,
  InvalidArgumentError,
  InvalidSchemaError,
  NoDaemonError,
  NonRetryableError,
  NotAnsweringError,
  NotFoundError,
  OverflowError,
  ProjectionError,
  RedactedEventError,
  SnapshotError,
  UnknownEventTypeError,
  UnsupportedError,
  VersionConflictError,
} from "./core/base/errors.ts";
export {
  type CloudEvent,
  type EventFromCloudEvent,
  fromCloudEvent,
  toCloudEvent,
  type ToCloudEventOptions,
} from "./core/event/cloud_event.ts";
export type { Event, NewEvent, StoredEvent } from "./core/event/event.ts";
export { type RedactedContent, type Redaction, redactionOf } from "./core/event/redaction.ts";
export type { RedactOptions, RedactReply } from "./core/protocol/redaction.ts";
export type {
  Delivered,
  EventOf,
  FreeName,
  IsAny,
  Matches,
  Matching,
  Message,
  MessageOf,
  PayloadOf,
  TopicName,
  TopicPattern,
  TypeName,
} from "./core/event/event_map.ts";
export type { BackoffSpec } from "./core/event/backoff.ts";
export {
  type Break,
  compareSchemas,
  type Comparison,
} from "./core/schema/compatibility/compare.ts";
export { COMPATIBILITY_LEVELS, type CompatibilityLevel } from "./core/event/compatibility_level.ts";
export type { FromSchema, SchemaIntersection, SchemaOwnType } from "./core/schema/from_schema.ts";
export type { Fault } from "./core/schema/validator/faults.ts";
export {
  JsonSchemaRegistry,
  type SchemaPlan,
  type SchemaRegistry,
  type SchemaRequest,
} from "./core/schema/registry.ts";
export { AggregateRoot, type RecordOptions } from "./core/sourcing/aggregate.ts";
export { FileSnapshotStore } from "./core/sourcing/file_snapshots.ts";
export type { SourcingBroker } from "./core/sourcing/history.ts";
export {
  Projection,
  type ProjectionDefinition,
  type ProjectionOptions,
} from "./core/sourcing/projection.ts";
export {
  FileProjectionStore,
  MemoryProjectionStore,
  type ProjectionRecord,
  type ProjectionStore,
} from "./core/sourcing/projection_store.ts";
export {
  EventSourcedRepository,
  type RepositoryOptions,
  type UpdateOptions,
} from "./core/sourcing/repository.ts";
export {
  MemorySnapshotStore,
  type Snapshot,
  type SnapshotPolicy,
  type SnapshotStore,
} from "./core/sourcing/snapshot.ts";
export { type Upcast, Upcasters, withUpcasts } from "./core/sourcing/upcasting_store.ts";
export { MemoryState } from "./core/state/memory.ts";
export { PostgresState, type PostgresStateOptions } from "./core/state/postgres/postgres_state.ts";
export { SqliteState } from "./core/state/sqlite.ts";
export type {
  ExpiredRecord,
  LevelRecord,
  MissedRecord,
  SchemaRecord,
  State,
  SubscriptionSettings,
} from "./core/state/state.ts";
export { FileEventStore, type FileStoreOptions } from "./core/store/file/file_event_store.ts";
export type { SegmentLimits } from "./core/store/file/topic_writer.ts";
export type { Commit } from "./core/store/journal.ts";
export type { Durability } from "./core/event/durability.ts";
export type { StoreKind } from "./core/event/topic_options.ts";
export type { StoreShelf } from "./core/store/routed_store.ts";
export { MemoryEventStore } from "./core/store/memory.ts";
export { type AppendView, decideAppend } from "./core/store/append.ts";
export {
  appendInGroups,
  EMPTY_TOPIC,
  type GroupedAppend,
  type TopicLookups,
} from "./core/store/atomic_group.ts";
export type { DedupWindow, GivenIds } from "./core/store/dedup.ts";
export type { KeyCounts } from "./core/store/key_seqs.ts";
export type { Damage, Found } from "./core/store/damage.ts";
export { eventsOf, type PackedRequest, type StoreRequest } from "./core/store/pack.ts";
export {
  PostgresEventStore,
  type PostgresStoreOptions,
} from "./core/store/postgres/postgres_event_store.ts";
export type { PostgresOptions } from "./core/postgres/url.ts";
export {
  SqliteEventStore,
  type SqliteStoreOptions,
} from "./core/store/sqlite/sqlite_event_store.ts";
export {
  type Appended,
  type AppendOptions,
  type AppendOutcome,
  type AppendRequest,
  type AtomicGroup,
  type Condition,
  type EventQuery,
  type EventReader,
  type EventStore,
  type Expected,
  type ExpectedKeySeq,
  type JournalStore,
  type KeyQuery,
  type LinePage,
  type Page,
  PAGE_BYTES,
  type PageQuery,
  type RedactRequest,
  type TopicHead,
} from "./core/store/store.ts";
export {
  EventStream,
  type Overflow,
  type StreamOptions,
  type StreamSource,
} from "./core/broker/event_stream.ts";
export type { Missed } from "./core/reading/missed.ts";
export type { MaybePromise } from "./core/base/maybe_promise.ts";
export {
  type BatchOptions,
  type Position,
  type SubscribeOptions,
  Subscription,
  type WaitOptions,
} from "./core/delivery/subscription.ts";
export type { SchemaMode, TopicOptions } from "./core/event/topic_options.ts";
export { Topic } from "./core/broker/topic_handle.ts";
export {
  Broker,
  type PayloadMap,
  type PublishAllOptions,
  type PublishBatchOptions,
  type RegisterSchemaOptions,
} from "./core/broker/broker.ts";
export type {
  AddressedMessage,
  AddressedMessageOf,
  Expectations,
} from "./core/broker/publish_all.ts";
