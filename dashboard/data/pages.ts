/** Lists that come page by page, as far as somebody scrolls. */
import { useEffect, useMemo, useRef, useState } from "../packages/preact.ts";
import { RequestFailure } from "./api.ts";
import { changes } from "./live.ts";

/** The first page is looked at again as long as nothing more was asked for. */
const EVERY_MS = 5_000;
/** At most one twentieth of the daemon's time. */
const SHARE = 20;

/** Some rows, and where the next ones begin; absent: these were the last. */
export interface ListPage<T> {
  rows: readonly T[];
  next: string | undefined;
}

/** What is loaded of the list. */
export interface Pages<T> {
  rows: readonly T[];
  /** False: this is all. */
  hasMore: boolean;
  /** Nothing is known yet. */
  isLoading: boolean;
  failure: RequestFailure | undefined;
  /** Loads the next page. */
  more: () => void;
}

type LoadPage<T> = (after: string | undefined, signal: AbortSignal) => Promise<ListPage<T>>;

interface Known<T> {
  rows: readonly T[];
  next: string | undefined;
  isFirst: boolean;
  failure?: RequestFailure;
}

/** Loads one page at a time, and tells what is loaded. */
class PageLoader<T> {
  known: Known<T> | undefined;
  readonly #load: LoadPage<T>;
  readonly #render: () => void;
  #running: AbortController | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** What was asked for last. */
  #asked: string | undefined;

  constructor(load: LoadPage<T>, render: () => void) {
    this.#load = load;
    this.#render = render;
  }

  begin(): () => void {
    const first = () => void this.#run(undefined);
    const forget = changes.watch(first);
    first();
    return () => {
      forget();
      clearTimeout(this.#timer);
      this.#running?.abort();
    };
  }

  more(): void {
    const next = this.known?.next;
    if (next !== undefined && this.#running === undefined) void this.#run(next);
  }

  async #run(after: string | undefined): Promise<void> {
    this.#asked = after;
    clearTimeout(this.#timer);
    this.#running?.abort();
    const running = this.#running = new AbortController();
    const began = performance.now();
    try {
      const { rows, next } = await this.#load(after, running.signal);
      const before = after === undefined ? [] : this.known?.rows ?? [];
      this.known = { rows: [...before, ...rows], next, isFirst: after === undefined };
    } catch (error) {
      if (running.signal.aborted) return;
      if (!(error instanceof RequestFailure)) throw error;
      const { rows = [], next, isFirst = true } = this.known ?? {};
      this.known = { rows, next, isFirst, failure: error };
    } finally {
      if (this.#running === running) this.#running = undefined;
    }
    if (running.signal.aborted) return;
    this.#render();
    const took = performance.now() - began;
    this.#timer = setTimeout(() => this.#again(), Math.max(EVERY_MS, took * SHARE));
  }

  /** The first page as long as it is the only one; others only if they did not come. */
  #again(): void {
    if (this.known?.isFirst !== true && this.known?.failure === undefined) return;
    if (document.visibilityState === "visible") void this.#run(this.#asked);
    else document.addEventListener("visibilitychange", () => this.#again(), { once: true });
  }
}

/** The list that `key` describes. */
export function usePages<T>(key: string, load: LoadPage<T>): Pages<T> {
  const [, render] = useState({});
  const latest = useRef(load);
  latest.current = load;
  const loader = useMemo(
    () => new PageLoader<T>((after, signal) => latest.current(after, signal), () => render({})),
    [key],
  );
  useEffect(() => loader.begin(), [loader]);
  const { known } = loader;
  return {
    rows: known?.rows ?? [],
    hasMore: known?.next !== undefined,
    isLoading: known === undefined,
    failure: known?.failure,
    more: () => loader.more(),
  };
}
