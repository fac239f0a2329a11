/**
 * Durable changes to a queue. Each function here decides from memory and returns a {@link Plan}:
 * the changes to commit, and what to do once they are durable or were refused. In between, the
 * leases that it settles are marked, so that nobody else settles them.
 */
import { defined } from "../base/defined.ts";
import { answeredChange } from "./unanswered.ts";
import { newToken } from "./tokens.ts";
import { LONGEST_OUTPUT, truncate, truncateToEnd } from "../base/truncate.ts";
import { type FailedEvent, failedEvent, splitDeadLetterName } from "../state/dead_letter_name.ts";
import type { SettleReply } from "../protocol/protocol.ts";
import { backoffDelay } from "../event/backoff.ts";
import type { Attempt, DeadLetterRecord, StateChange } from "../state/state.ts";
import { partField } from "../event/part.ts";
import { type Entry, isUntold, type Now } from "./entry.ts";
import type { Lease } from "./leases.ts";
import type { RecordOf } from "./late_records.ts";
import { Marks } from "./marks.ts";
import type { DeliveryQueue } from "./queue.ts";
import { withoutExpiry } from "./wire_event.ts";

/**
 * A transition that is decided but not yet durable. Exactly one of `apply` and `rollback` is
 * called, once.
 */
export interface Plan<T = void> {
  changes: StateChange[];
  result: T;
  /** The dead letters that these changes create, for a dead-letter queue of the user's own. */
  dead: DeadLetterRecord[];
  apply(): void;
  rollback(): void;
}

/** The outcome of one delivery, according to the consumer or the expiry of its lease. */
export type Settlement =
  | { lease: string; ack: true }
  | {
    lease: string;
    ack: false;
    error: string;
    /** The lease expired. */
    expired?: boolean;
    /** Not an answer to this lease: too many earlier deliveries ended without one. */
    isUnanswered?: boolean;
    /** Dead-letter at once. */
    dead?: boolean;
    /** Retry after this long instead of the backoff, ms. */
    afterMs?: number;
    durationMs?: number;
    exitCode?: number;
    signal?: string;
    stderr?: string;
    stack?: string;
  };

/** The settlement for an expired lease: a failed attempt. */
export function expirySettlement(lease: Lease, now: Now): Settlement {
  const held = Math.round(now.mono - lease.grant.startedMono);
  const error = `the lease expired after ${held} ms without an answer`;
  return { lease: lease.token, ack: false, expired: true, error };
}

/** The result of a settlement. */
export type Outcome = "done" | "retry" | "dead" | "lost";

/** The response to settlements. */
export function settleReply(leases: readonly string[], outcomes: readonly Outcome[]): SettleReply {
  const lost = leases.filter((_, i) => outcomes[i] === "lost");
  return { settled: leases.length - lost.length, lost };
}

/** Clock and randomness, injected. */
export interface PlanContext {
  now: Now;
  random: () => number;
  /** The row of a retry whose answer comes late: read before (core/delivery/late_records.ts). */
  recordOf?: RecordOf;
}

/** Most attempts kept per event: the first one, and the latest. */
const ATTEMPTS_KEPT = 256;

/** Settles deliveries: done, retried, or dead. */
export function planSettle(
  queue: DeliveryQueue,
  items: readonly Settlement[],
  context: PlanContext,
): Plan<Outcome[]> {
  const changes: StateChange[] = [];
  const dead: DeadLetterRecord[] = [];
  const steps: (() => void)[] = [];
  const leases: Lease[] = [];
  const done: Lease[] = [];
  const settled = new Marks();
  const { answered, late } = answeredLeases(queue, items, context);
  const undoBreaker = queue.breaker.mark();
  const result = items.map((item, i): Outcome => {
    const lease = answered[i];
    if (!lease || lease.settling) return "lost";
    lease.settling = true;
    leases.push(lease);
    const { entry } = lease;
    if (entry.unanswered !== undefined) {
      changes.push(answeredChange(queue.name, entry));
      // First, before anything changes what identifies the event.
      steps.push(() => queue.counts.answered(entry));
    }
    const lane = queue.laneOf(entry);
    if (lane) settled.add(lane, entry.seq, entry.part);
    queue.breaker.note(!item.ack, queue.settings.breaker);
    if (item.ack || entry.redacted) {
      if (entry.kind === "retry") changes.push(removeRetry(queue, entry), ...removeOriginal(lease));
      done.push(lease);
      return "done";
    }
    const failure = planFailure(queue, { item, lease }, context);
    changes.push(...failure.changes);
    steps.push(failure.apply);
    if (failure.dead) dead.push(failure.dead);
    return failure.dead ? "dead" : "retry";
  });
  const lanes = cursorPlan(queue, settled);
  changes.push(...lanes.changes);
  return {
    changes,
    result,
    dead,
    apply() {
      lanes.apply();
      for (const step of steps) step();
      for (const lease of done) finish(queue, lease);
      const failed = leases.length - done.length;
      queue.counts.tally.note(done, { failed, dead: dead.length, mono: context.now.mono });
    },
    rollback() {
      settled.undo();
      undoBreaker();
      unsettle(queue, { leases, late });
    },
  };
}

