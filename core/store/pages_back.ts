/**
 * Reads a range from its end, a page at a time, from any store: stores read forwards, so each page
 * is a window at the end of what is left. A window that holds more than one page of bytes is made
 * smaller until it fits, so a reader costs one page however large the events are.
 */
import { defined } from "../base/defined.ts";
import { type MaybePromise, whenReady } from "../base/maybe_promise.ts";
import type { StoredEvent } from "../event/event.ts";
import { sizeOf } from "./append.ts";
import type { EventReader } from "./reader.ts";
import { type Page, PAGE_BYTES, type PageQuery } from "./store.ts";

/** The pages of a range, newest first. Nothing stays open between two of them. */
export class PagesBack {
  readonly #store: Pick<EventReader, "head" | "readPage">;
  readonly #topic: string;
  readonly #query: PageQuery;
  #to: number;
  /** How many events the next window has. */
  #span: number;

  /** `query.limit`: the most events of a page. */
  constructor(
    store: Pick<EventReader, "head" | "readPage">,
    topic: string,
    query: PageQuery,
  ) {
    this.#store = store;
    this.#topic = topic;
    this.#query = query;
    this.#to = Math.min(query.to, store.head(topic).lastSeq);
    this.#span = query.limit;
  }

  /** The highest seq that was not read yet; below the range at its end. */
  get to(): number {
    return this.#to;
  }

  /**
   * The next page, newest first; empty if nothing in it matched; undefined at the end. One call at a
   * time.
   */
  next(): MaybePromise<StoredEvent[] | undefined> {
    const { limit, types, key } = this.#query;
    const first = Math.max(this.#query.from, this.#store.head(this.#topic).firstSeq);
    if (this.#to < first) return undefined;
    const from = Math.max(first, this.#to - this.#span + 1);
    const page = this.#store.readPage(this.#topic, {
      from,
      to: this.#to,
      limit,
      ...defined({ types, key }),
    });
    return whenReady(page, (page) => this.#took(page, from));
  }

  #took(page: Page, from: number): MaybePromise<StoredEvent[] | undefined> {
    if (page.next <= this.#to) {
      // The end of the window is missing. As many as fitted at its beginning may be too many at its
      // end, so at most half of it is tried next.
      this.#span = Math.min(page.next - from, Math.ceil((this.#to - from + 1) / 2));
      return this.next();
    }
    // What was deleted while the page was under way counts as not read, whether it is in it or not.
    const first = Math.max(from, this.#store.head(this.#topic).firstSeq);
    const events = first === from ? page.events : page.events.filter(({ seq }) => seq >= first);
    this.#to = first - 1;
    const bytes = events.reduce((sum, event) => sum + sizeOf(event), 0);
    const { limit } = this.#query;
    if (bytes < PAGE_BYTES / 4) this.#span = Math.min(limit, this.#span * 2);
    return events.reverse();
  }
}
