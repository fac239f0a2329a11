/**
 * The second plane: all that is not an event. Topics, subscriptions, retries, schemas and so on.
 *
 * A {@link State} is small: it loads a snapshot, and commits a list of changes in one durable
 * transaction. "Retries exhausted, dead-letter the event, advance the cursor" is such a list. The
 * decisions are made elsewhere (core/delivery, core/broker), in memory, from what was loaded.
 */
import type { MaybePromise } from "../base/maybe_promise.ts";
import type { Attempt } from "../event/attempt.ts";
import type { AuditQuery, AuditRecord } from "../event/audit.ts";
import type { BoundDeadLetterFilter, DeadLetterFilter } from "../event/dead_letter_filter.ts";
import type { DeadLetterJobRecord } from "../event/dead_letter_job.ts";
import type { RemovedDeadLetters } from "../event/removed_dead_letters.ts";
import type { PausedBy, SubscriptionSettings } from "../event/subscription_settings.ts";

export type {
  Attempt,
  BoundDeadLetterFilter,
  DeadLetterFilter,
  DeadLetterGroupCount,
  DeadLetterJobRecord,
  DeadLetterKeysRequest,
  DeadLetterPageRequest,
  GroupTrendCount,
  PausedBy,
  RemovedDeadLetters,
  SubscriptionSettings,
};
import type { CompatibilityLevel } from "../event/compatibility_level.ts";
import type { DeadLetterGroupNote } from "../event/dead_letter_group.ts";
import type { FailedEvent } from "./dead_letter_name.ts";
import type { DeadLetterKeysRequest, DeadLetterPageRequest } from "./dead_letter_request.ts";
import type { Fence } from "./fences.ts";
import type {
  DeadLetterGroupCount,
  GroupActChange,
  GroupRecord,
  GroupTrendCount,
} from "./group_rules.ts";
import type { Redaction } from "../event/redaction.ts";
import type {
  BegunRecord,
  CursorRecord,
  ExpiredOfParts,
  MissedOfParts,
  RetryRecord,
  SubscriptionRecord,
  TopicRecord,
  UnansweredRecord,
} from "./records.ts";
import type { SharedState } from "./shared.ts";
import type { Transact } from "./shared_act.ts";
import type { BeforeRev, SchemaRevs } from "./stale.ts";

export type {
  BegunEvent,
  BegunRecord,
  CursorRecord,
  RetryRecord,
  SubscriptionRecord,
  TopicRecord,
  UnansweredRecord,
} from "./records.ts";
export type { ExpiredRecord, MissedRecord } from "../event/missed.ts";
export { waitLeft } from "./records.ts";

/** An event that was accepted and is published later. */
export interface ScheduledRecord {
  /** Identifies it, and ascends in the order of acceptance. */
  number: number;
  topic: string;
  /** Fixed at acceptance, so that an event that was published and not yet removed is a repeat. */
  id: string;
  type: string;
  key?: string;
  /** When it is due, Unix ms; of a delay, by the clock when it was set: see {@link waitLeft}. */
  dueAt: number;
  /** Of a delay: how long it waits from when it was set, ms. Absent: somebody named the time. */
  waitMs?: number;
  /** Unix ms. */
  acceptedAt: number;
  /** The last seq of its topic when it was accepted. */
  afterSeq: number;
  /** The publisher gave the timestamp; otherwise it is the time of publishing. */
  stamped: boolean;
  /** Its content was redacted: it is published as that, and not delivered. */
  redacted?: true;
  /** Its wire line, with the seq 0. */
  line: Uint8Array;
}

/** An event that a subscription gave up on. */
export interface DeadLetterRecord extends FailedEvent {
  /** The error of the last attempt, or the given reason. */
  reason: string;
  /** Unix ms. */
  diedAt: number;
  attempts: Attempt[];
  line: Uint8Array;
  /** As in {@link RetryRecord}. */
  editedFrom?: string;
  /** An edited copy of it was sent, `SUBSCRIPTION:ID`: this one stays until the copy succeeds. */
  editedAs?: string;
  /** Of one that was read: the group that it belongs to (core/state/group_rules.ts). */
  group?: string;
}

