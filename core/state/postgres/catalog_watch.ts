/**
 * Notices that another node has changed the catalog: by a wake-up, and by a look at its counter from
 * time to time, because nothing depends on wake-ups.
 */
import type { Clock } from "../../base/clock.ts";
import type { WakeUps } from "../../postgres/wake_ups.ts";
import type { SharedCatalogSnapshot } from "../catalog_diff.ts";
import type { CountedCatalog } from "./snapshot.ts";

/** The kind of wake-ups that say so. */
export const CATALOG = "catalog";
/** How often the counter is looked at, ms. */
const LOOK_EVERY_MS = 2000;

/** What a watch works with. */
export interface CatalogWatchContext {
  clock: Clock;
  wakeUps: Pick<WakeUps, "on">;
  /** Reads the catalog with its counter, both of one moment. */
  read(): Promise<CountedCatalog>;
  /** Reads the counter. */
  count(): Promise<number>;
}

/** Reads the catalog, and tells when it is to be read again. */
export class CatalogWatch {
  readonly #context: CatalogWatchContext;
  readonly #listeners = new Set<() => void>();
  /** What was read last. */
  #seen: number | undefined;
  #cancel: (() => void) | undefined;
  #stopListening: (() => void) | undefined;
  #looking: Promise<void> | undefined;

  constructor(context: CatalogWatchContext) {
    this.#context = context;
  }

  async read(): Promise<SharedCatalogSnapshot> {
    const { catalog, count } = await this.#context.read();
    this.#seen = count;
    return catalog;
  }

  /** Calls `listener` when it may have changed since it was read last. Returns how to stop that. */
  listen(listener: () => void): () => void {
    this.#listeners.add(listener);
    this.#stopListening ??= this.#context.wakeUps.on(CATALOG, () => this.#tell());
    if (!this.#cancel) this.#lookLater();
    return () => void this.#listeners.delete(listener);
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }

  #lookLater(): void {
    this.#cancel = this.#context.clock.setTimer(() => {
      this.#looking = this.#look();
    }, LOOK_EVERY_MS);
  }

  async #look(): Promise<void> {
    try {
      if (await this.#context.count() !== this.#seen) this.#tell();
    } catch {
      // The server is away: whoever needs it says so, and the next look sees what was missed.
    }
    if (this.#cancel) this.#lookLater();
  }

  /** Resolves when nothing is under way. */
  async close(): Promise<void> {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#stopListening?.();
    this.#listeners.clear();
    await this.#looking;
  }
}
