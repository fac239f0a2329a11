/**
 * Deliveries that ended without an answer: a handler began, and its process or connection was gone
 * before it answered. The number of these per event is stored, apart from its attempts, until it is
 * answered.
 *
 * If deliveries were marked together ahead of their turn, it is not known which had begun. Then
 * none is counted. They become suspects (a count of 0), each is marked separately the next time,
 * and one that ends that way again is counted twice. After {@link ALONE_AFTER} such ends an event
 * is delivered alone.
 */
import { partField, partsIn } from "../event/part.ts";
import type { BegunRecord, StateChange, StateSnapshot, UnansweredRecord } from "../state/state.ts";
import type { Entry } from "./entry.ts";
import type { Lease } from "./leases.ts";
import type { Plan } from "./plan.ts";
import type { DeliveryQueue } from "./queue.ts";

/** After this many ends without an answer, an event is delivered alone. */
export const ALONE_AFTER = 2;

/** Prefix of the consumers of this process in the begun records. */
export const OWN_PROCESS = "self:";

/** Names an event of a subscription without reading it: the leading space cannot occur in an id. */
export function nameOf(entry: Entry): string {
  return entry.kind === "retry" ? entry.id : ` ${entry.seq}`;
}

/** The count after one more end. `soon`: it may not have begun. */
export function countAfter(before: number | undefined, { soon }: { soon: boolean }): number {
  if (soon) return before ?? 0;
  // A suspect that ends that way again had begun the first time, too.
  return before === 0 ? 2 : (before ?? 0) + 1;
}

/** The reason of the dead letter for an event that ended too often. */
export function endedWords(count: number): string {
  return `ended ${count} times without an answer`;
}

/** Releases and counts what a vanished consumer had begun. */
export function planUnanswered(queue: DeliveryQueue, leases: readonly Lease[]): Plan {
  const held = leases.filter((lease) => lease.isHeld);
  const steps = held.map((lease) => {
    const { entry } = lease;
    lease.settling = true;
    return { lease, entry, count: countAfter(entry.unanswered, { soon: lease.begun === "soon" }) };
  });
  return {
    // Also remove its begun record, so that nothing is counted again after a restart.
    changes: [
      ...steps.map(({ entry, count }) => unansweredChange(queue.name, entry, count)),
      ...[...new Set(held.map(({ grant }) => grant.instance))].map((consumer): StateChange => ({
        op: "begun.remove",
        subscription: queue.name,
        consumer,
      })),
    ],
    result: undefined,
    dead: [],
    apply() {
      for (const { lease, entry, count } of steps.toReversed()) {
        queue.endLease(lease);
        queue.returned.add(lease);
        queue.counts.count(entry, count, { holder: lease.grant.instance });
        queue.giveBack(entry);
      }
    },
    rollback() {
      for (const { lease } of steps) lease.settling = false;
    },
  };
}

/** The change that stores a count. */
export function unansweredChange(subscription: string, entry: Entry, count: number): StateChange {
  const { topic, seq, part } = entry;
  const record = { subscription, topic, id: nameOf(entry), seq, count, ...partField(part) };
  return { op: "unanswered.put", record };
}

/** The change that removes a count: the event was answered. */
export function answeredChange(subscription: string, entry: Entry): StateChange {
  const { topic, part } = entry;
  return { op: "unanswered.remove", subscription, topic, id: nameOf(entry), ...partField(part) };
}

/** A delivery from a snapshot that was begun and not answered. */
export interface OpenDelivery {
  topic: string;
  id: string;
  seq: number;
  attempt: number;
  part?: number;
  consumer: string;
  soon: boolean;
  /** Nodes share the subscription. */
  isShared?: boolean;
}

/** Those of `begun` that were not answered. */
export function openDeliveries(
  begun: readonly BegunRecord[],
  of: Pick<StateSnapshot, "cursors" | "done" | "retries">,
): OpenDelivery[] {
  if (begun.length === 0) return [];
  const next = new Map(
    of.cursors.flatMap(({ topic, next, parts = 1 }) =>
      partsIn(parts).map((part) => [`${topic}\n${part}`, next] as const)
    ),
  );
  const done = new Set(of.done.map(({ topic, seq }) => `${topic}\n${seq}`));
  const attempts = new Map(of.retries.map((retry) => [`${retry.topic}\n${retry.id}`, retry]));
  const isOpen = (event: BegunRecord["events"][number]): boolean => {
    const { topic, id, seq, attempt, part = 0 } = event;
    if (!id.startsWith(" ")) return attempts.get(`${topic}\n${id}`)?.nextAttempt === attempt;
    return seq >= (next.get(`${topic}\n${part}`) ?? Infinity) && !done.has(`${topic}\n${seq}`);
  };
  return begun.flatMap(({ consumer, events }) =>
    events.filter(isOpen).map(({ topic, id, seq, attempt, part = 0, soon = false, epoch }) => ({
      topic,
      id,
      seq,
      attempt,
      ...partField(part),
      soon,
      consumer,
      ...(epoch === undefined ? {} : { isShared: true }),
    }))
  );
}

/** The counts that a subscription starts with, and the changes to store for them. */
export function countsAtStart(
  subscription: string,
  { unanswered, open }: { unanswered: readonly UnansweredRecord[]; open: readonly OpenDelivery[] },
): { unanswered: UnansweredRecord[]; changes: StateChange[] } {
  const counts = new Map(unanswered.map((row) => [`${row.topic}\n${row.id}`, row]));
  const changes: StateChange[] = [];
  // What this process had begun before the restart has ended; for other consumers that is not known
  // yet.
  for (const { topic, id, seq, part = 0, soon, consumer } of open) {
    if (!consumer.startsWith(OWN_PROCESS)) continue;
    const key = `${topic}\n${id}`;
    const count = countAfter(counts.get(key)?.count, { soon });
    const record = { subscription, topic, id, seq, count, ...partField(part) };
    counts.set(key, record);
    changes.push({ op: "unanswered.put", record });
  }
  return { unanswered: [...counts.values()], changes };
}

/** How many leases of vanished consumers are remembered, in case one comes back and answers. */
const MOST_RETURNED = 4096;

/**
 * Leases that ended with their consumer's connection; a later answer to one of them still counts.
 */
export class ReturnedLeases {
  readonly #leases = new Map<string, Lease>();

  add(lease: Lease): void {
    this.#leases.set(lease.token, lease);
    for (const oldest of this.#leases.keys()) {
      if (this.#leases.size <= MOST_RETURNED) break;
      this.#leases.delete(oldest);
    }
  }

  get size(): number {
    return this.#leases.size;
  }

  /** A lease that was lost, as long as its event is not settled. */
  get(token: string): Lease | undefined {
    const lease = this.#leases.get(token);
    return lease === undefined || lease.entry.gone ? undefined : lease;
  }

  /** The same, and removes it: it was answered. */
  take(token: string): Lease | undefined {
    const lease = this.get(token);
    this.#leases.delete(token);
    return lease;
  }
}
