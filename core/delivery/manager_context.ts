/** What the manager of subscriptions works out without keeping anything: positions, limits, summaries. */
import { truncate } from "../base/truncate.ts";
import type {
  LeaseReply,
  LeaseRequest,
  ProcessedRequest,
  SettleReply,
  SubscriptionInfo,
} from "../protocol/protocol.ts";
import type { Clock } from "../base/clock.ts";
import { setPatientTimer } from "../base/standstill.ts";
import { InvalidArgumentError } from "../base/errors.ts";
import { isTopicless, type Offset, parseOffset, resolveOffset } from "../event/offset.ts";
import type { Event } from "../event/event.ts";
import {
  DEFAULT_LEASE_MS,
  LONGEST_LEASE_MS,
  LONGEST_WAIT_MS,
  MOST_DELIVERIES,
} from "../event/limits.ts";
import type {
  PausedBy,
  State,
  StateChange,
  StateSnapshot,
  SubscriptionRecord,
} from "../state/state.ts";
import type { TopicCatalog } from "../topic/catalog.ts";
import type { Ledger } from "./committer.ts";
import type { JournalStore } from "../store/store.ts";
import { compilePattern, isPattern } from "../event/topic_options.ts";
import type { SubscriptionDriver } from "./driver.ts";
import type { Lease } from "./leases.ts";
import type { Outcome } from "./plan.ts";
import type { QueueStart } from "./queue.ts";

/** What a lease got. */
export type LeaseResult = Omit<LeaseReply, "deliveries"> & { deliveries: Lease[] };

/** What the manager is given. */
export interface ManagerContext {
  clock: Clock;
  random: () => number;
  store: JournalStore;
  state: State;
  topics: TopicCatalog;
  compileFilter(expression: string): Promise<(event: Event) => boolean>;
  /** Where a subscription keeps what must last. */
  ledger(name: string): Ledger;
  onError(error: unknown, context: string): void;
}

/** The most bytes of events in one answer; one event is always sent. */
export const MAX_ANSWER_BYTES = 8 * 1024 * 1024;

/** The offset, refused where it means nothing on a pattern. */
export function offsetFor(topic: string, text: string): Offset {
  const offset = parseOffset(text);
  if (isPattern(topic) && !isTopicless(offset)) {
    throw new InvalidArgumentError(
      `${text} means nothing on a pattern: each topic has numbers of its own`,
      {
        hint: "use start, end, @2026-11-23T10:00:00Z or @-1h",
        details: { offset: text, topic },
      },
    );
  }
  return offset;
}

/** The seq that an offset means on a topic as it is now: one that is there, or the one behind the last. */
export function resolveIn(
  { store, clock }: { store: JournalStore; clock: Clock },
  topic: string,
  offset: Offset,
): number {
  const head = store.head(topic);
  const seq = resolveOffset(offset, {
    head,
    now: clock.now(),
    seekTime: (at) => store.seekTime(topic, at),
  });
  return Math.min(Math.max(seq, head.firstSeq, 1), head.lastSeq + 1);
}

/** A subscription as the wire tells it. */
export function subscriptionInfoOf(driver: SubscriptionDriver, dead: number): SubscriptionInfo {
  driver.look();
  const { queue, record } = driver;
  const lanes = [...queue.lanes.values()].sort((a, b) => a.topic < b.topic ? -1 : 1);
  return {
    name: record.name,
    topic: record.topic,
    settings: record.settings,
    paused: record.paused,
    ...pauseOf(record),
    cursors: lanes.map((lane) => {
      const next = queue.cursorOf(lane);
      const lag = Math.max(0, lane.lastSeq - next + 1);
      return { topic: lane.topic, next, lastSeq: lane.lastSeq, lag };
    }),
    pending: queue.pending,
    leased: queue.leased,
    scheduled: queue.scheduled,
    dead,
    missed: lanes.flatMap(({ topic, missed }) =>
      missed ? [{ topic, from: missed.from, to: missed.to, count: missed.count }] : []
    ),
    createdAt: record.createdAt,
  };
}

/** What a lease asks for, within limits. */
export function leaseLimits(
  request: Pick<LeaseRequest, "leaseMs" | "waitMs" | "max">,
): { leaseMs: number; waitMs: number; max: number } {
  return {
    leaseMs: within(request.leaseMs, {
      name: "leaseMs",
      standard: DEFAULT_LEASE_MS,
      least: 1,
      most: LONGEST_LEASE_MS,
    }),
    waitMs: within(request.waitMs, {
      name: "waitMs",
      standard: 0,
      least: 0,
      most: LONGEST_WAIT_MS,
    }),
    max: within(request.max, { name: "max", standard: 1, least: 1, most: MOST_DELIVERIES }),
  };
}

