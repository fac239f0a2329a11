/** The events that a consumer has in hand, by what names them within the subscription. */
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

  /** Nobody has begun them. */
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
   * Takes a delivery in; one that is in hand already takes the new lease over. `counted` is told of
   * a work whose failure was written down before its answer was lost: the delivery is its next
   * attempt. Returns the work that has taken a lease over.
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

  /** The next works that nobody has begun; no id twice, for a handler answers by id. */
  next(most: number): Work[] {
    const waiting: Work[] = [];
    const ids = new Set<string>();
    for (const work of this.#works.values()) {
      if (work.running !== undefined || work.verdict !== undefined) continue;
      // Not begun, and the daemon has it again.
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
