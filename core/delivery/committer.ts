/**
 * Commits the plans of one queue, one at a time and in order. Settlements that arrive during a
 * commit go into the next one, so acks that arrive together share one sync.
 *
 * A plan that first has something to read is made in its turn: until it is committed, nothing else
 * of the queue is planned or committed, so what was read stays true. A plan that has all it needs is
 * made at once, without a promise.
 *
 * Of a subscription that is divided between nodes, a commit holds only while this node owns the
 * parts that it names. One that is refused for that has changed nothing: once the queue knows what
 * it has lost, the same is decided anew from what is left.
 */
import { type EvsError, InternalError } from "../base/errors.ts";
import { isPromise, type MaybePromise } from "../base/maybe_promise.ts";
import { TaskQueue } from "../base/task_queue.ts";
import { asError } from "../base/thrown.ts";
import { MOST_PARTS } from "../event/part.ts";
import { type Fence, FencedError } from "../state/fences.ts";
import type { SharedState } from "../state/shared.ts";
import type { Transact } from "../state/shared_act.ts";
import type { DeadLetterRecord, RetryRecord, StateChange } from "../state/state.ts";
import type { Outcome, Plan, Settlement } from "./plan.ts";

/** When a commit that nobody waits for is retried, ms. */
export const AGAIN_MS = 1000;

/** Where a subscription stores its durable state. */
export interface Ledger {
  /**
   * True if commits are part of the state, and may share a transaction with the commits of others.
   */
  readonly lasts: boolean;
  /**
   * Durable when it resolves; nothing is stored when it rejects. `dead`: the dead letters among the
   * changes. `fences`: what has to hold for them, in a state that several nodes share.
   */
  commit(
    changes: readonly StateChange[],
    dead: readonly DeadLetterRecord[],
    fences?: readonly Fence[],
  ): Promise<void>;
  /**
   * When it resolves, the changes survive the end of the process, but not a power cut. Absent if
   * nothing outlives the process.
   */
  note?(changes: readonly StateChange[]): Promise<void>;
  retry(topic: string, id: string): MaybePromise<RetryRecord | undefined>;
  /** Changes what other processes may own. Absent: there are none. */
  readonly transact?: Transact | undefined;
  /** What other processes are done with counts, too. Absent: there are none. */
  readonly isProcessed?: ((topic: string, seq: number) => Promise<boolean>) | undefined;
  /** The stored retries, whichever process has them. Absent: all are in memory. */
  readonly retries?: SharedState["retries"];
}

/** What commits depend on, where a subscription is divided between nodes. */
export interface Fencing {
  fencesOf(changes: readonly StateChange[]): readonly Fence[];
  /** A commit was refused: the queue knows by what when it resolves. */
  refused(error: FencedError): Promise<void>;
}

interface Settle {
  kind: "settle";
  items: readonly Settlement[];
  resolve(outcomes: Outcome[]): void;
  reject(error: unknown): void;
}

interface Other {
  kind: "other";
  make: () => MaybePromise<Plan<unknown>>;
  resolve(result: unknown): void;
  reject(error: unknown): void;
}

/** An action that involves several queues: nothing else of this one is committed meanwhile. */
interface Hold {
  kind: "hold";
  /** Never rejects. */
  action(): Promise<void>;
}

/** Most deliveries settled in one transaction. */
const MAX_BATCH = 5000;

/** How often a plan is made again that is refused: each part may be lost, and some be changed. */
const MOST_PLANS = MOST_PARTS + 5;

/** Commits the plans of one queue, in order. */
export class Committer {
  readonly #ledger: Ledger;
  readonly #settle: (items: readonly Settlement[]) => MaybePromise<Plan<Outcome[]>>;
  readonly #begun: () => void;
  readonly #changed: () => void;
  readonly #stored: (changes: readonly StateChange[]) => void;
  readonly #fencing: Fencing | undefined;
  readonly #work: (Settle | Other | Hold)[] = [];
  #working: Promise<void> | undefined;
  readonly #between = new TaskQueue();
  /** A plan was refused, and is not made again yet: none is under way. */
  #isRefused = false;
  #gone: EvsError | undefined;

  /**
   * `settle` plans settlements; `begun` is called when a commit is about to be written, `stored`
   * when it is durable and applied, `changed` whenever the queue has changed. Without `fencing`, all
   * is this process's own.
   */
  constructor(
    ledger: Ledger,
    on: {
      settle(items: readonly Settlement[]): MaybePromise<Plan<Outcome[]>>;
      begun(): void;
      stored(changes: readonly StateChange[]): void;
      changed(): void;
      fencing?: Fencing | undefined;
    },
  ) {
    this.#ledger = ledger;
    this.#fencing = on.fencing;
    this.#settle = (items) => on.settle(items);
    this.#begun = () => on.begun();
    this.#stored = (changes) => on.stored(changes);
    this.#changed = () => on.changed();
  }

  /** What plans are refused with, once nothing is to be stored any more. */
  get gone(): EvsError | undefined {
    return this.#gone;
  }