/**
 * The leases are in force again. The event of a late answer is nobody's again, so the answer is
 * accepted when it is repeated.
 */
function unsettle(
  queue: DeliveryQueue,
  { leases, late }: { leases: readonly Lease[]; late: readonly LateAnswer[] },
): void {
  for (const lease of leases) {
    lease.settling = false;
    queue.ready.watch([lease], lease.expiry);
  }
  // In reverse, so that events of one key are back in their order.
  for (const { lost, made } of late.toReversed()) {
    if (made) queue.release([made.token]);
    queue.returned.add(lost);
  }
}

/** An answer to a lease that was lost with its consumer's connection. */
interface LateAnswer {
  lost: Lease;
  /** The lease that was made for it; absent: somebody else had the event. */
  made: Lease | undefined;
}

/** The leases that are answered. */
function answeredLeases(
  queue: DeliveryQueue,
  items: readonly Settlement[],
  context: PlanContext,
): { answered: (Lease | undefined)[]; late: LateAnswer[] } {
  const late: LateAnswer[] = [];
  const answered = items.map((item) =>
    queue.ready.leases.get(item.lease) ?? lateLease(queue, item, { context, late })
  );
  return { answered, late };
}

/**
 * A consumer that lost its connection has come back with an answer, which counts for its event
 * whoever has it now. What has to be given back if it cannot be stored is added to `late`. A failure
 * does not count if the event has had that attempt by now: whoever lost two leases one after the
 * other tells for both how its one handler ended.
 */
function lateLease(
  queue: DeliveryQueue,
  { lease: token, ack }: Settlement,
  { context: { now, recordOf }, late }: { context: PlanContext; late: LateAnswer[] },
): Lease | undefined {
  const lost = queue.returned.take(token);
  if (!lost || (!ack && lost.attempt < lost.entry.nextAttempt)) return undefined;
  const isHeld = lost.entry.lease !== undefined;
  const lease = queue.leaseLate(lost.entry, now, newToken());
  if (!lease) return undefined;
  late.push({ lost, made: isHeld ? undefined : lease });
  if (lease.entry.kind === "retry") lease.record ??= recordOf?.(lease.entry);
  return lease;
}

/** A failed delivery and its settlement. */
interface Failed {
  item: Extract<Settlement, { ack: false }>;
  lease: Lease;
}

/** What to do about it. */
interface FailurePlan {
  changes: StateChange[];
  /** Set if the event is given up on; absent if it is retried. */
  dead?: DeadLetterRecord;
  apply(): void;
}

/** Plans a retry, or a dead letter. */
function planFailure(
  queue: DeliveryQueue,
  { item, lease }: Failed,
  context: PlanContext,
): FailurePlan {
  const { entry, record: retried } = lease;
  const attempts = remember(retried?.attempts ?? [], attemptOf(item, lease, context.now));
  const failures = entry.failures + 1;
  const event = {
    ...failedEventOf(queue, entry),
    attempts,
    line: retried?.line ?? entry.copyLine(),
    ...defined({ editedFrom: retried?.editedFrom }),
  };
  // Once the breaker has tripped, the handler is to blame and not the event: retry it after the
  // pause.
  const isSpent = failures > queue.settings.maxRetries && queue.breaker.tripped === undefined;
  if (!item.dead && !isSpent) {
    const wait = item.afterMs ?? backoffDelay(queue.settings.backoff, failures, context.random);
    return planRetry(queue, { lease, event, failures, wait }, context.now);
  }
  attempts[attempts.length - 1]!.outcome = item.expired ? "expired" : "dead";
  // Whether it is still wanted, is now for a person to decide.
  const line = withoutExpiry(event.line);
  const dead = { ...event, line, reason: asText(item.error), diedAt: context.now.wall };
  const changes: StateChange[] = entry.kind === "retry" ? [removeRetry(queue, entry)] : [];
  changes.push({ op: "dead.put", record: dead });
  return { changes, dead, apply: () => finish(queue, lease) };
}

/** Schedules a retry after `wait`. */
function planRetry(
  queue: DeliveryQueue,
  { lease, event, failures, wait }: {
    lease: Lease;
    event: FailedEvent & Pick<DeadLetterRecord, "attempts" | "line" | "editedFrom">;
    failures: number;
    wait: number;
  },
  now: Now,
): FailurePlan {
  const { entry } = lease;
  const nextAttempt = entry.nextAttempt + 1;
  const record = {
    ...event,
    dueAt: Math.round(now.wall + wait),
    waitMs: Math.round(wait),
    nextAttempt,
    failures,
    ...partField(entry.part),
  };
  return {
    changes: [{ op: "retry.put", record }],
    apply() {
      queue.endLease(lease);
      if (entry.kind !== "retry") queue.ready.becomeRetry(entry);
      entry.nextAttempt = nextAttempt;
      entry.failures = failures;
      entry.due = false;
      entry.dueMono = now.mono + wait;
      queue.schedule(entry);
    },
  };
}

