/** Reads from the daemon what `evs top` shows: one small request, and others only when needed. */
import type { Clock } from "../../core/base/clock.ts";
import { EvsError, UnsupportedError } from "../../core/base/errors.ts";
import type { Client } from "../../core/client/client.ts";
import type { OverviewReply, OverviewSort } from "../../core/protocol/overview.ts";
import type { DeadLetterGroup } from "../../core/protocol/dead_letter_groups.ts";
import { ratesBetween, type TimedOverview } from "./rates.ts";
import type { Sort, TopReading } from "./state.ts";
import { TrendSource } from "./trends.ts";
import { WarningLog } from "./warnings.ts";

/** Groups of dead letters are read again at least this often, ms. */
const GROUPS_EVERY_MS = 30_000;
/** Of the time, at most a part of this is spent on grouping: the daemon reads all of them for it. */
const GROUPS_SHARE = 20;

/** What is asked for. */
export interface Asked {
  sort: Sort;
  filter: string;
  /** Most subscriptions. */
  limit: number;
  /** Subscriptions of which the last hour is shown. */
  trendsOf?: readonly string[];
}

/** The daemon, as it is read again and again. */
export class Source {
  readonly #client: Client;
  readonly #clock: Clock;
  readonly #log = new WarningLog();
  readonly #trends: TrendSource;
  #before: TimedOverview | undefined;
  #groups: { of: string; all: readonly DeadLetterGroup[]; at: number; took: number } | undefined;

  constructor(client: Client, clock: Clock) {
    this.#client = client;
    this.#clock = clock;
    this.#trends = new TrendSource(client, clock);
  }

  /** Throws an `EvsError` if the daemon does not answer, or is older than this route. */
  async read(asked: Asked, options: { signal?: AbortSignal } = {}): Promise<TopReading> {
    const overview = await this.#overview(asked, options);
    const now: TimedOverview = { overview, mono: this.#clock.monotonic() };
    const rates = ratesBetween(this.#before, now);
    this.#before = now;
    const groups = await this.#groupsFor(overview);
    const trends = await this.#trends.read(asked.trendsOf ?? []);
    const warnings = this.#log.read(overview.status.dataDir);
    return { overview, rates, trends, groups, warnings };
  }

  async #overview(
    { sort, filter, limit }: Asked,
    options: { signal?: AbortSignal },
  ): Promise<OverviewReply> {
    const query = { sort: orderFor(sort), filter: filter === "" ? undefined : filter, limit };
    try {
      return await this.#client.call<OverviewReply>(
        { method: "GET", path: "/v1/overview", query },
        options,
      );
    } catch (error) {
      if (!(error instanceof EvsError) || error.code !== "route/not-found") throw error;
      throw new UnsupportedError("the daemon that runs is older than this evs", {
        code: "daemon/too-old",
        hint: "evs daemon restart",
        cause: error,
      });
    }
  }

  /** Read again after dead letters came or went, but not all the time. */
  async #groupsFor({ status, settled }: OverviewReply): Promise<readonly DeadLetterGroup[]> {
    if (status.deadLetters === 0) return [];
    const { pid, startedAt, deadLetters, deadLettersOpen } = status;
    const of = [pid, startedAt, deadLetters, deadLettersOpen, settled.dead].join(" ");
    const start = this.#clock.monotonic();
    const known = this.#groups;
    if (known !== undefined) {
      const passed = start - known.at;
      const isDue = of !== known.of || passed >= GROUPS_EVERY_MS;
      if (!isDue || passed < known.took * GROUPS_SHARE) return known.all;
    }
    const all = await this.#client.deadLetterGroups({});
    const at = this.#clock.monotonic();
    this.#groups = { of, all, at, took: at - start };
    return all;
  }
}

/** The daemon knows no rates of subscriptions: those of the first by name are sorted here. */
function orderFor(sort: Sort): OverviewSort {
  return sort === "rate" ? "name" : sort;
}