  /** True while a commit is pending or under way. */
  get busy(): boolean {
    return this.#working !== undefined;
  }

  /** Resolves when none is. */
  async idle(): Promise<void> {
    while (this.#working) await this.#working;
  }

  /** Settles deliveries; resolves when that is durable. */
  settle(items: readonly Settlement[]): Promise<Outcome[]> {
    return new Promise((resolve, reject) => {
      this.#work.push({ kind: "settle", items, resolve, reject });
      this.#working ??= this.#run();
    });
  }

  /** Commits what `make` decides when its turn comes. */
  plan<T>(make: () => MaybePromise<Plan<T>>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#work.push({
        kind: "other",
        make,
        resolve: (result) => resolve(result as T),
        reject,
      });
      this.#working ??= this.#run();
    });
  }

  /** Runs `action` when its turn comes; until it ends, nothing else is planned or committed. */
  hold<T>(action: () => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#work.push({ kind: "hold", action: () => action().then(resolve, reject) });
      this.#working ??= this.#run();
    });
  }

  /**
   * From now on nothing is stored, because what the plans are about was removed: whoever settles a
   * delivery is told that it is lost, and other plans are refused with `gone`.
   */
  discard(gone: EvsError): void {
    this.#gone = gone;
  }

  /**
   * Runs `action` when no plan is under way, before the next one is made: also where that is a plan
   * that was just refused. Several run in order. They must not wait for a commit.
   */
  between(action: () => MaybePromise<void>): Promise<void> {
    const done = this.#between.add(action);
    if (this.#isRefused) void this.#between.run();
    else this.#working ??= this.#run();
    return done;
  }

  async #run(): Promise<void> {
    // Yield once, so that settlements of the same tick share the first commit.
    await Promise.resolve();
    for (;;) {
      // Whoever is told that one has run may add another one before this goes on.
      while (this.#between.busy) await this.#between.run();
      const next = this.#work.shift();
      if (!next) break;
      if (next.kind === "other") await this.#commit(() => this.#made(next.make), next);
      else if (next.kind === "hold") await next.action();
      else await this.#settleBatch([next, ...this.#takeSettles(next.items.length)]);
    }
    this.#working = undefined;
    this.#changed();
  }

  #takeSettles(count: number): Settle[] {
    const batch: Settle[] = [];
    for (let next = this.#work[0]; next?.kind === "settle"; next = this.#work[0]) {
      count += next.items.length;
      if (count > MAX_BATCH) break;
      batch.push(next);
      this.#work.shift();
    }
    return batch;
  }

  #settleBatch(batch: Settle[]): Promise<void> {
    const items = batch.length === 1 ? batch[0]!.items : batch.flatMap((work) => work.items);
    return this.#commit(() => this.#gone ? lost(items) : this.#settle(items), {
      resolve(outcomes) {
        let at = 0;
        for (const work of batch) work.resolve(outcomes.slice(at, at += work.items.length));
      },
      reject(error) {
        for (const work of batch) work.reject(error);
      },
    });
  }

  #made(make: () => MaybePromise<Plan<unknown>>): MaybePromise<Plan<unknown>> {
    if (this.#gone) throw this.#gone;
    return make();
  }

  async #commit<T>(
    make: () => MaybePromise<Plan<T>>,
    then: { resolve(result: T): void; reject(error: unknown): void },
  ): Promise<void> {
    for (let left = MOST_PLANS; left > 0; left--) {
      let plan: Plan<T>;
      try {
        const made = make();
        plan = isPromise(made) ? await made : made;
      } catch (error) {
        then.reject(error);
        return;
      }
      try {
        if (plan.changes.length > 0) {
          this.#begun();
          await this.#write(plan);
        }
      } catch (error) {
        plan.rollback();
        const refusal = this.#fencing && error instanceof FencedError && left > 1
          ? await this.#learn(error, this.#fencing)
          : error ?? new InternalError("a commit failed without saying why");
        if (refusal === undefined) continue;
        then.reject(refusal);
        this.#changed();
        return;
      }
      plan.apply();
      this.#stored(plan.changes);
      this.#changed();
      then.resolve(plan.result);
      return;
    }
  }

  #write({ changes, dead }: Plan<unknown>): Promise<void> {
    const fences = this.#fencing?.fencesOf(changes);
    if (fences === undefined) return this.#ledger.commit(changes, dead);
    return this.#ledger.commit(changes, dead, fences);
  }

  /** The queue learns what it has lost; results in an error if it cannot. */
  async #learn(error: FencedError, fencing: Fencing): Promise<unknown> {
    this.#isRefused = true;
    try {
      // What waits may be what the error tells.
      await this.#between.run();
      await fencing.refused(error);
      while (this.#between.busy) await this.#between.run();
      return undefined;
    } catch (thrown) {
      return asError(thrown);
    } finally {
      this.#isRefused = false;
    }
  }
}

/** Nothing comes of these. */
function lost(items: readonly Settlement[]): Plan<Outcome[]> {
  const result = items.map((): Outcome => "lost");
  return { changes: [], result, dead: [], apply: () => {}, rollback: () => {} };
}