/** Stores what is settled in memory only: skipped and missed events. */
export function planFlush(queue: DeliveryQueue): Plan {
  const lanes = cursorPlan(queue, new Marks());
  return { ...lanes, result: undefined, dead: [], rollback: () => {} };
}

/** The cursors to write: of lanes that were just settled in, and of dirty ones. */
export function cursorPlan(
  queue: DeliveryQueue,
  settled: Marks,
): { changes: StateChange[]; apply(): void } {
  const changes: StateChange[] = [];
  const written: (() => void)[] = [];
  settled.join();
  for (const lane of queue.lanes) {
    const fresh = settled.of(lane);
    if (!fresh && !lane.dirty) continue;
    const { topic, missed } = lane;
    const next = queue.cursorOf(lane);
    // Some of its parts were further when they joined: what is done is marked until it is there.
    const isBehind = next < lane.floor;
    if (!isBehind && next !== lane.writtenNext) {
      const record = { subscription: queue.name, topic, next, ...queue.lanes.named(lane) };
      changes.push({ op: "cursor.put", record });
    }
    for (const [part, seqs] of settled.above(lane, isBehind ? 0 : next)) {
      const about = { subscription: queue.name, topic, seqs, ...partField(part) };
      changes.push({ op: "done.put", ...about });
    }
    // Missed events are stored once the cursor is past them: until then a restart would count them
    // again.
    const tellsMissed = !isBehind && missed && isUntold(lane) && missed.to < next;
    if (tellsMissed) {
      const { from, to, count } = missed;
      changes.push({
        op: "missed.put",
        record: { subscription: queue.name, topic, from, to, count, ...queue.lanes.named(lane) },
      });
    }
    written.push(() => {
      if (!isBehind) lane.writtenNext = next;
      if (tellsMissed && lane.missed === missed) missed.stored = missed.count;
      lane.dirty = isBehind || queue.cursorOf(lane) !== next || isUntold(lane);
    });
  }
  return {
    changes,
    apply() {
      for (const step of written) step();
    },
  };
}

/** The delivery is over: the event leaves the queue. */
export function finish(queue: DeliveryQueue, lease: Lease): void {
  queue.endLease(lease);
  queue.ready.drop(lease.entry);
}

/** The change that removes the row of a retry. */
export function removeRetry(queue: DeliveryQueue, { topic, id, part }: Entry): StateChange {
  return { op: "retry.remove", subscription: queue.name, topic, id, ...partField(part) };
}

/** When an edited copy succeeds, the dead letter that it was made from is removed. */
function removeOriginal({ entry: { topic }, record }: Lease): StateChange[] {
  if (record?.editedFrom === undefined) return [];
  const { subscription, id } = splitDeadLetterName(record.editedFrom);
  return [{ op: "dead.remove", subscription, topic, id }];
}

function failedEventOf({ name }: DeliveryQueue, { topic, seq, id, key, type }: Entry): FailedEvent {
  return failedEvent({ subscription: name, topic, seq, id, key, type });
}

function attemptOf(
  item: Extract<Settlement, { ack: false }>,
  lease: Lease,
  now: Now,
): Attempt {
  const { exitCode, signal, stderr, stack } = item;
  return {
    attempt: lease.attempt,
    ...deliveryOf(item, lease),
    startedAt: lease.grant.startedAt,
    durationMs: Math.max(0, Math.round(item.durationMs ?? now.mono - lease.grant.startedMono)),
    outcome: item.expired ? "expired" : "retry",
    error: asText(item.error),
    ...defined({
      exitCode,
      signal: signal && truncate(signal),
      stderr: stderr && truncateToEnd(stderr),
      stack: stack && truncate(stack, LONGEST_OUTPUT),
    }),
  };
}

/**
 * The number of the delivery that this settles. An event that is given up on because of unanswered
 * deliveries is not delivered again for that, so its last delivery is the one.
 */
function deliveryOf(
  item: Extract<Settlement, { ack: false }>,
  { delivery, entry: { unanswered = 0 } }: Lease,
): Pick<Attempt, "delivery" | "unanswered"> {
  if (unanswered === 0) return {};
  return { delivery: item.isUnanswered ? unanswered : delivery, unanswered };
}

function remember(before: readonly Attempt[], attempt: Attempt): Attempt[] {
  if (before.length < ATTEMPTS_KEPT) return [...before, attempt];
  return [before[0]!, ...before.slice(2 - ATTEMPTS_KEPT), attempt];
}

/**
 * The text as stored with each attempt: truncated, and without characters that SQLite would cut.
 */
function asText(text: string): string {
  return truncate(text).toWellFormed().replaceAll("\0", "\u2400");
}
