/**
 * Records what the handlers of one subscription have begun: before they run, and counted if their
 * consumer goes away without an answer. The rules are in core/delivery/unanswered.ts.
 */
import type { Clock } from "../base/clock.ts";
import { isPromise, type MaybePromise } from "../base/maybe_promise.ts";
import type { StateChange } from "../state/state.ts";
import { AGAIN_MS, type Ledger } from "./committer.ts";
import type { SubscriptionDriver } from "./driver.ts";
import type { Lease } from "./leases.ts";
import type { Settlement } from "./plan.ts";
import { newToken } from "./tokens.ts";
import { countAfter, endedWords, planUnanswered, unansweredChange } from "./unanswered.ts";

/** What is needed besides the driver. */
export interface BegunContext {
  clock: Clock;
  ledger: Ledger;
  /** Reads the row of a retry; false if there is none, and then the lease has ended. */
  withRecord(lease: Lease): MaybePromise<boolean>;
  /** Stores counts, as long as their parts are here; undefined where no nodes share them. */
  storeShared(changes: readonly StateChange[]): Promise<void> | undefined;
  onError(error: unknown, context: string): void;
}

/** Remembers which deliveries have begun and were not answered. */
export class BegunDeliveries {
  readonly #driver: SubscriptionDriver;
  readonly #context: BegunContext;

  constructor(driver: SubscriptionDriver, context: BegunContext) {
    this.#driver = driver;
    this.#context = context;
  }

  #failed(error: unknown): void {
    if (this.#driver.closed) return;
    this.#context.onError(error, `the deliveries of ${this.#driver.record.name}`);
  }

  /**
   * Records that handlers have begun these deliveries, or will `soon`, together with others. Stored
   * when it resolves.
   */
  async begin(
    tokens: readonly string[],
    { soon, instance }: { soon: boolean; instance: string },
  ): Promise<{ settled: number; lost: string[] }> {
    const { lost, late } = this.#driver.queue.begin(tokens, soon ? "soon" : "now");
    // The connection was gone before this request was read.
    if (late.length > 0) this.#lateBegun(late, soon);
    await this.noteBegun(instance);
    return { settled: tokens.length - lost.length, lost };
  }

  #lateBegun(leases: readonly Lease[], soon: boolean): void {
    this.note(leases.map((lease) => {
      const { entry, grant } = lease;
      lease.begun = soon ? "soon" : "now";
      const count = countAfter(entry.unanswered, { soon });
      this.#driver.queue.counts.count(entry, count, { holder: grant.instance });
      return unansweredChange(this.#driver.record.name, entry, count);
    }));
    this.#giveUpSpent();
  }

  /** Stores what the handlers of an instance have begun. */
  async noteBegun(instance: string): Promise<void> {
    const { ledger } = this.#context;
    // A consumer without a name cannot be recognized when it comes back.
    if (!ledger.note || !instance.includes(":")) return;
    const events = this.#driver.queue.counts.begunBy(instance, this.#driver.epochOf);
    const subscription = this.#driver.record.name;
    const change: StateChange = events.length > 0
      ? { op: "begun.put", record: { subscription, consumer: instance, events } }
      : { op: "begun.remove", subscription, consumer: instance };
    await ledger.note([change]);
  }

