/**
 * Where subscriptions store their durable state: durable subscriptions in the state, ephemeral ones
 * in memory, and the dead letters of both in the state, or in a queue that the application
 * provides.
 */
import type { DeadLetterQueue } from "../dead_letter/queue.ts";
import { readEntries } from "../dead_letter/entries.ts";
import { eventOfRecord } from "../dead_letter/queue.ts";
import type { MaybePromise } from "../base/maybe_promise.ts";
import { unansweredOf } from "../event/attempt.ts";
import { retryOf } from "../state/dead_letter_page.ts";
import type { Fence } from "../state/fences.ts";
import type { DeadLetterRecord, RetryRecord, State, StateChange } from "../state/state.ts";
import type { Ledger } from "../delivery/committer.ts";

/** The ledger of a durable subscription. */
export class StateLedger implements Ledger {
  readonly lasts = true;
  readonly #name: string;
  readonly #state: State;
  readonly #queue: DeadLetterQueue | undefined;

  /** `queue`: the application's own; absent: dead letters are part of the state. */
  constructor(name: string, state: State, queue?: DeadLetterQueue) {
    this.#name = name;
    this.#state = state;
    this.#queue = queue;
  }

  async commit(
    changes: readonly StateChange[],
    dead: readonly DeadLetterRecord[],
    fences?: readonly Fence[],
  ): Promise<void> {
    const stored = await toQueue(this.#queue, changes, dead);
    await (fences ? this.#state.commit(stored, { fences }) : this.#state.commit(stored));
    await tellDelivered(this.#queue, changes, dead);
  }

  get transact(): Ledger["transact"] {
    return this.#state.transact;
  }

  get retries(): Ledger["retries"] {
    const { shared, transact } = this.#state;
    return transact && shared?.retries && ((request) => shared.retries!(request));
  }

  get isProcessed(): Ledger["isProcessed"] {
    const { shared, transact } = this.#state;
    // Without acts, the state is this process's own.
    if (!transact || !shared?.isProcessed) return undefined;
    return (topic, seq) => shared.isProcessed!(this.#name, topic, seq);
  }

  get note(): Ledger["note"] {
    if (this.#state.forgets) return undefined;
    return (changes) => this.#state.commit(changes, { sync: false });
  }

  retry(topic: string, id: string): MaybePromise<RetryRecord | undefined> {
    return this.#state.retry(this.#name, topic, id);
  }
}

/** The ledger of an ephemeral subscription: only its dead letters outlive it. */
export class EphemeralLedger implements Ledger {
  readonly lasts = false;
  readonly #state: State;
  readonly #queue: DeadLetterQueue | undefined;
  readonly #retries = new Map<string, RetryRecord>();

  constructor(state: State, queue?: DeadLetterQueue) {
    this.#state = state;
    this.#queue = queue;
  }

  async commit(
    given: readonly StateChange[],
    dead: readonly DeadLetterRecord[],
  ): Promise<void> {
    const moves = given.some(({ op }) => op === "dead.retry");
    const changes = moves ? await this.#here(given) : given;
    const lasting = changes.filter(({ op }) => op === "dead.put" || op === "dead.remove");
    if (lasting.length > 0) {
      const rest = await toQueue(this.#queue, lasting, dead);
      if (rest.length > 0) await this.#state.commit(rest);
    }
    for (const change of changes) {
      if (change.op === "retry.put") {
        this.#retries.set(`${change.record.topic}\n${change.record.id}`, change.record);
      } else if (change.op === "retry.remove") {
        this.#retries.delete(`${change.topic}\n${change.id}`);
      } else if (change.op === "retry.due") {
        const row = this.retry(change.topic, change.id);
        if (row) Object.assign(row, { dueAt: change.now, waitMs: 0 });
      }
    }
    await tellDelivered(this.#queue, changes, dead);
  }

  /**
   * Dead letters that are moved to this subscription leave the state. Whoever moves them holds both
   * subscriptions, so what was read is still there when it is removed.
   */
  async #here(given: readonly StateChange[]): Promise<StateChange[]> {
    const changes: StateChange[] = [];
    for (const change of given) {
      if (change.op !== "dead.retry") {
        changes.push(change);
        continue;
      }
      const { subscription, topic, ids } = change;
      const keys = ids.map((id) => ({ subscription, topic, id }));
      for (const record of await readEntries(this.#state, keys)) {
        changes.push(
          { op: "retry.put", record: retryOf(record, change) },
          { op: "dead.remove", subscription, topic, id: record.id },
        );
      }
    }
    return changes;
  }

  retry(topic: string, id: string): RetryRecord | undefined {
    return this.#retries.get(`${topic}\n${id}`);
  }
}

/**
 * Adds dead letters to the application's queue, if it has one, before anything is committed. If the
 * process dies in between, the event is dead-lettered once more, but not lost.
 */
async function toQueue(
  queue: DeadLetterQueue | undefined,
  changes: readonly StateChange[],
  dead: readonly DeadLetterRecord[],
): Promise<readonly StateChange[]> {
  if (!queue || dead.length === 0) return changes;
  for (const record of dead) {
    const error = new Error(record.reason);
    const stack = record.attempts.at(-1)?.stack;
    if (stack !== undefined) error.stack = stack;
    const attempts = record.attempts.at(-1)?.attempt ?? 1;
    const unanswered = unansweredOf(record.attempts);
    await queue.addEvent(eventOfRecord(record), error, record.subscription, {
      attempts,
      ...(unanswered === 0 ? {} : { unanswered }),
    });
  }
  return changes.filter(({ op }) => op !== "dead.put");
}

/**
 * Tells the application's queue which retries were handled, so that it can remove their entries.
 */
async function tellDelivered(
  queue: DeadLetterQueue | undefined,
  changes: readonly StateChange[],
  dead: readonly DeadLetterRecord[],
): Promise<void> {
  if (!queue?.delivered) return;
  for (const change of changes) {
    if (change.op !== "retry.remove") continue;
    const { subscription, topic, id } = change;
    if (dead.some((record) => record.topic === topic && record.id === id)) continue;
    await queue.delivered({ subscription, topic, id });
  }
}
