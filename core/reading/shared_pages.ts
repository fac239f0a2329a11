/**
 * Pages of tails that are behind. Tails of a topic often are so together, and a page takes longer to
 * read than to send: as long as one of them is sent it, the others get the same. No page is kept
 * longer than somebody needs it anyway.
 */
import type { JournalStore } from "../store/store.ts";

/** A page as it is sent. */
export interface PageBytes {
  bytes: Uint8Array;
  /** Where to read on. */
  next: number;
}

/** A page that somebody is sent. */
export interface HeldPage extends PageBytes {
  holders: number;
  release(): void;
}

/** The pages of one store that somebody is sent. */
export class SharedPages {
  readonly #topics = new Map<string, Map<string, HeldPage>>();

  /** The page of a topic with this name, for one holder more; undefined if nobody is sent it. */
  find(topic: string, name: string): HeldPage | undefined {
    const page = this.#topics.get(topic)?.get(name);
    if (page !== undefined) page.holders++;
    return page;
  }

  /** A page that was just read, for its first holder. */
  add(topic: string, name: string, { bytes, next }: PageBytes): HeldPage {
    let pages = this.#topics.get(topic);
    if (pages === undefined) this.#topics.set(topic, pages = new Map());
    const page: HeldPage = {
      bytes,
      next,
      holders: 1,
      release: () => {
        if (--page.holders > 0 || pages.get(name) !== page) return;
        pages.delete(name);
        if (pages.size === 0 && this.#topics.get(topic) === pages) this.#topics.delete(topic);
      },
    };
    pages.set(name, page);
    return page;
  }

  /** What was read of a topic is not what it has any more. */
  forget(topic: string): void {
    this.#topics.delete(topic);
  }

  /** How many there are. */
  get size(): number {
    return this.#topics.values().reduce((sum, pages) => sum + pages.size, 0);
  }
}

const byStore = new WeakMap<JournalStore, SharedPages>();

/** The pages of a store. */
export function pagesOf(store: JournalStore): SharedPages {
  let pages = byStore.get(store);
  if (pages === undefined) byStore.set(store, pages = new SharedPages());
  return pages;
}
