/** What is known of the events of a scenario at a moment, and whether a restored backup has it. */
import type { Client } from "../../../core/client/client.ts";

/** What was confirmed until a moment. */
export interface Moment {
  /** Where each event is. */
  stored: Map<number, { seq: number; keySeq: number }>;
  /** Accepted for later. */
  scheduled: Set<number>;
  acked: Set<number>;
  dead: Set<number>;
}

/** Whose backup it is. */
export interface BackedUp {
  /** What was known when it began. */
  before: Moment;
  topic: string;
  /** A subscription from the start of the topic. */
  name: string;
}

interface Stored {
  payload: number;
  seq: number;
  keySeq?: number;
}

/** Keeps it. */
export class BackupLedger {
  readonly now: Moment = {
    stored: new Map(),
    scheduled: new Set(),
    acked: new Set(),
    dead: new Set(),
  };
  /** Whether or not there was an answer. */
  readonly sent = new Set<number>();
  readonly acking = new Set<number>();
  readonly giving = new Set<number>();
  /** The topic's limit. */
  maxEvents = Infinity;

  /** A copy of what is known now. */
  moment(): Moment {
    const { stored, scheduled, acked, dead } = this.now;
    return {
      stored: new Map(stored),
      scheduled: new Set(scheduled),
      acked: new Set(acked),
      dead: new Set(dead),
    };
  }

  /** What a daemon on a restored data dir has that it must not have, or has not. */
  async faults(client: Client, backup: BackedUp): Promise<string[]> {
    const { topic, name } = backup;
    const events = lines<Stored>(await (await client.read({ topic: [topic] })).text());
    const { scheduled: later } = await client.scheduled({ topic, limit: 1000 });
    const { health } = await client.status();
    const dead = lines<{ seq: number }>(await (await client.deadLetters({ limit: 1000 })).text());
    const come = new Set<number>();
    for (;;) {
      const reply = await client.lease(name, { max: 1000, waitMs: 50 });
      const { deliveries, pending, leased, scheduled } = reply;
      for (const { event } of deliveries) come.add((event as Stored).seq);
      if (deliveries.length + pending + leased + scheduled === 0) break;
      const leases = deliveries.map(({ lease }) => lease);
      if (leases.length > 0) await client.ack(name, { leases });
    }
    const { lastSeq } = await client.publish(topic, '{"type":"t","payload":-1}');
    return [
      ...(health === "ok" ? [] : [`its health is ${health}`]),
      ...this.#storedFaults(events, { ...backup, next: lastSeq }),
      ...scheduledFaults(later.map(({ id }) => id), backup),
      ...this.#workFaults(events, {
        ...backup,
        come,
        deadSeqs: new Set(dead.map(({ seq }) => seq)),
      }),
    ];
  }

  #storedFaults(events: Stored[], { before, next }: BackedUp & { next: number }): string[] {
    const faults: string[] = [];
    const last = events.at(-1)?.seq ?? 0;
    const there = new Map(events.map((event) => [event.payload, event]));
    for (const [n, { seq, keySeq }] of before.stored) {
      const found = there.get(n);
      const mayBeDeleted = seq <= last - this.maxEvents;
      if (!found && !mayBeDeleted) faults.push(`event ${n}, which was ${seq}, is not in it`);
      if (found && (found.seq !== seq || found.keySeq !== keySeq)) {
        faults.push(`event ${n} was ${seq} (${keySeq}), and is ${found.seq} (${found.keySeq})`);
      }
    }
    events.forEach(({ payload, seq }, i) => {
      if (!this.sent.has(payload)) faults.push(`nobody sent event ${payload}`);
      const known = this.now.stored.get(payload);
      if (known && known.seq !== seq) faults.push(`event ${payload} is ${seq}, and ${known.seq}`);
      if (seq !== events[0]!.seq + i) faults.push(`there is a hole before ${seq}`);
    });
    const highest = Math.max(0, ...[...before.stored.values()].map(({ seq }) => seq));
    if (next <= highest) faults.push(`the number ${next} was given again: ${highest} was the last`);
    return faults;
  }

  #workFaults(
    events: Stored[],
    { before, come, deadSeqs }: BackedUp & { come: Set<number>; deadSeqs: Set<number> },
  ): string[] {
    return events.flatMap(({ payload: n, seq }) => {
      const isDead = deadSeqs.has(seq);
      if (before.acked.has(n) && come.has(seq)) return [`event ${n} was acknowledged, and comes`];
      if (before.dead.has(n) && !isDead) return [`event ${n} was a dead letter, and is none`];
      if (isDead && come.has(seq)) return [`event ${n} is a dead letter, and comes`];
      if (isDead && !this.giving.has(n)) return [`event ${n} is a dead letter of nobody's`];
      const isDone = isDead || this.acking.has(n) || come.has(seq);
      return isDone ? [] : [`event ${n} is passed over`];
    });
  }
}

function scheduledFaults(ids: string[], { before }: BackedUp): string[] {
  return [...before.scheduled].filter((n) => !ids.includes(`e${n}`))
    .map((n) => `event ${n} was accepted for later, and is not listed`);
}

function lines<T>(text: string): T[] {
  return text.split("\n").filter(Boolean).map((line) => JSON.parse(line));
}
