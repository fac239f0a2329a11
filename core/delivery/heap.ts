/**
 * A heap whose least item comes first. Items mostly arrive in order here: those not less than the
 * last one wait in a queue, and only the others go into a binary heap beside it.
 */
export class Heap<T> {
  readonly #items: T[] = [];
  readonly #rank: (item: T) => number;
  #line: (T | undefined)[] = [];
  /** The index of the queue's head. */
  #at = 0;

  /** The rank of an item must not change while it is in the heap. */
  constructor(rank: (item: T) => number) {
    this.#rank = rank;
  }

  get size(): number {
    return this.#items.length + this.#line.length - this.#at;
  }

  /** All items, in no particular order. */
  *[Symbol.iterator](): Generator<T, void, undefined> {
    yield* this.#items;
    for (let at = this.#at; at < this.#line.length; at++) yield this.#line[at]!;
  }

  peek(): T | undefined {
    return this.#lineIsNext() ? this.#line[this.#at] : this.#items[0];
  }

  push(item: T): void {
    const line = this.#line;
    if (this.#at === line.length || this.#rank(line[line.length - 1]!) <= this.#rank(item)) {
      line.push(item);
    } else {
      this.#sink(item);
    }
  }

  pop(): T | undefined {
    if (!this.#lineIsNext()) return this.#raise();
    const item = this.#line[this.#at];
    // Release the taken item at once; reclaim its slot when the queue is empty, or when such slots
    // are most of it.
    this.#line[this.#at++] = undefined;
    if (this.#at === this.#line.length) {
      this.#line = [];
      this.#at = 0;
    } else if (this.#at >= 1024 && this.#at * 2 >= this.#line.length) {
      this.#line = this.#line.slice(this.#at);
      this.#at = 0;
    }
    return item;
  }

  #lineIsNext(): boolean {
    if (this.#at === this.#line.length) return false;
    const [least] = this.#items;
    return least === undefined || this.#rank(this.#line[this.#at]!) <= this.#rank(least);
  }

  #sink(item: T): void {
    const items = this.#items;
    let at = items.push(item) - 1;
    const rank = this.#rank(item);
    while (at > 0) {
      const parent = (at - 1) >>> 1;
      if (this.#rank(items[parent]!) <= rank) break;
      items[at] = items[parent]!;
      at = parent;
    }
    items[at] = item;
  }

  #raise(): T | undefined {
    const items = this.#items;
    const first = items[0];
    const last = items.pop();
    if (items.length === 0 || last === undefined) return first;
    const rank = this.#rank(last);
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= items.length) break;
      if (child + 1 < items.length && this.#rank(items[child + 1]!) < this.#rank(items[child]!)) {
        child++;
      }
      if (this.#rank(items[child]!) >= rank) break;
      items[at] = items[child]!;
      at = child;
    }
    items[at] = last;
    return first;
  }
}