/** What tells one dead letter from all others, also from one of the same event that came later. */
export interface DeadLetterKey {
  subscription: string;
  topic: string;
  id: string;
  /** Rises from one entry to the next, in the order in which they were added. */
  number: number;
  /** As in {@link DeadLetterRecord}. */
  diedAt: number;
}

/** All dead letters up to `number` were there at `at`, Unix ms by an age clock. */
export interface DeadLetterMark {
  number: number;
  at: number;
}

/** How old dead letters are. */
export interface DeadLetterAges {
  /** The difference between the age clock and the wall clock, ms. */
  skew: number;
  /** Ascending. */
  marks: readonly DeadLetterMark[];
}

/** How the clock that events expire by stands. */
export interface ExpiryClockRecord {
  /** Its difference from the wall clock, ms. */
  skew: number;
  /** The latest time that it is known to have shown, Unix ms. */
  newest: number;
}

/** A registered schema. */
export interface SchemaRecord {
  /** The event type. */
  type: string;
  /** The schema version. */
  version: string;
  /** The schema as JSON text, byte for byte as registered. */
  schema: string;
  /** Unix ms. */
  registeredAt: number;
}

/**
 * The compatibility required of new versions of a type's schema; a type without a record has no
 * requirement.
 */
export interface LevelRecord {
  /** The event type. */
  type: string;
  /** The required level. */
  level: CompatibilityLevel;
}

/**
 * Where a topic ended: its seqs up to here are never assigned again, whatever happens to the store.
 */
export interface TopicEndRecord {
  /** The topic. */
  topic: string;
  /** The last seq that was assigned. */
  lastSeq: number;
}

/** A part of an import of dead letters that is done. */
export interface ImportRecord {
  /** The tag that the importing client gave. */
  batch: string;
  /** Which part of it. */
  part: string;
  /** When it was done, Unix ms. */
  at: number;
  /** What was answered, as JSON. */
  reply: string;
}

/** An event that was redacted. Kept for ever, so that a restored backup is redacted again. */
export interface RedactionRecord extends Redaction {
  topic: string;
  /** 0: the event was scheduled and not yet published. */
  seq: number;
  id: string;
  /** False: something of the event may be left somewhere; the next start finishes it. */
  done: boolean;
}

/**
 * One change; a list of them is one transaction. `before` and `revs`: what the change was decided
 * from, where several processes share the state (core/state/stale.ts). Absent: whatever is there.
 */
