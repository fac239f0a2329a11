/**
 * The wire types, in one place. The daemon's routes produce them, the client and the commands
 * consume them, and schemas/openapi.json describes them (a test compares the two). Only types, so
 * that no program loads this file; the values are in constants.ts.
 *
 * HTTP/1.1 over a Unix socket; JSON and NDJSON bodies. Times are in Unix ms, durations in ms, sizes
 * in bytes.
 */
import type { PartOwners } from "./node.ts";
import type { ConsumerRequest, InFlightInfo, RetryInfo } from "./in_flight.ts";
import type { ErrorBody } from "../base/errors.ts";
import type { Attempt } from "../event/attempt.ts";
import type { DeadLetterFilter } from "../event/dead_letter_filter.ts";
import type { HeldBack } from "../event/held_back.ts";
import type { ExpiredRecord, MissedRecord } from "../event/missed.ts";
import type { PausedBy, SubscriptionSettings } from "../event/subscription_settings.ts";
import type { TopicOptions } from "../event/topic_options.ts";

/** The body of every response with a status of 400 or above. */
export interface ErrorReply {
  error: ErrorBody;
}

/** The query of `POST /v1/topics/{topic}/events`. */
export interface PublishQuery {
  /** The body (or each line) is a bare payload of this type; absent: envelopes. */
  type?: string;
  key?: string;
  /** A JSON pointer to the key in each payload: a string, number or boolean. */
  keyPointer?: string;
  schemaVersion?: string;
  /** A JSON object. */
  metadata?: string;
  /** For a single event only. */
  id?: string;
  /** Line n gets the id `PREFIX-n`. */
  idPrefix?: string;
  /** NDJSON: the number of the body's first line, for messages and `idPrefix`. Default 1. */
  line?: number;
  /** NDJSON: whether lines after a rejected one are still stored (`skip`). Default `stop`. */
  onError?: "stop" | "skip";
  /**
   * NDJSON of bare payloads without ids: stored as a whole or not at all. The first and the last id
   * end with this tag.
   */
  batch?: string;
  /** The body is text, and each line of it the payload of an event: a JSON string. */
  text?: "lines";
  /** A seq, `none`, `exists` or `any`. For a single event or a single array only. */
  expected?: string;
  /** The `keySeq` that the last event of the key must have; 0 for none. */
  expectedKeySeq?: number;
  /** Publish it this long after it was accepted, ms. For a single event only. */
  delayMs?: number;
  /** Publish it at this time: ISO 8601 with a zone, or Unix ms. For a single event only. */
  at?: string;
  /** Deliver it this long after it was published, ms, and not after that. */
  ttlMs?: number;
}

/** A line (or array element, from 1) that was rejected. */
export interface RefusedLine extends ErrorBody {
  line: number;
}

/**
 * The result of a publish. NDJSON with `onError=stop` and a rejected line answers 422 with this
 * body and `error`.
 */
export interface PublishReply {
  /** Events stored, not counting duplicates. */
  count: number;
  duplicates: number;
  /** 0 if nothing was stored. For a duplicate alone: the seq of the original. */
  firstSeq: number;
  lastSeq: number;
  /** False with `interval` and `os` durability. */
  durable: boolean;
  /** Non-empty lines that were processed. */
  lines: number;
  /**
   * In order; only if there are at most 100 events. A duplicate with the seq 0 is scheduled and not
   * published yet.
   */
  events?: {
    seq: number;
    id: string;
    schemaVersion: string;
    /** When it expires, Unix ms; absent: never, or not told for a duplicate. */
    expiresAt?: number;
    /** Its number within its key; absent without a key. */
    keySeq?: number;
    duplicate?: true;
  }[];
  /** In order; the first thousand. */
  refused: RefusedLine[];
  /** How many more lines were rejected than are listed; absent if none. */
  refusedMore?: number;
  /**
   * The event is published later: which, and when, Unix ms. It has the seq 0 until then, and is not
   * counted, except as a duplicate.
   */
  scheduled?: { id: string; dueAt: number };
  /** The event was published at once, because the time that it was scheduled for had passed. */
  past?: true;
  error?: ErrorBody;
}

/**
 * The query of `GET /v1/topics/{topic}/events`, and of `GET /v1/events?topic=…` with one or more
 * topics or patterns.
 */
