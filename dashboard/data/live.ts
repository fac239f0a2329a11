/**
 * Documents of the daemon that are asked for again and again while somebody looks at them. What
 * several components show is asked for once.
 */
import { useEffect, useMemo, useState } from "../packages/preact.ts";
import { getJson, RequestFailure } from "./api.ts";
import { Signal } from "./signal.ts";

/** Pages look every so often. */
const EVERY_MS = 2_000;
/** A reply that takes long is not asked for all the time: at most one twentieth of the daemon's. */
const SHARE = 20;
/** So many documents that nobody looks at any more are kept, for the way back. */
const KEPT = 30;

/** What is known of a document. */
export interface Live<T> {
  data: T | undefined;
  /** Why the last request failed; absent if it did not. */
  failure: RequestFailure | undefined;
  /** Asks at once. */
  reload: () => void;
}

interface LiveOptions<T> {
  /** Default: the path as JSON. */
  load?: (path: string, signal: AbortSignal) => Promise<T>;
  /** ms; default 2 s. `Infinity`: once. */
  every?: number;
}

class LiveDocument<T> {
  data: T | undefined;
  failure: RequestFailure | undefined;
  readonly #path: string;
  readonly #options: LiveOptions<T>;
  readonly #watchers = new Set<() => void>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #running: AbortController | undefined;
  #isDue = false;

  constructor(path: string, options: LiveOptions<T>) {
    this.#path = path;
    this.#options = options;
  }

  get isWatched(): boolean {
    return this.#watchers.size > 0;
  }

  watch(watcher: () => void): () => void {
    this.#watchers.add(watcher);
    if (this.#watchers.size === 1) this.reload();
    return () => {
      this.#watchers.delete(watcher);
      if (this.isWatched) return;
      clearTimeout(this.#timer);
      this.#running?.abort();
    };
  }

  reload(): void {
    clearTimeout(this.#timer);
    if (!this.isWatched) return;
    // One request at a time; what was asked before an act does not show it.
    if (this.#running === undefined) void this.#run();
    else this.#isDue = true;
  }

  async #run(): Promise<void> {
    const running = this.#running = new AbortController();
    const { load = getJson<T>, every = EVERY_MS } = this.#options;
    const began = performance.now();
    this.#isDue = false;
    try {
      this.data = await load(this.#path, running.signal);
      this.failure = undefined;
    } catch (error) {
      if (!(error instanceof RequestFailure)) {
        if (!running.signal.aborted) throw error;
      } else this.failure = error;
    } finally {
      this.#running = undefined;
    }
    if (!this.isWatched) return;
    for (const watcher of [...this.#watchers]) watcher();
    if (this.#isDue || running.signal.aborted) return this.reload();
    const took = performance.now() - began;
    const wait = this.failure?.isAway ? EVERY_MS : Math.max(every, took * SHARE);
    if (wait !== Infinity) this.#timer = setTimeout(() => this.#whenSeen(), wait);
  }

  /** Nobody looks at a page in the background. */
  #whenSeen(): void {
    if (document.visibilityState === "visible") return this.reload();
    document.addEventListener("visibilitychange", () => this.reload(), { once: true });
  }
}

// deno-lint-ignore no-explicit-any -- each has its own type, which its key decides
const documents = new Map<string, LiveDocument<any>>();

function documentOf<T>(path: string, options: LiveOptions<T>): LiveDocument<T> {
  const known = documents.get(path) ?? new LiveDocument<T>(path, options);
  documents.delete(path);
  documents.set(path, known);
  for (const [other, { isWatched }] of documents) {
    if (documents.size <= KEPT) break;
    if (!isWatched && other !== path) documents.delete(other);
  }
  return known;
}

/** How often something was changed here. */
export const changes: Signal<number> = new Signal(0);

/** Asks for everything that is shown again: something was changed. */
export function reloadAll(): void {
  changes.set(changes.value + 1);
  for (const known of documents.values()) known.reload();
}

/** A document that stays up to date while the component is there. */
export function useLive<T>(path: string, options: LiveOptions<T> = {}): Live<T> {
  const known = useMemo(() => documentOf<T>(path, options), [path]);
  const [, render] = useState({});
  useEffect(() => known.watch(() => render({})), [known]);
  return { data: known.data, failure: known.failure, reload: () => known.reload() };
}
