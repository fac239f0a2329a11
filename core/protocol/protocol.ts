/**
 * The wire types, once. The daemon's routes produce them, the client and the commands consume them,
 * and schemas/openapi.json describes them (a test holds one against the other).
 *
 * HTTP/1.1 over a Unix socket; JSON and NDJSON bodies. Times are Unix ms, durations ms, sizes
 * bytes.
 */
import type { ConsumerRequest, InFlightInfo, RetryInfo } from "./in_flight.ts";
import type { ErrorBody } from "../base/errors.ts";
import type { Attempt } from "../event/attempt.ts";
import type { DeadLetterFilter } from "../event/dead_letter_filter.ts";
import type { MissedRecord } from "../event/missed.ts";
import type { PausedBy, SubscriptionSettings } from "../event/subscription_settings.ts";
import type { TopicOptions } from "../event/topic_options.ts";

/**
 * The number that client and daemon compare (never their versions): it rises when one could
 * misunderstand the other. Sent by both as the header {@link PROTOCOL_HEADER}; a request without it
 * (curl) is taken as this protocol.
 */
export const PROTOCOL = 1;
export const PROTOCOL_HEADER = "evs-protocol";

/**
 * How the names of subscriptions begin that a client made without one: removed when they are left
 * alone.
 */
export const UNNAMED = "unnamed-";

/** The body of every answer with a status of 400 or above. */
export interface ErrorReply {
  error: ErrorBody;
}

/** `POST /v1/topics/{topic}/events` and what its query says. */
export interface PublishQuery {
  /** The body (or each line) is a bare payload of this type; absent: envelopes. */
  type?: string;
  key?: string;
  /** A JSON pointer into each payload; what it finds (a string, number or boolean) is the key. */
  keyPointer?: string;
  schemaVersion?: string;
  /** A JSON object. */
  metadata?: string;
  /** One event only. */
  id?: string;
  /** Line n gets the id `PREFIX-n`. */
  idPrefix?: string;
  /** NDJSON: the number of the body's first line, for messages and `idPrefix`. Default 1. */
  line?: number;
  /** NDJSON: what a refused line does to those behind it. Default `stop`. */
  onError?: "stop" | "skip";
  /**
   * NDJSON of bare payloads without ids: stored as a whole or not at all; its first and its last id
   * end with this.
   */
  batch?: string;
  /** A seq, `none`, `exists` or `any`. One event or one array only. */
  expected?: string;
}

/** A line (or array element, from 1) that was not stored. */
export interface RefusedLine extends ErrorBody {
  line: number;
}

/**
 * What a publish did. NDJSON with `onError=stop` and a refused line answers 422 with this body and
 * `error`.
 */
export interface PublishReply {
  /** Events stored, less duplicates. */
  count: number;
  duplicates: number;
  /** 0 when nothing was stored. A duplicate alone: the seq that it first got. */
  firstSeq: number;
  lastSeq: number;
  /** False under `interval` and `os` durability. */
  durable: boolean;
  /** Non-empty lines that were looked at. */
  lines: number;
  /** In order; only for at most 100 events. */
  events?: { seq: number; id: string; schemaVersion: string; duplicate?: true }[];
  /** In order; the first thousand. */
  refused: RefusedLine[];
  /** Lines that were refused and are not listed, where there are any. */
  refusedMore?: number;
  error?: ErrorBody;
}

/**
 * `GET /v1/topics/{topic}/events`, and `GET /v1/events?topic=…` with one or more topics or
 * patterns.
 */
export interface ReadQuery {
  topic?: string[];
  /** An offset: `start`, `end`, a seq, `-N`, `@time`. Default `start`; with `follow`, `end`. */
  from?: string;
  /**
   * An offset. A seq is inclusive; `@time` is not; `end` (default) is the end as it is now. Not
   * with `follow`.
   */
  to?: string;
  type?: string[];
  /** CEL. */
  where?: string;
  limit?: number;
  /** `1`: stay and send what comes. */
  follow?: string;
  /**
   * `1`, with `follow`: a line that begins with RS (0x1e) tells of events that were deleted before
   * they were read.
   */
  missed?: string;
  /**
   * `TOPIC:SEQ`: read that topic from behind SEQ, whatever `from` says. How a tail goes on after a
   * break.
   */
  after?: string[];
}

/** `GET /v1/topics/{topic}`; `GET /v1/topics` answers `{topics: TopicInfo[]}`. */
export interface TopicInfo extends Omit<TopicOptions, "store"> {
  name: string;
  /** `default`: a store of the application's own. */
  store: TopicOptions["store"] | "none";
  /** Events that are there now. */
  events: number;
  bytes: number;
  firstSeq: number;
  lastSeq: number;
  createdAt: number;
}

