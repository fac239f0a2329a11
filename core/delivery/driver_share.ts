/**
 * The parts of its subscription that a driver has, where a subscription is divided between nodes:
 * they come when somebody waits for events, and go when nobody does, when another node is to have
 * them, or when it has them already.
 *
 * Whatever comes or goes changes the queue between two of its plans. From when that is told until it
 * has happened, nothing is leased: which of the parts that would be of is not known to matter.
 */

import { type Clock, setBackgroundTimer } from "../base/clock.ts";
import type { MaybePromise } from "../base/maybe_promise.ts";
import { allParts, maskOf, type PartMask } from "../event/part.ts";
import type {
  Coordinator,
  OwnedPart,
  PartLoad,
  PartOwner,
  PartRows,
  PartShare,
} from "../state/coordinator.ts";
import type { FencedError } from "../state/fences.ts";
import type { StateChange } from "../state/state.ts";
import type { Fencing } from "./committer.ts";
import type { SubscriptionDriver } from "./driver.ts";
import { finishedParts, freezeParts, leaveParts } from "./give_back.ts";
import { PartFences } from "./part_fences.ts";
import { reconcileParts } from "./reconcile.ts";
import { takeParts } from "./take_over.ts";

/** How long nobody waits or holds a lease before the parts are given back, ms. */
const UNWANTED_MS = 2000;

/** What is needed besides the driver. */
export interface DriverShareContext {
  coordinator: Coordinator;
  clock: Clock;
  /** The topics of the subscription that there are. */
  topics(): Iterable<string>;
  onError(error: unknown, context: string): void;
}

/** The driver's side of a share. */
export class DriverShare implements PartOwner, Fencing {
  readonly #driver: SubscriptionDriver;
  readonly #context: DriverShareContext;
  readonly #fences: PartFences;
  readonly #share: PartShare;
  #isWanted = false;
  /** Since when nobody wants events, monotonic ms; undefined: somebody does. */
  #unwantedSince: number | undefined;
  /** The one timer that looks whether that has been for long. */
  #timer: (() => void) | undefined;
  /** Changes of the parts that are told and have not happened yet. */
  #coming = 0;
  /** Those who wait until nothing of some parts is leased. */
  #leaving: { isOver(): boolean; resolve(): void }[] = [];

  constructor(driver: SubscriptionDriver, context: DriverShareContext) {
    this.#driver = driver;
    this.#context = context;
    this.#fences = new PartFences(driver.record.name);
    this.#share = context.coordinator.share(driver.record, this);
  }

  /** True if events may be leased. */
  get mayLease(): boolean {
    return this.#coming === 0 && this.#share.mayDeliver;
  }

  /** True if parts may come: it is not known yet whether there is something for who waits. */
  get settling(): boolean {
    return this.#coming > 0 || this.#driver.queue.lanes.joinsSoon || this.#share.settling;
  }

  /** True if no more parts come: another node has what is not here, or this one takes none. */
  get isWhole(): boolean {
    return this.#share.allOwned || this.#context.coordinator.draining === true;
  }

  /** True if nothing of the subscription is here. */
  get isEmpty(): boolean {
    return this.#driver.queue.lanes.own === 0;
  }

  /** The queue has changed. `wanted`: somebody waits for events, or has some. */
  look(wanted: boolean): void {
    if (wanted) this.#want();
    else if (this.#isWanted) this.#unwant();
    const { queue } = this.#driver;
    if (queue.lanes.isSplit) this.#join();
    if (this.#leaving.length > 0) this.#tellLeft();
  }

  /**
   * Joins lanes that stand together. Where one plan follows the other, that is before the next one,
   * and nothing is read until then: a lane that went on would not stand there any more, and each
   * page would be read once a lane for as long as there is so much to do.
   */
  #join(): void {
    const { lanes } = this.#driver.queue;
    if (!this.#driver.isCommitting) lanes.joinAll();
    else if (!lanes.joinsSoon && lanes.canJoin) {
      lanes.joinsSoon = true;
      void this.#driver.between(() => {
        lanes.joinsSoon = false;
        lanes.joinAll();
      }).then(() => this.#driver.serve());
    }
  }

  #want(): void {
    this.#unwantedSince = undefined;
    if (this.#isWanted) return;
    this.#isWanted = true;
    this.#share.want(true);
  }

  /** Consumers come back soon, thousands of times a second: there is one timer for all of them. */
  #unwant(): void {
    const { clock } = this.#context;
    const since = this.#unwantedSince ??= clock.monotonic();
    this.#timer ??= setBackgroundTimer(clock, () => {
      this.#timer = undefined;
      if (this.#unwantedSince === undefined) return;
      if (clock.monotonic() < this.#unwantedSince + UNWANTED_MS) return this.#unwant();
      this.#unwantedSince = undefined;
      this.#isWanted = false;
      this.#share.want(false);
    }, since + UNWANTED_MS - clock.monotonic());
  }

