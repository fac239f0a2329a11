/** The events that a consumer has in flight, by their key within the subscription. */
import type { Delivery } from "./port.ts";
import { wasCounted, type Work } from "./work.ts";

/** The events that a consumer holds. */
export class InFlight {
  readonly #works = new Map<string, Work>();

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

  clear(): void {
    this.#works.clear();
  }

  /**
   * Adds a delivery, or gives its lease to the work that is already in flight. `counted` is called
   * for a work whose failure was stored but whose response was lost: the delivery is its next
   * attempt. Returns the work that took over a lease.
   */
  take(delivery: Delivery, counted: (work: Work) => void): Work | undefined {
    const { topic, seq, id } = delivery.facts;
    const key = `${topic}\n${seq}\n${id}`;
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
