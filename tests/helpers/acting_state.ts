/**
 * A state in memory that looks like one that several processes share: acts are decided in it, one
 * at a time. What makes them one transaction in a database is shown where there is one
 * (tests/system/postgres/acts_rows_test.ts).
 */
import "../../core/broker/shared_modules.ts";
import { systemClock } from "../../core/base/clock.ts";
import { partOf } from "../../core/event/part.ts";
import { MemoryState } from "../../core/state/memory.ts";
import { rowsOfParts } from "../../core/state/part_rows.ts";
import type { SharedState } from "../../core/state/shared.ts";
import type { ActOn, ActRows, SharedAct } from "../../core/state/shared_act.ts";
import type { State, StateChange } from "../../core/state/state.ts";
import { SharedJobRows } from "./shared_job_rows.ts";

/** What the rows of an act are read from. */
interface ActingOptions {
  clock?: Pick<SharedState, "clock">["clock"];
  /** Where topics end; absent: nowhere. */
  lastSeqOf?: (topic: string) => number;
}

/** A {@link MemoryState} with acts. */
export class ActingState extends MemoryState {
  readonly shared: SharedState;
  readonly jobRows = new SharedJobRows(() => this.load().jobs);
  readonly #lastSeqOf: (topic: string) => number;
  /** What acts were on, and what they came to. */
  readonly acts: { on: readonly ActOn[]; changes: readonly StateChange[] }[] = [];
  /** Runs before the next act decides: somebody else was faster. */
  before: (() => Promise<void>) | undefined;

  constructor({ clock = systemClock, lastSeqOf = () => Infinity }: ActingOptions = {}) {
    super();
    this.#lastSeqOf = lastSeqOf;
    const missing = () => {
      throw new Error("this state has no nodes");
    };
    this.shared = {
      clock,
      coordinator: missing,
      catalog: missing,
      onCatalog: missing,
      loadQueue: missing,
      progress: missing,
      jobs: this.jobRows.of("a"),
      removedDeadLetters: () => Promise.resolve(this.load().removedDeadLetters),
    };
  }

  /** The same as another node has it. */
  asNode(node: string): State {
    const shared = { ...this.shared, jobs: this.jobRows.of(node) };
    return new Proxy(this as State, {
      get(target, name) {
        if (name === "shared") return shared;
        const value = Reflect.get(target, name, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  }

  readonly transact = async <T>({ on, first = [], decide }: SharedAct<T>): Promise<T> => {
    const { before } = this;
    this.before = undefined;
    await before?.();
    const decision = await decide(this.#rows());
    const changes = [...first, ...decision.changes];
    await this.commit(changes.map((change) => this.#summed(change)));
    this.acts.push({ on, changes });
    return decision.result;
  };

  /** What adds to a count has the sum. */
  #summed(change: StateChange): StateChange {
    if (change.op !== "dead.removed" || !change.add) return change;
    const { record } = change;
    const before = this.load().removedDeadLetters.find(({ subscription, topic }) =>
      subscription === record.subscription && topic === record.topic
    );
    const expired = record.expired + (before?.expired ?? 0);
    const capped = record.capped + (before?.capped ?? 0);
    return { op: "dead.removed", record: { ...record, expired, capped } };
  }

  #rows(): ActRows {
    const { cursors, done, retries, subscriptions, imports } = this.load();
    const parts = (name: string) =>
      subscriptions.find((record) => record.name === name)?.parts ?? 1;
    return {
      parts,
      retry: (...name) => this.retry(...name),
      deadLetters: (...asked) => this.deadLetters(...asked),
      countDeadLetters: (filter) => this.countDeadLetters(filter),
      held: async (entries, { upTo } = {}) => {
        const found = [];
        for (const entry of entries) {
          const { subscription, topic, id } = entry;
          const filter = { subscription, topic, ids: [id], upTo };
          const [record] = (await this.deadLetters(filter, { limit: 1 })).records;
          if (record) found.push({ entry, editedAs: record.editedAs });
        }
        return found;
      },
      holdNumbers: () => Promise.resolve(),
      places: (subscription, events) =>
        Promise.resolve(events.map(({ topic, id, seq, key }) => {
          const of = <R extends { subscription: string; topic: string }>(rows: readonly R[]) =>
            rows.filter((row) => row.subscription === subscription && row.topic === topic);
          const next = of(cursors)[0]?.next ?? 1;
          return {
            part: partOf({ seq, key }, parts(subscription)),
            isRetry: of(retries).some((row) => row.id === id),
            isOpen: seq >= Math.max(1, next) && seq <= this.#lastSeqOf(topic) &&
              !of(done).some((mark) => mark.seq === seq),
          };
        })),
      retries: (subscription, ids) =>
        Promise.resolve(
          retries.filter((row) =>
            row.subscription === subscription && (ids === undefined || ids.includes(row.id))
          ),
        ),
      queue: (subscription) => {
        const asked = Array.from({ length: parts(subscription) }, (_, part) => part);
        const rows = rowsOfParts(this.load(), { subscription, parts: asked });
        return Promise.resolve({ parts: [], ...rows });
      },
      holdWaiting: () => Promise.resolve([]),
      numbered: async (numbers) => {
        const keys = await this.deadLetterKeys({ limit: Infinity });
        return keys.map(({ number }) => number).filter((number) => numbers.includes(number));
      },
      ...this.jobRows.acts(),
      importReply: (batch, part) =>
        Promise.resolve(imports.find((row) => row.batch === batch && row.part === part)?.reply),
    };
  }
}