  #tellLeft(): void {
    const over = this.#leaving.filter((one) => one.isOver());
    this.#leaving = this.#leaving.filter((one) => !over.includes(one));
    for (const { resolve } of over) resolve();
  }

  async gained(rows: PartRows): Promise<void> {
    const { queue } = this.#driver;
    let counted: StateChange[] = [];
    await this.#change(() => {
      counted = takeParts(queue, rows, this.#driver.now());
      this.#fences.hold(rows.parts);
      for (const topic of this.#context.topics()) this.#driver.addTopic(topic, 1);
    }, () => this.#driver.refresh());
    if (counted.length === 0) return;
    this.#store(counted, rows.parts).catch((error) => this.#failed(error));
  }

  /** Stores counts of parts that are here, unless these are gone when their turn comes. */
  storeOf(changes: readonly StateChange[]): Promise<void> {
    return this.#store(changes, this.#fences.heldIn(allParts(this.#driver.queue.lanes.count)));
  }

  #store(changes: readonly StateChange[], owned: readonly OwnedPart[]): Promise<void> {
    return this.#driver.plan(() => ({
      changes: this.#fences.stillIn(changes, owned),
      result: undefined,
      dead: [],
      apply: () => {},
      rollback: () => {},
    }));
  }

  async changed(load: () => Promise<PartRows | undefined>): Promise<void> {
    await this.#change(async () => {
      const rows = await load();
      if (!rows) return;
      // What was lost and claimed again comes as gained.
      const parts = rows.parts.filter((owned) => this.#fences.isHeld(owned));
      this.#fences.hold(parts);
      reconcileParts(this.#driver.queue, { ...rows, parts }, this.#driver.now());
    });
  }

  async leaving(parts: PartMask): Promise<void> {
    const { queue } = this.#driver;
    let asked: OwnedPart[] = [];
    await this.#change(() => {
      asked = this.#fences.heldIn(parts);
      freezeParts(queue, parts);
    });
    // What was lost meanwhile, and has come again, is not to go.
    const still = () => {
      return maskOf(asked.filter((one) => this.#fences.isHeld(one)).map(({ part }) => part));
    };
    await this.#left(() => (still() & ~finishedParts(queue)) === 0);
    try {
      // Whoever gets them need not read again what was skipped.
      if (!this.#driver.closed) await this.#driver.flush();
    } catch (error) {
      this.#failed(error);
    }
    await this.#change(() => this.#drop(still()));
  }

  #left(isOver: () => boolean): Promise<void> {
    if (isOver() || this.#driver.closed) return Promise.resolve();
    return new Promise((resolve) => void this.#leaving.push({ isOver, resolve }));
  }

  lost(parts: PartMask): Promise<void> {
    return this.#change(() => this.#drop(parts));
  }

  #drop(parts: PartMask): void {
    leaveParts(this.#driver.queue, parts);
    this.#fences.leave(parts);
  }

  load(): PartLoad {
    const { pending, leased, scheduled, ready } = this.#driver.queue;
    const began = Array.from(ready.leases.values(), ({ grant }) => grant.startedAt);
    return {
      pending,
      leased,
      scheduled,
      ...(leased > 0 ? { leasedSince: began.reduce((one, other) => Math.min(one, other)) } : {}),
    };
  }

  /**
   * Changes the parts of the queue, between two of its plans, and then reads what there is to know
   * of them. Never rejects.
   */
  async #change(action: () => MaybePromise<void>, read?: () => Promise<void>): Promise<void> {
    this.#coming++;
    try {
      await this.#driver.between(action);
      await read?.();
    } catch (error) {
      this.#failed(error);
    }
    this.#coming--;
    this.#driver.look();
    this.#driver.reread();
  }

  #failed(error: unknown): void {
    if (this.#driver.closed) return;
    this.#context.onError(error, `the parts of ${this.#driver.record.name}`);
  }

  /** See {@link PartFences.epochOf}. */
  epochOf(part: number): number | undefined {
    return this.#fences.epochOf(part);
  }

  fencesOf(changes: readonly StateChange[]): ReturnType<Fencing["fencesOf"]> {
    return this.#fences.of(changes);
  }

  async refused(error: FencedError): Promise<void> {
    // By now it may have been told, and may own them again.
    if (this.#fences.isNews(error)) await this.#share.refused(error);
  }

  /** The driver has ended: it delivers nothing any more. */
  async end(): Promise<void> {
    this.#timer?.();
    await this.#driver.between(() => this.#drop(allParts(this.#driver.queue.lanes.count)));
    this.#tellLeft();
    await this.#share.end();
  }
}