export interface ReadQuery {
  topic?: string[];
  /** An offset: `start`, `end`, a seq, `-N`, `@time`. Default `start`; with `follow`, `end`. */
  from?: string;
  /**
   * An offset. A seq is inclusive; `@time` is exclusive; `end` (default) is the end as of the
   * request. Cannot be used with `follow`.
   */
  to?: string;
  type?: string[];
  /** CEL. */
  where?: string;
  limit?: number;
  /** `1`: of what is stored, only the newest event of each key, oldest first. */
  lastPerKey?: string;
  /** `1`: newest first. Cannot be used with `follow`. */
  reverse?: string;
  /** `1`: stay connected and send new events. */
  follow?: string;
  /**
   * Such as `1s`: when nothing was sent for that long, an empty line is, or a comment among
   * server-sent events.
   */
  heartbeat?: string;
  /**
   * `1`, with `follow`: a line beginning with RS (0x1e) reports events that were deleted before
   * they were read.
   */
  missed?: string;
  /** A topic to leave out, whatever patterns match it. */
  except?: string;
  /**
   * `TOPIC:SEQ`: read that topic from after SEQ, regardless of `from`; with `reverse`, below SEQ. A
   * reader resumes this way after a disconnect.
   */
  after?: string[];
}

/** Events per second, as exponentially weighted averages like those of a load average. */
export interface TopicRates {
  /** Over one minute. */
  last1m: number;
  /** Over 5 minutes. */
  last5m: number;
  /** Over 15 minutes. */
  last15m: number;
}

/** `GET /v1/topics/{topic}`; `GET /v1/topics` answers `{topics: TopicInfo[]}`. */
export interface TopicInfo extends Omit<TopicOptions, "store"> {
  /** Its name. */
  name: string;
  /** `default`: a custom store of the application. */
  store: TopicOptions["store"] | "none";
  /** The number of events currently stored. */
  events: number;
  /** Bytes of their payloads and metadata. */
  bytes: number;
  /** The lowest seq that is stored; `lastSeq + 1` if none is. */
  firstSeq: number;
  /** The last seq ever assigned; 0 before the first. */
  lastSeq: number;
  /** Unix ms. */
  createdAt: number;
  /** What is published to it; 0 at the start of the process. */
  rates: TopicRates;
  /**
   * When its newest event was published, Unix ms; absent if there is none. In a list also where it
   * is not known without reading.
   */
  newestAt?: number;
  /** How many deliveries of its events did not take place, because they had expired; absent: none. */
  expired?: number;
  /** What subscriptions hold back from its limits; absent if nothing. */
  heldBack?: HeldBack;
}

/** `PUT /v1/topics/{topic}` (create; 409 if it exists with other options) and `PATCH` (change). */
export type TopicRequest = Partial<TopicOptions>;

/** `PUT /v1/subscriptions/{name}`: create one, or attach to an existing one. */
export interface SubscriptionRequest {
  /** A topic or a pattern; the topic need not exist yet. */
  topic: string;
  /** Only used on creation. Default `start`. */
  from?: string;
  settings?: Partial<SubscriptionSettings>;
  /** Apply `settings` to an existing subscription that has different ones. */
  update?: boolean;
  /**
   * Resume a subscription that a breaker or an unrunnable command paused, as restarting `consume`
   * does. Never resumes a person's pause.
   */
  resume?: boolean;
}