  /**
   * For counts that nobody waits for. Losing one costs a count, not an event. Where nodes share the
   * subscription, they hold only as long as their parts are here.
   */
  note(changes: readonly StateChange[]): void {
    const stored = this.#context.storeShared(changes) ?? this.#context.ledger.note?.(changes);
    stored?.catch((error) => this.#failed(error));
  }

  /** Releases leases without counting an attempt; see `DeliveryQueue.release`. */
  release(tokens: readonly string[]): { settled: number; lost: string[] } {
    const instances = new Set(
      tokens.map((token) => this.#driver.queue.ready.leases.get(token))
        .filter((lease) => lease?.begun !== undefined).map((lease) => lease!.grant.instance),
    );
    const reply = this.#driver.queue.release(tokens);
    for (const instance of instances) {
      this.noteBegun(instance)
        .catch((error) => this.#failed(error));
    }
    this.#driver.serve();
    return reply;
  }

  /**
   * A consumer's connection has closed: its bound leases are released. Deliveries whose handler had
   * begun count as ended without an answer. With `isOrdered`, the daemon is shutting down, and
   * nothing is counted.
   */
  releaseConsumer(consumer: string, { isOrdered }: { isOrdered: boolean }): void {
    this.#end(this.#driver.queue.boundTo(consumer), { isOrdered });
  }

  /**
   * Leases ran out whose consumer says when its handlers begin, and would have extended them: it
   * stands still. They end as with its connection, and what it says when it goes on is taken.
   */
  ranOut(leases: readonly Lease[]): void {
    this.#end(leases.filter((lease) => lease.isHeld), { isOrdered: false });
  }

  #end(leases: readonly Lease[], { isOrdered }: { isOrdered: boolean }): void {
    if (leases.length === 0 || this.#driver.closed) return;
    const begun = isOrdered ? [] : leases.filter((lease) => lease.isOpen);
    const others = leases.filter((lease) => !begun.includes(lease));
    // A message that one of them has begun may still arrive on another connection.
    if (!isOrdered) { for (const lease of others) this.#driver.queue.returned.add(lease); }
    const giveBack = (some: readonly Lease[]) =>
      this.#driver.queue.release(some.map(({ token }) => token).reverse());
    if (begun.length === 0) {
      giveBack(others);
      return this.#driver.serve();
    }
    this.#driver.plan(() => planUnanswered(this.#driver.queue, begun))
      .catch((error) => {
        giveBack(begun);
        this.#failed(error);
      })
      .finally(() => {
        // Behind what had begun, which comes before them.
        giveBack(others);
        this.#giveUpSpent();
      });
  }

  /**
   * Dead-letters those of `leases` whose events ended too often without an answer. True if there
   * were any.
   */
  givenUp(leases: readonly Lease[]): boolean {
    const { maxDeliveries } = this.#driver.queue.settings;
    const spent = leases.filter(({ entry }) => (entry.unanswered ?? 0) >= maxDeliveries);
    if (spent.length === 0) return false;
    this.#driver.settle(spent.map(({ token, entry }): Settlement => ({
      lease: token,
      ack: false,
      dead: true,
      isUnanswered: true,
      error: endedWords(entry.unanswered!),
      durationMs: 0,
    }))).catch((error) => {
      if (this.#driver.closed) return;
      this.#context.onError(error, `dead letters of ${this.#driver.record.name}`);
      const again = () => {
        this.#driver.queue.release(spent.map(({ token }) => token).reverse());
        this.#driver.serve();
      };
      this.#context.clock.setTimer(again, AGAIN_MS);
    });
    return true;
  }

  /** Dead-letters events that ended too often without an answer, even if nobody leases any more. */
  #giveUpSpent(): void {
    if (this.#driver.closed) return;
    const { maxDeliveries } = this.#driver.queue.settings;
    const now = this.#driver.now();
    for (const entry of this.#driver.queue.counts.spent(maxDeliveries)) {
      if (entry.gone || entry.lease) continue;
      const lease = this.#driver.queue.leaseLate(entry, now, newToken());
      if (lease) this.#giveUp(lease);
    }
    this.#driver.serve();
  }

  #giveUp(lease: Lease): void {
    const hasRow = this.#context.withRecord(lease);
    if (!isPromise(hasRow)) return void (hasRow && this.givenUp([lease]));
    hasRow.then((isThere) => void (isThere && this.givenUp([lease])), (error) => {
      // The next one that leases it gives it up.
      this.#driver.queue.release([lease.token]);
      this.#failed(error);
      this.#driver.serve();
    });
  }
}
