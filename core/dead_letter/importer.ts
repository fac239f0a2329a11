/**
 * Imports exported dead letters: back into the queue, or for redelivery. Edited events are
 * delivered as copies, the others as they were (core/dead_letter/imported.ts).
 */
import type { DeadLetterImportReply } from "../protocol/protocol.ts";
import type { SubscriptionManager } from "../delivery/manager.ts";
import { planRedelivery } from "../delivery/redeliver.ts";
import { IdSource } from "../event/id.ts";
import type { DeadLetterRecord, State, StateChange } from "../state/state.ts";
import { chunks, copyOf, keyOf, readEntries, refuseGone, removal } from "./entries.ts";
import { editedCopy, type ImportedDeadLetter, isUnchanged, recordOfImport } from "./imported.ts";
import { deadLetterName, splitDeadLetterName } from "../state/dead_letter_name.ts";

/** Imports exported dead letters. */
export class DeadLetterImporter {
  readonly #state: State;
  readonly #subscriptions: SubscriptionManager;
  readonly #ids = new IdSource();

  constructor(state: State, subscriptions: SubscriptionManager) {
    this.#state = state;
    this.#subscriptions = subscriptions;
  }

  /** Adds entries to the queue; existing ones are left alone. */
  async add(entries: readonly ImportedDeadLetter[]): Promise<DeadLetterImportReply> {
    const reply = emptyReply();
    for (const chunk of chunks(entries)) {
      const fresh = new Map<string, DeadLetterRecord>();
      for (const entry of chunk) {
        const record = recordOfImport(entry);
        const isThere = fresh.has(keyOf(record)) || readEntries(this.#state, [record]).length > 0;
        if (isThere) reply.present++;
        else fresh.set(keyOf(record), record);
      }
      await this.#state.commit([...fresh.values()].map((record) => ({ op: "dead.put", record })));
      reply.added += fresh.size;
      reply.count += chunk.length;
    }
    return reply;
  }

  /** Redelivers entries, each to the subscription that failed, or all to another one. */
  async retry(
    entries: readonly ImportedDeadLetter[],
    { to }: { to?: string | undefined },
  ): Promise<DeadLetterImportReply> {
    if (to === undefined) {
      const names = [...new Set(entries.map(({ subscription }) => subscription))];
      refuseGone(this.#subscriptions, { names, done: "imported" });
    } else this.#subscriptions.require(to);
    const reply = emptyReply();
    for (const [target, own] of Map.groupBy(entries, (entry) => to ?? entry.subscription)) {
      for (const chunk of chunks(own)) addTo(reply, await this.#deliver(target, chunk));
    }
    return reply;
  }

  /** The edited copy of a dead letter, if there is one. */
  #copyOf(first: string, topic: string): ReturnType<typeof copyOf> {
    const [record] = readEntries(this.#state, [{ ...splitDeadLetterName(first), topic }]);
    return record && copyOf(this.#state, record);
  }

  /**
   * One transaction. Decisions are made in the driver's turn, when nobody else changes anything.
   */
  async #deliver(
    target: string,
    entries: readonly ImportedDeadLetter[],
  ): Promise<DeadLetterImportReply> {
    const driver = this.#subscriptions.require(target);
    driver.look();
    let reply = emptyReply();
    await driver.plan(() => {
      reply = emptyReply();
      const now = driver.now();
      const sent: DeadLetterRecord[] = [];
      const changes: StateChange[] = [];
      const seen = new Set<string>();
      for (const entry of entries) {
        reply.count++;
        const given = recordOfImport(entry);
        const [before] = readEntries(this.#state, [given]);
        const first = before?.editedFrom ?? given.editedFrom ?? deadLetterName(given);
        const copy = this.#copyOf(first, given.topic);
        // Once is enough if an event is in the import twice, as itself or as a copy, or already in
        // delivery.
        if (seen.has(`${given.topic} ${first}`) || copy?.pending) {
          reply.present++;
          continue;
        }
        seen.add(`${given.topic} ${first}`);
        const isLatest = copy === undefined || copy.record.id === before?.id;
        if (before && isLatest && isUnchanged(before, given)) {
          reply.unchanged++;
          sent.push(before);
          changes.push(removal(before));
          continue;
        }
        reply.mended++;
        const latest = copy?.record ?? before;
        const edited = editedCopy(entry, { first, before: latest, id: this.#ids.next(now.wall) });
        sent.push(edited);
        changes.push(linkOf(edited, target));
        // A failed copy is replaced by the next one; the original stays until one succeeds.
        if (latest?.editedFrom !== undefined) changes.push(removal(latest));
      }
      const plan = planRedelivery(driver.queue, sent, now);
      plan.changes.push(...changes);
      return plan;
    });
    return reply;
  }
}

function linkOf(copy: DeadLetterRecord, target: string): StateChange {
  const editedAs = deadLetterName({ subscription: target, id: copy.id });
  return {
    op: "dead.link",
    ...splitDeadLetterName(copy.editedFrom!),
    topic: copy.topic,
    editedAs,
  };
}

function emptyReply(): DeadLetterImportReply & { count: number } {
  return { count: 0, mended: 0, unchanged: 0, added: 0, present: 0 };
}

function addTo(sum: DeadLetterImportReply, part: DeadLetterImportReply): void {
  for (const name of ["count", "mended", "unchanged", "added", "present"] as const) {
    sum[name] += part[name];
  }
}