/** `GET /v1/subscriptions/{name}`; the list answers `{subscriptions: SubscriptionInfo[]}`. */
export interface SubscriptionInfo {
  /** Its name. */
  name: string;
  /** The topic or pattern. */
  topic: string;
  /** How it treats its events. */
  settings: SubscriptionSettings;
  /** True while nothing is being delivered. */
  paused: boolean;
  /** Why it is paused. */
  pauseReason?: string;
  /** Who paused it. Only a person, or the end of the pause, resumes what a person paused. */
  pausedBy?: PausedBy;
  /** When the pause ends automatically, Unix ms. */
  pausedUntil?: number;
  /** Its position on each topic: the next seq, and how many events it is behind. */
  cursors: { topic: string; next: number; lastSeq: number; lag: number }[];
  /** Events not yet examined. */
  pending: number;
  /** Events being handled. */
  leased: number;
  /** Events waiting for a retry. */
  scheduled: number;
  /** Dead letters. */
  dead: number;
  /**
   * When the oldest event was stored that is pending or being handled, Unix ms; absent if there is
   * none, or as long as it is not known.
   */
  oldestPendingAt?: number;
  /** When the oldest of the leases was made, Unix ms; absent if there is none. */
  leasedSince?: number;
  /** Answers since the start of the process: `dead` are those that became dead letters. */
  settled: { acknowledged: number; failed: number; dead: number };
  /** Events that retention deleted before they were delivered. */
  missed: Omit<MissedRecord, "subscription">[];
  /** Events that expired before they were handled, by topic. */
  expired: Omit<ExpiredRecord, "subscription">[];
  /** Redacted events that were not delivered, since the daemon started; absent: none. */
  redacted?: number;
  /** The leased events, oldest lease first, at most 100; `leased` has the total. Not in a list. */
  inFlight?: InFlightInfo[];
  /** The next retries due, at most 10; `scheduled` has the total. Not in a list. */
  retries?: RetryInfo[];
  /** Which node owns which parts of it, where nodes share them out. Not in a list. */
  owners?: PartOwners[];
  /** Unix ms. */
  createdAt: number;
  /** On `PUT`: true if this request created it. */
  created?: boolean;
  /** On `PUT` without `update`: the names of requested settings that are not in force. */
  differs?: string[];
}

/** `POST /v1/subscriptions/{name}/lease`. */
export interface LeaseRequest {
  /** The most deliveries to return. Default 1, at most 1,000. */
  max?: number;
  /** How long the leases last, ms. Default 30,000. */
  leaseMs?: number;
  /** How long to wait for at least one delivery, ms. Default 0. */
  waitMs?: number;
  /** Release the leases (without counting an attempt) when this connection closes. */
  bind?: boolean;
  /** With `bind`: release them this long after it closed, ms. Default 0, at most 60,000. */
  lingerMs?: number;
  /** Answer as soon as nothing is pending, leased or scheduled, even while waiting. */
  untilEmpty?: boolean;
  /** Keep waiting while the subscription is paused, instead of answering at once. */
  throughPause?: boolean;
  /**
   * While waiting, send an empty line whenever nothing was sent for this long, ms. At least 100. If
   * the request fails after the first one, the connection is closed.
   */
  heartbeatMs?: number;
  /** Who is asking. */
  consumer?: ConsumerRequest;
}

/**
 * `POST /v1/subscriptions/{name}/begin`: handlers are starting on these leases. If the connection
 * that the leases are bound to breaks before they are answered, that counts as a delivery that
 * ended without an answer.
 */
export interface BeginRequest extends AckRequest {
  /** They start one after another shortly; which of them had started will not be known. */
  soon?: boolean;
  /** Leases whose handlers have finished since; their outcomes follow. */
  ended?: string[];
}

/** One delivery to one consumer. `event` is a wire line's JSON, its payload byte for byte. */
export interface DeliveryReply {
  lease: string;
  attempt: number;
  /**
   * The number of this delivery if earlier ones ended without an answer, or 1 if one may have.
   * Absent: the first.
   */
  delivery?: number;
  /**
   * Where nodes share the subscription out: rises each time that another node takes over the part
   * that the event is of. A handler that writes elsewhere can have a later one win.
   */
  epoch?: number;
  /** Unix ms. */
  expiresAt: number;
  event: unknown;
}

/** The response to a lease request. `deliveries` is written last. */
export interface LeaseReply {
  paused: boolean;
  pauseReason?: string;
  pausedBy?: PausedBy;
  pausedUntil?: number;
  pending: number;
  leased: number;
  scheduled: number;
  /** When the next scheduled retry is due, Unix ms. */
  nextDueAt?: number;
  /**
   * What retention deleted before it could be delivered, since a consumer was last told. Absent if
   * nothing.
   */
  missed?: readonly Omit<MissedRecord, "subscription">[];
  deliveries: DeliveryReply[];
}

/**
 * `POST /v1/subscriptions/{name}/ack`: settles all of them in one transaction. Those not held are
 * listed in `lost`.
 */
export interface AckRequest {
  leases: string[];
}

/** What failed, and how; see `Attempt`. */
export interface NackItem {
  lease: string;
  error: string;
  durationMs?: number;
  exitCode?: number;
  signal?: string;
  stderr?: string;
  stack?: string;
  /** Dead-letter it at once. */
  dead?: boolean;
  /** Retry after this long instead of the backoff, ms. */
  afterMs?: number;
}