export type StateChange =
  | { op: "topic.put"; record: TopicRecord; before?: BeforeRev }
  /**
   * Also removes its scheduled events. `events`: and its events, which are in the same database.
   */
  | { op: "topic.remove"; name: string; before?: BeforeRev; events?: true }
  | { op: "subscription.put"; record: SubscriptionRecord; before?: BeforeRev }
  /** Also removes its cursors, done marks, missed and expired counts, and retries; its dead letters stay. */
  | { op: "subscription.remove"; name: string; before?: BeforeRev }
  | { op: "cursor.put"; record: CursorRecord }
  | { op: "cursor.remove"; subscription: string; topic: string }
  /** Done out of order: at or above the cursor. Putting the cursor removes the marks below it. */
  | { op: "done.put"; subscription: string; topic: string; seqs: number[]; part?: number }
  /** `part`: only of this one; absent: of all. */
  | { op: "done.clear"; subscription: string; topic: string; part?: number }
  | { op: "missed.put"; record: MissedOfParts }
  | { op: "expired.put"; record: ExpiredOfParts }
  | { op: "expiry.clock"; record: ExpiryClockRecord }
  | { op: "retry.put"; record: RetryRecord }
  | { op: "retry.remove"; subscription: string; topic: string; id: string; part?: number }
  | { op: "retry.clear"; subscription: string; topic: string }
  /** Makes a retry due now, whatever its wait was. */
  | { op: "retry.due"; subscription: string; topic: string; id: string; now: number }
  /** Limits every retry to its wait from `now`: the clock was set back. */
  | { op: "retry.clamp"; now: number }
  | { op: "unanswered.put"; record: UnansweredRecord }
  | { op: "unanswered.remove"; subscription: string; topic: string; id: string; part?: number }
  | { op: "unanswered.clear"; subscription: string; topic: string }
  | { op: "begun.put"; record: BegunRecord }
  | { op: "begun.remove"; subscription: string; consumer: string }
  /** What is left of a record that was read; nothing changes if it is another one by now. */
  | { op: "begun.left"; record: BegunRecord; left: BegunRecord["events"] }
  /** `known`: it was dead before, so its cause has not come back. */
  | { op: "dead.put"; record: DeadLetterRecord; known?: true }
  /** Records that an edited copy of a dead letter was sent. */
  | { op: "dead.link"; subscription: string; topic: string; id: string; editedAs: string }
  | { op: "dead.remove"; subscription: string; topic: string; id: string }
  /** Removes one, unless it left the list meanwhile. */
  | { op: "dead.expire"; key: DeadLetterKey }
  /** `add`: to what is stored, in a state that several processes share. */
  | { op: "dead.removed"; record: RemovedDeadLetters; add?: true }
  | { op: "dead.ages"; ages: DeadLetterAges }
  | { op: "group.act" } & GroupActChange
  | { op: "group.note"; group: string; note: DeadLetterGroupNote }
  /**
   * Turns dead letters into retries of the subscription `to`, with their history and a fresh retry
   * budget, in the order of the ids. Missing ones are skipped.
   */
  | {
    op: "dead.retry";
    subscription: string;
    topic: string;
    ids: string[];
    /** The part of each in `to`; absent: 0. */
    parts?: number[];
    to: string;
    dueAt: number;
  }
  /** One that has ended loses its list. */
  | { op: "job.put"; record: DeadLetterJobRecord }
  /** A part of a job's list. The first one replaces a list that an earlier process left. */
  | { op: "job.part"; job: number; part: number; entries: readonly DeadLetterName[] }
  | { op: "job.forget"; numbers: readonly number[] }
  /** Also forgets acts beyond what is kept (core/state/audited.ts). */
  | { op: "audit.put"; record: Omit<AuditRecord, "number"> }
  | { op: "scheduled.put"; record: ScheduledRecord }
  | { op: "scheduled.remove"; numbers: readonly number[] }
  /** Moves the delays that wait: the clock was set forward by this, ms, or back. */
  | { op: "scheduled.shift"; byMs: number }
  /** Limits every delay to its wait from `now`: the clock was set back. */
  | { op: "scheduled.clamp"; now: number }
  /** Replaces the content of one. `line`: the redacted event. */
  | { op: "scheduled.redact"; number: number; key: string | undefined; line: Uint8Array }
  | { op: "schema.put"; record: SchemaRecord; revs?: SchemaRevs }
  | { op: "schema.remove"; type: string; version: string; revs?: SchemaRevs }
  | { op: "schema.level"; record: LevelRecord; revs?: SchemaRevs }
  | { op: "end.put"; record: TopicEndRecord }
  /** Also forgets parts that were done before `before`. */
  | { op: "import.put"; record: ImportRecord; before: number }
  | { op: "redaction.put"; record: RedactionRecord }
  /**
   * Replaces the event in its dead letters, with the texts of their attempts, deletes its retries,
   * and removes what groups may say of it. `line`: the redacted event.
   */
  | {
    op: "event.redact";
    topic: string;
    seq: number;
    id: string;
    key: string | undefined;
    line: Uint8Array;
  }
  /**
   * Marks the start or end of a use of the state, so that earlier copies are recognized as older.
   */
  | { op: "generation.next" };

/** The changes of one kind. */
export type ChangeOf<Op extends StateChange["op"]> = Extract<StateChange, { op: Op }>;

/** A dead letter in a job's list: subscription, topic, id. */
export type DeadLetterName = readonly [subscription: string, topic: string, id: string];

/** A part of the list of dead letters. */
export interface DeadLetterPage {
  records: DeadLetterRecord[];
  /** Pass it back to read on; absent at the end. */
  next?: string;
}

