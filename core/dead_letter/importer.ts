/**
 * Imports exported dead letters: back into the queue, or for redelivery. Edited events are
 * delivered as copies, the others as they were (core/dead_letter/imported.ts).
 */
import type { ActOptions } from "../event/audit.ts";
import { auditedDeadLetters } from "./audited_act.ts";
import type { DeadLetterImportReply } from "../protocol/protocol.ts";
import type { SubscriptionManager } from "../delivery/manager.ts";
import type { Now } from "../delivery/entry.ts";
import { planRedelivery } from "../delivery/redeliver.ts";
import { IdSource } from "../event/id.ts";
import type { Clock } from "../base/clock.ts";
import type { DeadLetterRecord, ImportRecord, State, StateChange } from "../state/state.ts";
import { type ImportPart, ImportParts, partName } from "./import_progress.ts";
import {
  chunks,
  copyOf,
  type EditedCopy,
  keyOf,
  readEntries,
  refuseGone,
  removal,
} from "./entries.ts";
import { retryOf } from "../state/dead_letter_page.ts";
import type { ActOn, ActRows, Transact } from "../state/shared_act.ts";
import { commitTogether, holdingAll } from "./move.ts";
import type * as SharedMove from "./shared_move.ts";
import { registeredModule } from "../base/module_registry.ts";
import { partField } from "../event/part.ts";
import { editedCopy, type ImportedDeadLetter, isUnchanged, recordOfImport } from "./imported.ts";
import { deadLetterName, splitDeadLetterName } from "../state/dead_letter_name.ts";

const SHARED_MOVE = "core/dead_letter/shared_move.ts";

/** Reads dead letters and retries, of one moment or while nobody changes them. */
type LetterRows = Pick<State, "deadLetters" | "retry">;

/** A part of an import and what is committed of it; call `apply` once it is. */
interface PlannedPart {
  reply: DeadLetterImportReply;
  changes: StateChange[];
  apply(): void;
}

/** What is sent, and what becomes of the dead letters. */
interface Decided {
  reply: DeadLetterImportReply;
  sent: DeadLetterRecord[];
  changes: StateChange[];
}

/** What an importer keeps its state in. */
export interface ImporterOptions {
  state: State;
  subscriptions: SubscriptionManager;
  clock: Clock;
  /** The parts of earlier imports that are done. */
  imports: readonly ImportRecord[];
}

/** Imports exported dead letters. */
export class DeadLetterImporter {
  readonly #state: State;
  readonly #subscriptions: SubscriptionManager;
  readonly #ids = new IdSource();
  readonly #parts: ImportParts;
  #adding: Promise<unknown> = Promise.resolve();

  constructor({ state, subscriptions, clock, imports }: ImporterOptions) {
    this.#state = state;
    this.#subscriptions = subscriptions;
    this.#parts = new ImportParts({ clock, imports });
  }