/**
 * `PUT /v1/topics/{topic}` (create; 409 if it is there with other options) and `PATCH` (change).
 */
export type TopicRequest = Partial<TopicOptions>;

/** `PUT /v1/subscriptions/{name}`: create, or attach to one that is there. */
export interface SubscriptionRequest {
  /** A topic or a pattern; the topic need not be there yet. */
  topic: string;
  /** Only on creation. Default `start`. */
  from?: string;
  settings?: Partial<SubscriptionSettings>;
  /** Take `settings` over on a subscription that has others. */
  update?: boolean;
  /**
   * Resume what a breaker or a command that cannot be run paused, as starting `consume` again does;
   * never a person's pause.
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
  /** True while nothing is delivered. */
  paused: boolean;
  /** Why it is paused. */
  pauseReason?: string;
  /** Who paused it: what a person paused only a person resumes, or the end of the pause. */
  pausedBy?: PausedBy;
  /** When the pause ends by itself, Unix ms. */
  pausedUntil?: number;
  /** Where it is on each topic: the next seq, and how many events behind. */
  cursors: { topic: string; next: number; lastSeq: number; lag: number }[];
  /** Events not yet looked at. */
  pending: number;
  /** Being handled. */
  leased: number;
  /** Waiting for a retry. */
  scheduled: number;
  /** Given up. */
  dead: number;
  /** What retention took before it was seen. */
  missed: Omit<MissedRecord, "subscription">[];
  /**
   * What consumers have in hand, longest first, at most 100; `leased` has the total. Not in a list.
   */
  inFlight?: InFlightInfo[];
  /** The retries that are due next, at most 10; `scheduled` has the total. Not in a list. */
  retries?: RetryInfo[];
  /** Unix ms. */
  createdAt: number;
  /** On `PUT`: it was made by this request. */
  created?: boolean;
  /** On `PUT` without `update`: settings that were asked for and are not in force, by name. */
  differs?: string[];
}

/** `POST /v1/subscriptions/{name}/lease`. */
export interface LeaseRequest {
  /** At most this many deliveries. Default 1, at most 1,000. */
  max?: number;
  /** How long they are held, ms. Default 30,000. */
  leaseMs?: number;
  /** Wait for at least one, at most this long, ms. Default 0. */
  waitMs?: number;
  /** Give the leases back (uncounted) when this connection closes. */
  bind?: boolean;
  /** With `bind`: give them back this long after it has closed, ms. Default 0, at most 60,000. */
  lingerMs?: number;
  /** Answer at once, even while waiting, when nothing is pending, leased or scheduled. */
  untilEmpty?: boolean;
  /** Wait on while the subscription is paused, instead of being told at once. */
  throughPause?: boolean;
  /** Who asks; see there. */
  consumer?: ConsumerRequest;
}

/**
 * `POST /v1/subscriptions/{name}/begin`: handlers begin with these leases. When the connection that
 * they are bound to is gone before they are answered, that is a delivery that ended without an
 * answer.
 */
export interface BeginRequest extends AckRequest {
  /** They begin one after another, soon: which of them had begun will not be known. */
  soon?: boolean;
  /** Leases whose handlers have ended since; what they answered follows. */
  ended?: string[];
}

/** One event handed to one consumer. `event` is a wire line's JSON, its payload byte for byte. */
export interface DeliveryReply {
  lease: string;
  attempt: number;
  /**
   * Which delivery it is, where earlier ones ended without an answer, or 1 where one may have;
   * absent: the first.
   */
  delivery?: number;
  /** Unix ms. */
  expiresAt: number;
  event: unknown;
}

/** The answer to a lease. `deliveries` is written last. */
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
   * What retention deleted before it was delivered, since a consumer was told last; only where
   * there is something.
   */
  missed?: readonly Omit<MissedRecord, "subscription">[];
  deliveries: DeliveryReply[];
}

/**
 * `POST /v1/subscriptions/{name}/ack`: all are settled in one transaction; those not held are named
 * in `lost`.
 */
export interface AckRequest {
  leases: string[];
}

/** What failed and how; see `Attempt`. */
export interface NackItem {
  lease: string;
  error: string;
  durationMs?: number;
  exitCode?: number;
  signal?: string;
  stderr?: string;
  stack?: string;
  /** Dead-letter at once. */
  dead?: boolean;
  /** Retry after this long instead of the backoff, ms. */
  afterMs?: number;
}

/** `POST /v1/subscriptions/{name}/nack`. */
export interface NackRequest {
  deliveries: NackItem[];
}