/** Everything that is small enough to live in memory. */
export interface StateSnapshot {
  topics: TopicRecord[];
  subscriptions: SubscriptionRecord[];
  cursors: CursorRecord[];
  done: { subscription: string; topic: string; seq: number; part?: number }[];
  missed: MissedOfParts[];
  expired: ExpiredOfParts[];
  /** Absent if no event was ever to expire. */
  expiryClock?: ExpiryClockRecord;
  /** Without `line` and `attempts`, which are read when a retry is due. */
  retries: Omit<RetryRecord, "line" | "attempts">[];
  /** In the order of acceptance, without `line`, which is read when one is due. */
  scheduled: Omit<ScheduledRecord, "line">[];
  unanswered: UnansweredRecord[];
  begun: BegunRecord[];
  schemas: SchemaRecord[];
  levels: LevelRecord[];
  /** Where topics ended when the state was last closed. */
  ends: TopicEndRecord[];
  imports: ImportRecord[];
  deadLetterAges: DeadLetterAges;
  removedDeadLetters: RemovedDeadLetters[];
  redactions: RedactionRecord[];
  /** In the order of the starts. */
  jobs: DeadLetterJobRecord[];
  /** How often it was opened and closed; 0 if never, or if an older version did not count. */
  generation: number;
}

/** How changes are committed. */
export interface CommitOptions {
  /** False: the changes survive the end of the process, but not a power cut. Default true. */
  sync?: boolean;
  /** Nothing is kept, and it rejects with `FencedError`, if one of these no longer holds. */
  fences?: readonly Fence[];
}

/**
 * The state database. Its reads answer at once where it is in this process, and later where it is
 * not: then what they say may have changed by the time it is looked at, so whoever decides by it has
 * it read in the turn of the queue, or checks in the change itself. {@link load} is always there.
 */
export interface State {
  /** True if nothing of it outlives the process. */
  readonly forgets?: boolean;
  /**
   * What several processes do together with it. Absent: it is this process's own.
   * @internal
   */
  readonly shared?: SharedState;
  /** @internal */
  load(): StateSnapshot;
  /**
   * Commits one durable transaction. Rejects if nothing of it was stored.
   * @internal
   */
  commit(changes: readonly StateChange[], options?: CommitOptions): Promise<void>;
  /**
   * Decides in the transaction that changes it, whichever process owns what is changed. Absent: no
   * other process changes it.
   * @internal
   */
  readonly transact?: Transact;
  /**
   * Removes what was changed or deleted from the files. Rejects with `CannotStoreError` if it may
   * work later. Absent: there are no files.
   * @internal
   */
  scrub?(): Promise<void>;
  /** @internal */
  retry(subscription: string, topic: string, id: string): MaybePromise<RetryRecord | undefined>;
  /**
   * The wire line of a scheduled event.
   * @internal
   */
  scheduledLine(number: number): MaybePromise<Uint8Array | undefined>;
  /** @internal */
  deadLetters(
    filter: BoundDeadLetterFilter,
    page: DeadLetterPageRequest,
  ): MaybePromise<DeadLetterPage>;
  /** @internal */
  countDeadLetters(filter: BoundDeadLetterFilter): MaybePromise<number>;
  /**
   * The oldest dead letters, or the newest, without their events.
   * @internal
   */
  deadLetterKeys(request: DeadLetterKeysRequest): MaybePromise<DeadLetterKey[]>;
  /**
   * A part of a job's list.
   * @internal
   */
  jobPart(job: number, part: number): MaybePromise<DeadLetterName[] | undefined>;
  /**
   * What was done, the newest first.
   * @internal
   */
  audit(query: AuditQuery): MaybePromise<AuditRecord[]>;
  /** Dead letters per subscription. */
  deadLetterCounts(): MaybePromise<Map<string, number>>;
  /**
   * The groups that are remembered, with those that became a part of another one.
   * @internal
   */
  deadLetterGroups(): MaybePromise<GroupRecord[]>;
  /** @internal */
  deadLetterGroupCounts(): MaybePromise<DeadLetterGroupCount[]>;
  /** @internal Those in dismissed or resolved groups, by subscription. */
  closedDeadLetterCounts(): MaybePromise<Map<string, number>>;
  /**
   * What was counted in the 24 hours before the period `end`, in units of `GROUP_SLOT_MS`.
   * @internal
   */
  deadLetterTrend(end: number): MaybePromise<GroupTrendCount[]>;
  /**
   * The broker begins to close: what waits for a database that is away waits some time longer, and
   * is then refused.
   * @internal
   */
  closing?(): void;
  /** @internal */
  close(): Promise<void>;
}
