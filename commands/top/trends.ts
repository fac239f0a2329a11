/** How far behind subscriptions were in the last hour, from the daemon's history. */
import type { Clock } from "../../core/base/clock.ts";
import { EvsError } from "../../core/base/errors.ts";
import type { Client } from "../../core/client/client.ts";
import { readHistory } from "../../core/client/history.ts";
import { MOST_HISTORIES, type SubscriptionHistory } from "../../core/protocol/history.ts";

/** A lag for each part of the hour, the last one now; undefined: not known. */
export type Trend = readonly (number | undefined)[];

/** Parts of the hour, and minutes in each. */
export const TREND_PARTS = 20;
const MINUTES = 60;
/** The history changes once a minute. */
const EVERY_MS = 60_000;

/** The greatest lag in each part of the last hour. Pure. */
export function trendOf({ pending, leased, scheduled }: SubscriptionHistory): Trend {
  const lags = pending.map((value, i) =>
    value === null ? undefined : value + (leased[i] ?? 0) + (scheduled[i] ?? 0)
  ).slice(-MINUTES);
  const missing = Array<undefined>(MINUTES - lags.length).fill(undefined);
  const all = [...missing, ...lags];
  const each = MINUTES / TREND_PARTS;
  return Array.from({ length: TREND_PARTS }, (_, part) => {
    const known = all.slice(part * each, (part + 1) * each).filter((lag) => lag !== undefined);
    return known.length === 0 ? undefined : Math.max(...known);
  });
}

/** Reads trends, once a minute and when others are asked for. */
export class TrendSource {
  readonly #client: Client;
  readonly #clock: Clock;
  #known: ReadonlyMap<string, Trend> = new Map();
  #at = -Infinity;

  constructor(client: Client, clock: Clock) {
    this.#client = client;
    this.#clock = clock;
  }

  /** The trends of these subscriptions, and maybe of others. */
  async read(names: readonly string[]): Promise<ReadonlyMap<string, Trend>> {
    const asked = names.slice(0, MOST_HISTORIES);
    if (asked.length === 0) return this.#known;
    const now = this.#clock.monotonic();
    const isFresh = now - this.#at < EVERY_MS && asked.every((name) => this.#known.has(name));
    if (isFresh) return this.#known;
    try {
      const { subscriptions = [] } = await readHistory(this.#client, {
        subscriptions: asked,
        from: "@-1h",
        step: "1m",
      });
      this.#known = new Map(subscriptions.map((one) => [one.name, trendOf(one)]));
      this.#at = now;
    } catch (error) {
      // One of them was removed since, or the daemon is of before there was a history.
      if (!(error instanceof EvsError) || error.status !== 404) throw error;
      this.#known = new Map();
    }
    return this.#known;
  }
}