/** A subscription's part of the snapshot. A cursor behind the end of its topic is taken back to it. */
export function startOf(
  name: string,
  snapshot: StateSnapshot,
  on: { store: JournalStore; repairs: StateChange[] },
): Omit<QueueStart, "name" | "settings"> {
  const mine = <T extends { subscription: string }>(rows: readonly T[]) =>
    rows.filter(({ subscription }) => subscription === name);
  const ends = new Map<string, number>();
  const cursors = mine(snapshot.cursors).map((cursor) => {
    const { lastSeq } = on.store.head(cursor.topic);
    ends.set(cursor.topic, lastSeq);
    if (cursor.next <= lastSeq + 1) return cursor;
    const record = { ...cursor, next: lastSeq + 1 };
    on.repairs.push(
      { op: "done.clear", subscription: name, topic: cursor.topic },
      { op: "cursor.put", record },
    );
    return record;
  });
  return {
    cursors,
    done: mine(snapshot.done).filter(({ topic, seq }) => seq <= (ends.get(topic) ?? Infinity)),
    missed: mine(snapshot.missed),
    retries: mine(snapshot.retries),
  };
}

/** Waits for a position, at most so long; the position must be on a topic that is subscribed to. */
export async function processedWithin(
  driver: SubscriptionDriver,
  { topic, seq, waitMs }: Required<ProcessedRequest>,
  { clock, signal }: { clock: Clock; signal: AbortSignal },
): Promise<boolean> {
  assertOn(driver, topic);
  driver.look();
  const over = new AbortController();
  const cancel = setPatientTimer(clock, () => over.abort(), waitMs);
  try {
    await driver.whenProcessed(topic, seq, AbortSignal.any([over.signal, signal]));
    return true;
  } catch (error) {
    if (!over.signal.aborted) throw error;
    return false;
  } finally {
    cancel();
  }
}

/** Throws `InvalidArgumentError` for a topic that the subscription is not on. */
export function assertOn({ record: { name, topic } }: SubscriptionDriver, other: string): void {
  if (compilePattern(topic)(other)) return;
  throw new InvalidArgumentError(`the subscription ${name} is on ${topic}, not on ${other}`, {
    details: { subscription: name, topic: other },
  });
}

/** The answer to a settlement. */
export function settleReply(leases: readonly string[], outcomes: readonly Outcome[]): SettleReply {
  const lost = leases.filter((_, i) => outcomes[i] === "lost");
  return { settled: leases.length - lost.length, lost };
}

function within(
  value: number | undefined,
  rule: { name: string; standard: number; least: number; most: number },
): number {
  if (value === undefined) return rule.standard;
  if (Number.isSafeInteger(value) && value >= rule.least && value <= rule.most) return value;
  throw new InvalidArgumentError(
    `${rule.name} is a whole number from ${rule.least} to ${rule.most}, not ${
      JSON.stringify(value)
    }`,
    { details: { field: rule.name } },
  );
}

/** Why somebody paused, as it is kept: clipped, and text that SQLite keeps whole. */
export function pauseReasonOf(reason: string): string {
  return truncate(reason).replaceAll("\0", "").toWellFormed();
}

/** What is told of a pause beside that it is one. */
export function pauseOf(
  { paused, pauseReason, pausedBy, pausedUntil }: SubscriptionRecord,
): { pauseReason?: string; pausedBy?: PausedBy; pausedUntil?: number } {
  return {
    ...(pauseReason === undefined ? {} : { pauseReason }),
    ...(paused ? { pausedBy: pausedBy ?? "person" } : {}),
    ...(pausedUntil === undefined ? {} : { pausedUntil }),
  };
}

/** True for a pause that only a person ends; so is one of before it was kept who paused. */
export function isPersons({ pausedBy }: SubscriptionRecord): boolean {
  return pausedBy === undefined || pausedBy === "person";
}

/** The same subscription, going on. */
export function unpaused(record: SubscriptionRecord): SubscriptionRecord {
  const { pauseReason: _reason, pausedBy: _by, pausedUntil: _until, ...rest } = record;
  return { ...rest, paused: false };
}
