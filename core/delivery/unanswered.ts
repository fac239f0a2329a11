/**
 * Deliveries that ended without an answer: a handler began, and its process or its connection was
 * gone before it said anything. How many of an event did is kept, apart from its attempts, until
 * somebody answers for it.
 *
 * Of deliveries that were marked together ahead of their turn it is not known which had begun. None
 * of them is counted then; they are suspects (a count of 0), each is marked by itself the next
 * time, and one that ends so again is counted for both. After {@link ALONE_AFTER} such ends an
 * event is delivered alone.
 */
import type { BegunRecord, StateChange, StateSnapshot, UnansweredRecord } from "../state/state.ts";
import type { Entry } from "./entry.ts";
import type { Lease } from "./leases.ts";
import type { Plan } from "./plan.ts";
import type { DeliveryQueue } from "./queue.ts";

/** After so many ends without an answer nothing is delivered beside the event. */
export const ALONE_AFTER = 2;

/** How consumers of this process are named among those that began something. */
export const OWN_PROCESS = "self:";

/** What names an event of a subscription without reading it: an id has no space. */
export function nameOf(entry: Entry): string {
  return entry.kind === "retry" ? entry.id : ` ${entry.seq}`;
}

/** The count after one more end. `soon`: it may not have begun. */
export function countAfter(before: number | undefined, { soon }: { soon: boolean }): number {
  if (soon) return before ?? 0;
  // A suspect that ends so again had begun the first time, too.
  return before === 0 ? 2 : (before ?? 0) + 1;
}

/** What a dead letter says that was given up on because of it. */
export function endedWords(count: number): string {
  return `ended ${count} times without an answer`;
}

/** Gives back what a consumer had begun that went away, and counts it. */
export function planUnanswered(queue: DeliveryQueue, leases: readonly Lease[]): Plan {
  const held = leases.filter((lease) => lease.isHeld);
  const steps = held.map((lease) => {
    const { entry } = lease;
    lease.settling = true;
    return { lease, entry, count: countAfter(entry.unanswered, { soon: lease.begun === "soon" }) };
  });
  return {
    // With what it had begun, so that it is not counted again after a restart.
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
        queue.ready.giveBack(entry);
      }
    },
    rollback() {
      for (const { lease } of steps) lease.settling = false;
    },
  };
}

/** Writes a count down. */
export function unansweredChange(subscription: string, entry: Entry, count: number): StateChange {
  const { topic, seq } = entry;
  return { op: "unanswered.put", record: { subscription, topic, id: nameOf(entry), seq, count } };
}

/** Forgets a count: somebody has answered. */
export function answeredChange(subscription: string, entry: Entry): StateChange {
  return { op: "unanswered.remove", subscription, topic: entry.topic, id: nameOf(entry) };
}

/** What was begun and is not answered, from a snapshot: by what names it, who had it. */
export interface OpenDelivery {
  topic: string;
  id: string;
  seq: number;
  attempt: number;
  consumer: string;
  soon: boolean;
}

/** Those of `begun` that nobody has answered for. */
export function openDeliveries(
  begun: readonly BegunRecord[],
  of: Pick<StateSnapshot, "cursors" | "done" | "retries">,
): OpenDelivery[] {
  if (begun.length === 0) return [];
  const next = new Map(of.cursors.map(({ topic, next }) => [topic, next]));
  const done = new Set(of.done.map(({ topic, seq }) => `${topic}\n${seq}`));
  const attempts = new Map(of.retries.map((retry) => [`${retry.topic}\n${retry.id}`, retry]));
  const isOpen = (event: BegunRecord["events"][number]): boolean => {
    const { topic, id, seq, attempt } = event;
    if (!id.startsWith(" ")) return attempts.get(`${topic}\n${id}`)?.nextAttempt === attempt;
    return seq >= (next.get(topic) ?? Infinity) && !done.has(`${topic}\n${seq}`);
  };
  return begun.flatMap(({ consumer, events }) =>
    events.filter(isOpen).map(({ topic, id, seq, attempt, soon = false }) => ({
      topic,
      id,
      seq,
      attempt,
      soon,
      consumer,
    }))
  );
}

/** The counts that a subscription begins with, and what has to be written down of them. */
export function countsAtStart(
  subscription: string,
  { unanswered, open }: { unanswered: readonly UnansweredRecord[]; open: readonly OpenDelivery[] },
): { unanswered: UnansweredRecord[]; changes: StateChange[] } {
  const counts = new Map(unanswered.map((row) => [`${row.topic}\n${row.id}`, row]));
  const changes: StateChange[] = [];
  // What this process had begun before it was started again has ended; of others it is not known
  // yet.
  for (const { topic, id, seq, soon, consumer } of open) {
    if (!consumer.startsWith(OWN_PROCESS)) continue;
    const key = `${topic}\n${id}`;
    const count = countAfter(counts.get(key)?.count, { soon });
    const record = { subscription, topic, id, seq, count };
    counts.set(key, record);
    changes.push({ op: "unanswered.put", record });
  }
  return { unanswered: [...counts.values()], changes };
}

/** How many leases that a consumer lost are remembered, in case it comes back and answers. */
const MOST_RETURNED = 4096;

/**
 * Leases that ended with their consumer's connection; what is said of one of them later is taken.
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

  /** A lease that was lost, while its event is not settled. */
  get(token: string): Lease | undefined {
    const lease = this.#leases.get(token);
    return lease === undefined || lease.entry.gone ? undefined : lease;
  }

  /** The same, once: it is answered. */
  take(token: string): Lease | undefined {
    const lease = this.get(token);
    this.#leases.delete(token);
    return lease;
  }
}