/** `POST /v1/subscriptions/{name}/nack`. */
export interface NackRequest {
  deliveries: NackItem[];
}

/** `POST /v1/subscriptions/{name}/release`: gives leases back without counting an attempt. */
export type ReleaseRequest = AckRequest;

/** `POST /v1/subscriptions/{name}/extend`. */
export interface ExtendRequest extends AckRequest {
  leaseMs?: number;
}

/** The response to ack, nack, release and extend. */
export interface SettleReply {
  settled: number;
  /** Leases that were no longer held. */
  lost: string[];
  /** For a nack: the outcome of each, in order. `done`: the event was redacted meanwhile. */
  outcomes?: ("retry" | "dead" | "lost" | "done")[];
}

/**
 * `POST /v1/subscriptions/{name}/processed`: waits until everything in the topic up to `seq` is
 * done or dead-lettered.
 */
export interface ProcessedRequest {
  topic: string;
  seq: number;
  /** How long to wait, ms. Default 0: only check. */
  waitMs?: number;
}

/** The response to {@link ProcessedRequest}. */
export interface ProcessedReply {
  processed: boolean;
}

/** `POST /v1/subscriptions/{name}/pause`. `resume` has no body. */
export interface PauseRequest {
  reason?: string;
  /** Default `person`: starting a consumer then does not resume it. */
  by?: PausedBy;
  /** The pause ends automatically after this long, ms. Default: only when somebody resumes it. */
  forMs?: number;
}

/** `POST /v1/subscriptions/{name}/seek`. */
export interface SeekRequest {
  /** An offset; on a pattern only `start`, `end`, `@time`. */
  to: string;
  dryRun?: boolean;
}

/** What a seek did, or would do. */
export interface SeekReply {
  dryRun: boolean;
  topics: { topic: string; from: number; to: number }[];
  /** Events that will be delivered again. */
  redo: number;
  /** Events that will never be delivered. */
  skip: number;
  /** Events from the requested seq on that were deleted. Absent if none. */
  missed?: readonly Omit<MissedRecord, "subscription">[];
}

/**
 * `GET /v1/dead-letters`: NDJSON, newest first. `?limit=` pages the list, `?after=` takes the value
 * of the header `evs-next`.
 */
export interface DeadLetterInfo {
  subscription: string;
  topic: string;
  seq: number;
  id: string;
  type: string;
  key?: string;
  reason: string;
  diedAt: number;
  attempts: number;
  /**
   * For an edited copy: its original, `SUBSCRIPTION:ID`, which is removed when the copy succeeds.
   */
  editedFrom?: string;
  /** The edited copy that was sent of it, `SUBSCRIPTION:ID`. */
  editedAs?: string;
  /** The id of the group of its cause. */
  group?: string;
}

/** `GET /v1/dead-letters/{ID or SUBSCRIPTION:ID}`: `{deadLetters: DeadLetterDetail[]}`. */
export interface DeadLetterDetail extends Omit<DeadLetterInfo, "attempts"> {
  attempts: Attempt[];
  event: unknown;
}

/** `POST /v1/dead-letters/retry` and `/remove`. Without ids or filters, `all` must be true. */
export interface DeadLetterAction extends DeadLetterFilter {
  all?: boolean;
  dryRun?: boolean;
  /** Retry only: deliver to this subscription instead of the one that failed. */
  to?: string;
}

/**
 * The response to `POST /v1/dead-letters/import?retry=1&to=`. The request is NDJSON of
 * `DeadLetterDetail`, as returned by `GET /v1/dead-letters?full=1`.
 */
export interface DeadLetterImportReply {
  /** Entries that were accepted. */
  count: number;
  /** With `retry`: delivered as a copy with a new id, because the event was changed. */
  mended: number;
  /** With `retry`: delivered unchanged. */
  unchanged: number;
  /** Without `retry`: added to the queue. */
  added: number;
  /** Ignored: already in the queue or, with `retry`, already being retried. */
  present: number;
  /** Lines that were rejected, the first thousand; nothing from them was applied. */
  refused?: RefusedLine[];
  /** How many more were rejected. */
  refusedMore?: number;
}

/** What a dead-letter action did, or would do. */
export interface DeadLetterActionReply {
  count: number;
  dryRun: boolean;
  bySubscription: Record<string, number>;
}