/** `POST /v1/subscriptions/{name}/release`: give leases back unharmed and uncounted. */
export type ReleaseRequest = AckRequest;

/** `POST /v1/subscriptions/{name}/extend`. */
export interface ExtendRequest extends AckRequest {
  leaseMs?: number;
}

/** The answer to ack, nack, release and extend. */
export interface SettleReply {
  settled: number;
  /** Leases that were not held any more. */
  lost: string[];
  /** Of a nack: what became of each, in order. */
  outcomes?: ("retry" | "dead" | "lost")[];
}

/**
 * `POST /v1/subscriptions/{name}/processed`: wait until everything of the topic up to `seq` is done
 * or dead.
 */
export interface ProcessedRequest {
  topic: string;
  seq: number;
  /** At most this long, ms. Default 0: only look. */
  waitMs?: number;
}

/** What there is to say of that position. */
export interface ProcessedReply {
  processed: boolean;
}

/** `POST /v1/subscriptions/{name}/pause`. `resume` has no body. */
export interface PauseRequest {
  reason?: string;
  /** Default `person`: then no start of a consumer resumes it. */
  by?: PausedBy;
  /** It ends by itself after this long, ms. Default: only when somebody resumes it. */
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
}

/**
 * `GET /v1/dead-letters`: NDJSON, newest first, `?limit=` and `?after=` by the header `evs-next`.
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
   * Of a edited copy: what it was made from, `SUBSCRIPTION:ID`; that goes when this one succeeds.
   */
  editedFrom?: string;
  /** A edited copy of it was sent, `SUBSCRIPTION:ID`. */
  editedAs?: string;
}

/**
 * `GET /v1/dead-letter-groups`, with the filters of the list: `{groups: DeadLetterGroup[]}`, the
 * largest first.
 */
export interface DeadLetterGroup {
  /** What the reasons have in common; `*` where they differ. A filter `reason` finds them by it. */
  reason: string;
  count: number;
  /** When the first and the last of them died, Unix ms. */
  firstAt: number;
  lastAt: number;
  subscriptions: string[];
  /** The latest of them. */
  example: { id: string; topic: string; seq: number; subscription: string; reason: string };
}

/** `GET /v1/dead-letters/{ID or SUBSCRIPTION:ID}`: `{deadLetters: DeadLetterDetail[]}`. */
export interface DeadLetterDetail extends Omit<DeadLetterInfo, "attempts"> {
  attempts: Attempt[];
  event: unknown;
}

/** `POST /v1/dead-letters/retry` and `/remove`. Without ids and filters, `all` must be true. */
export interface DeadLetterAction extends DeadLetterFilter {
  all?: boolean;
  dryRun?: boolean;
  /** Retry only: deliver to this subscription instead of the one that failed. */
  to?: string;
}

/**
 * `POST /v1/dead-letters/import?retry=1&to=`: NDJSON of `DeadLetterDetail`, as `GET
 * /v1/dead-letters?full=1` gives it.
 */
export interface DeadLetterImportReply {
  /** Entries that were taken. */
  count: number;
  /** With `retry`: delivered as a copy with an id of its own, because the event was changed. */
  mended: number;
  /** With `retry`: delivered as they were. */
  unchanged: number;
  /** Without `retry`: put into the queue. */
  added: number;
  /** Left alone: in the queue already, or with `retry` on their way already. */
  present: number;
  /** Lines that were not taken, the first thousand. Nothing of them was changed. */
  refused?: RefusedLine[];
  /** How many more were not taken. */
  refusedMore?: number;
}

/** What a dead-letter action did, or would do. */
export interface DeadLetterActionReply {
  count: number;
  dryRun: boolean;
  bySubscription: Record<string, number>;
}

/** A limit of `[alert]` that is reached. */
export interface Alert {
  name: "dead_letters" | "lag";
  /** The one that is behind. */
  subscription?: string;
  value: number;
  limit: number;
  message: string;
}

/** `GET /v1/status`. */
export interface StatusReply {
  version: string;
  protocol: number;
  pid: number;
  /** Unix ms. */
  startedAt: number;
  uptimeMs: number;
  dataDir: string;
  socket: string;
  store: string;
  durability: string;
  health: "ok" | "degraded" | "draining";
  /** Why the health is not `ok`, in words. */
  problems: string[];
  /** What `[alert]` in the config asks to be told of. */
  alerts: Alert[];
  topics: number;
  events: number;
  bytes: number;
  subscriptions: number;
  pausedSubscriptions: number;
  scheduled: number;
  deadLetters: number;
  schemas: number;
  connections: number;
  tails: number;
  memory: { rss: number };
  /** Deno's permission flags, as the daemon was started. */
  permissions: string[];
}