  /**
   * Adds entries to the queue; existing ones are left alone. With the tag of a `batch`, the same
   * again does what is left of it, and answers the same.
   */
  add(
    entries: readonly ImportedDeadLetter[],
    { batch, act }: ActOptions & { batch?: string | undefined } = {},
  ): Promise<DeadLetterImportReply> {
    return this.#parts.inTurn(batch, async () => {
      const reply = emptyReply();
      for (const [i, chunk] of chunks(entries).entries()) {
        const part = { batch, part: partName(i, chunk) };
        addTo(reply, this.#parts.done(part) ?? await this.#add(chunk, { ...part, act }));
      }
      return reply;
    });
  }

  /**
   * One transaction, while nothing else of these subscriptions is committed: an event that becomes a
   * dead letter after it was looked for would be replaced by what is imported. What belongs to
   * subscriptions that are gone is only ever added here, one after the other.
   */
  #add(
    chunk: readonly ImportedDeadLetter[],
    how: ImportPart & ActOptions,
  ): Promise<DeadLetterImportReply> {
    const { transact } = this.#state;
    if (transact) {
      return this.#inAct(transact, how, [], async (rows) => {
        await rows.holdNumbers();
        return await this.#planAdd(rows, chunk, how);
      });
    }
    const names = chunk.map(({ subscription }) => subscription);
    const added = this.#adding.then(() =>
      holdingAll(names, this.#subscriptions, async () => {
        const { reply, changes, apply } = await this.#planAdd(this.#state, chunk, how);
        await this.#state.commit(changes);
        apply();
        return reply;
      })
    );
    this.#adding = added.catch(() => {}); // the caller gets the error
    return added;
  }

  /**
   * One transaction of a state that several nodes share, unless the part is done: another node may
   * have been asked before.
   */
  async #inAct(
    transact: Transact,
    { batch, part }: ImportPart,
    on: readonly ActOn[],
    plan: (rows: ActRows) => Promise<PlannedPart>,
  ): Promise<DeadLetterImportReply> {
    const { reply, apply } = await transact({
      on,
      async decide(rows) {
        const before = batch === undefined ? undefined : await rows.importReply(batch, part);
        const result = before === undefined
          ? await plan(rows)
          : { reply: JSON.parse(before), changes: [], apply: () => {} };
        return { changes: result.changes, result };
      },
    });
    apply();
    return reply;
  }

  async #planAdd(
    rows: Pick<State, "deadLetters">,
    chunk: readonly ImportedDeadLetter[],
    { act, ...part }: ImportPart & ActOptions,
  ): Promise<PlannedPart> {
    const reply = { ...emptyReply(), count: chunk.length };
    const given = chunk.map(recordOfImport);
    const known = new Set((await readEntries(rows, given)).map(keyOf));
    const fresh = given.filter((record) => {
      const isNew = !known.has(keyOf(record));
      known.add(keyOf(record));
      return isNew;
    });
    reply.added = fresh.length;
    reply.present = chunk.length - fresh.length;
    const done = this.#parts.record(part, reply);
    const changes = [
      ...fresh.map((record): StateChange => ({ op: "dead.put", record, known: true })),
      ...done.changes,
      ...auditedDeadLetters("dead-letters.import", { act, done: fresh }),
    ];
    return { reply, changes, apply: done.apply };
  }

  /**
   * Redelivers entries, each to the subscription that failed, or all to another one. `batch`: as in
   * {@link add}.
   */
  retry(
    entries: readonly ImportedDeadLetter[],
    options: ActOptions & { to?: string | undefined; batch?: string | undefined },
  ): Promise<DeadLetterImportReply> {
    return this.#parts.inTurn(options.batch, () => this.#retry(entries, options));
  }

  async #retry(
    entries: readonly ImportedDeadLetter[],
    { to, batch, act }: ActOptions & { to?: string | undefined; batch?: string | undefined },
  ): Promise<DeadLetterImportReply> {
    if (to === undefined) {
      const names = [...new Set(entries.map(({ subscription }) => subscription))];
      await this.#subscriptions.learnOf(names);
      refuseGone(this.#subscriptions, { names, done: "imported" });
    } else await this.#subscriptions.known(to);
    const reply = emptyReply();
    for (const [target, own] of Map.groupBy(entries, (entry) => to ?? entry.subscription)) {
      for (const [i, chunk] of chunks(own).entries()) {
        const part = { batch, part: partName(i, chunk) };
        addTo(
          reply,
          this.#parts.done(part) ?? await this.#deliver(target, chunk, { ...part, act }),
        );
      }
    }
    return reply;
  }

  /** The edited copy of a dead letter, if there is one. */
  async #copyOf(
    rows: LetterRows,
    { first, topic }: { first: string; topic: string },
  ): Promise<EditedCopy | undefined> {
    const [record] = await readEntries(rows, [{ ...splitDeadLetterName(first), topic }]);
    return record && await copyOf(rows, record);
  }

  /**
   * One transaction. Decisions are made while nothing else is committed of the subscription that gets
   * the events, or of those that failed: nobody else retries or removes what was found.
   */
  async #deliver(
    target: string,
    entries: readonly ImportedDeadLetter[],
    how: ImportPart & ActOptions,
  ): Promise<DeadLetterImportReply> {
    const { transact } = this.#state;
    if (transact && this.#subscriptions.require(target).ledger.lasts) {
      return await this.#deliverShared(transact, { target, entries }, how);
    }
    const names = [target, ...entries.map(({ subscription }) => subscription)];
    return await holdingAll(names, this.#subscriptions, async () => {
      const driver = this.#subscriptions.require(target);
      const decided = await this.#decide(this.#state, { target, entries }, driver.now());
      const { reply, sent } = decided;
      driver.look();
      const plan = planRedelivery(driver.queue, sent, driver.now());
      const { changes, apply } = this.#also(decided, how);
      await commitTogether([{ driver, plan }], this.#state, changes);
      apply();
      return reply;
    });
  }

  #deliverShared(
    transact: Transact,
    chunk: { target: string; entries: readonly ImportedDeadLetter[] },
    how: ImportPart & ActOptions,
  ): Promise<DeadLetterImportReply> {
    const driver = this.#subscriptions.require(chunk.target);
    // Those that are edited have the keys that they are given.
    const of = chunk.entries.map(({ seq, event: { key } }) => ({ seq, key }));
    return this.#inAct(transact, how, [{ subscription: chunk.target, of }], async (rows) => {
      const now = driver.now();
      const decided = await this.#decide(rows, chunk, now);
      const places = await rows.places(chunk.target, decided.sent);
      const placed = decided.sent.map((entry, n) => ({ entry, place: places[n]! }));
      const { marksOf, takenOf } = registeredModule<typeof SharedMove>(SHARED_MOVE);
      const { taken } = takenOf(placed);
      const { changes, apply } = this.#also(decided, how);
      const retries = taken.map(({ entry, place: { part } }): StateChange => {
        const record = retryOf(entry, { to: chunk.target, dueAt: now.wall });
        return { op: "retry.put", record: { ...record, ...partField(part) } };
      });
      const { reply } = decided;
      return { reply, changes: [...retries, ...marksOf(driver, taken), ...changes], apply };
    });
  }

  /** What is committed together with the retries. */
  #also(
    { reply, sent, changes }: Decided,
    { act, ...part }: ImportPart & ActOptions,
  ): { changes: StateChange[]; apply(): void } {
    const done = this.#parts.record(part, reply);
    const what = reply.mended > 0 ? "dead-letters.edit" : "dead-letters.retry";
    const also = auditedDeadLetters(what, { act, done: sent });
    return { changes: [...changes, ...done.changes, ...also], apply: done.apply };
  }

  /** What is sent, and what becomes of the dead letters. */
  async #decide(
    rows: LetterRows,
    { target, entries }: { target: string; entries: readonly ImportedDeadLetter[] },
    now: Now,
  ): Promise<Decided> {
    const reply = emptyReply();
    const sent: DeadLetterRecord[] = [];
    const changes: StateChange[] = [];
    const seen = new Set<string>();
    for (const entry of entries) {
      reply.count++;
      const given = recordOfImport(entry);
      const [before] = await readEntries(rows, [given]);
      const first = before?.editedFrom ?? given.editedFrom ?? deadLetterName(given);
      const copy = await this.#copyOf(rows, { first, topic: given.topic });
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
    return { reply, sent, changes };
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

function emptyReply(): DeadLetterImportReply {
  return { count: 0, mended: 0, unchanged: 0, added: 0, present: 0 };
}

function addTo(sum: DeadLetterImportReply, part: DeadLetterImportReply): void {
  for (const name of ["count", "mended", "unchanged", "added", "present"] as const) {
    sum[name] += part[name];
  }
}
