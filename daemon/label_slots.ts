/**
 * Which topics and subscriptions have metrics of their own: the first ones, up to a limit. The
 * others are summed up.
 *
 * Whatever is among the others stays there, and what is removed from among them keeps its part of
 * the sum: their counters never go back.
 */

/** The label of the sum. Not the name of any topic or subscription: names have no parentheses. */
export const OTHERS = "(other)";

/** Gives slots to names. `T` is what was counted for one. */
export class LabelSlots<T> {
  readonly #limit: number;
  readonly #forgotten: (counts: T) => void;
  readonly #own = new Set<string>();
  #others = new Map<string, T>();

  /** `forgotten` is called with what was counted for something that was among the others. */
  constructor(limit: number, forgotten: (counts: T) => void) {
    this.#limit = limit;
    this.#forgotten = forgotten;
  }

  /** Divides everything that is there now. */
  divide<I extends { name: string; counts: T }>(all: readonly I[]): { own: I[]; others: I[] } {
    const there = new Set(all.map(({ name }) => name));
    for (const name of this.#own) if (!there.has(name)) this.#own.delete(name);
    const own: I[] = [];
    const others: I[] = [];
    const counted = new Map<string, T>();
    for (const item of all) {
      if (this.#has(item.name)) own.push(item);
      else {
        others.push(item);
        counted.set(item.name, item.counts);
      }
    }
    for (const [name, counts] of this.#others) {
      if (counted.get(name) !== counts) this.#forgotten(counts);
    }
    this.#others = counted;
    return { own, others };
  }

  #has(name: string): boolean {
    if (this.#own.has(name)) return true;
    if (this.#others.has(name) || this.#own.size >= this.#limit) return false;
    this.#own.add(name);
    return true;
  }
}
