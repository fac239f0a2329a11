/** The events that a consumer has in flight, by their key within the subscription. */
import type { Delivery, EventFacts } from "./port.ts";
import { wasCounted, type Work } from "./work.ts";

/** The events that a consumer holds. */
export class InFlight {
  readonly #works = new Map<string, Work>();
  /** What was done since leases were asked for last. */
  #done: string[] = [];
  /** The highest seq of all that was taken in. */
  #highest = 0;

  get size(): number {
    return this.#works.size;
  }

  all(): Work[] {
    return [...this.#works.values()];
  }

  /** Works whose handlers have not started. */
  unbegun(): Work[] {
    return this.all().filter((work) => work.running === undefined && work.verdict === undefined);
  }

  has(work: Work): boolean {
    return this.#works.get(work.key) === work;
  }

  drop(work: Work): void {
    if (this.has(work)) this.#works.delete(work.key);
  }

  /** The daemon has confirmed that it is done. */
  finish(work: Work): void {
    this.drop(work);
    this.#done.push(work.key);
  }

  /** Leases are asked for: what was done before is not among those that come. */
  asked(): void {
    this.#done = [];
  }

  /**
   * Those that were handed out again before a late answer for them was read: they are done. Mostly
   * the seq alone says that an event is new.
   */
  doneOf(deliveries: readonly Delivery[]): ReadonlySet<Delivery> {
    let done: Set<string> | undefined;
    const found = new Set<Delivery>();
    for (const delivery of deliveries) {
      const { facts } = delivery;
      if (facts.seq > this.#highest) this.#highest = facts.seq;
      else if ((done ??= new Set(this.#done)).has(keyOf(facts))) found.add(delivery);
    }
    return found;
  }

  clear(): void {
    this.#works.clear();
  }

  /**
   * Adds a delivery, or gives its lease to the work that is already in flight. `counted` is called
   * for a work whose failure was stored but whose response was lost: the delivery is its next
   * attempt. Returns the work that took over a lease.
   */
  take(delivery: Delivery, counted: (work: Work) => void): Work | undefined {
    const key = keyOf(delivery.facts);
    const inHand = this.#works.get(key);
    if (inHand !== undefined && wasCounted(inHand, delivery)) {
      counted(inHand);
    } else if (inHand !== undefined) {
      inHand.lease = delivery.lease;
      inHand.stale = false;
      inHand.marked = false;
      return inHand;
    }
    this.#works.set(key, { key, delivery, lease: delivery.lease, stale: false });
    return undefined;
  }

  /** The next works that have not started; no id twice, because a handler answers by id. */
  next(most: number): Work[] {
    const waiting: Work[] = [];
    const ids = new Set<string>();
    for (const work of this.#works.values()) {
      if (work.running !== undefined || work.verdict !== undefined) continue;
      // It has not started, and the daemon has it back.
      if (work.stale) {
        this.#works.delete(work.key);
        continue;
      }
      const { id } = work.delivery.facts;
      if (ids.has(id)) continue;
      ids.add(id);
      if (waiting.push(work) >= most) break;
    }
    return waiting;
  }
}

function keyOf({ topic, seq, id }: EventFacts): string {
  return `${topic}\n${seq}\n${id}`;
}
