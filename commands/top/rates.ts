/** Events per second, from two readings of counters. Pure. */
import type { OverviewReply } from "../../core/protocol/overview.ts";

/** Events per second between two readings; undefined where that cannot be told. */
export interface Rates {
  stored: number | undefined;
  acknowledged: number | undefined;
  failed: number | undefined;
  /** Acknowledged deliveries by subscription. */
  of: ReadonlyMap<string, number>;
}

/** A reading, and when it was made: monotonic ms, so that a clock that is set changes no rate. */
export interface TimedOverview {
  overview: OverviewReply;
  mono: number;
}

/** No rates: there is only one reading. */
export const NO_RATES: Rates = {
  stored: undefined,
  acknowledged: undefined,
  failed: undefined,
  of: new Map(),
};

/** The rates between two readings. Counters begin at 0 when another daemon starts. */
export function ratesBetween(before: TimedOverview | undefined, after: TimedOverview): Rates {
  if (before === undefined) return NO_RATES;
  const [{ overview: a }, { overview: b }] = [before, after];
  const seconds = (after.mono - before.mono) / 1000;
  const isSame = a.status.pid === b.status.pid && a.status.startedAt === b.status.startedAt;
  if (!isSame || seconds <= 0) return NO_RATES;
  // A counter falls where a subscription was removed or made again.
  const rate = (from: number, to: number) => to < from ? undefined : (to - from) / seconds;
  const known = new Map(a.subscriptions.map(({ name, settled }) => [name, settled.acknowledged]));
  const of = new Map<string, number>();
  for (const { name, settled } of b.subscriptions) {
    const from = known.get(name);
    const value = from === undefined ? undefined : rate(from, settled.acknowledged);
    if (value !== undefined) of.set(name, value);
  }
  return {
    stored: rate(a.stored, b.stored),
    acknowledged: rate(a.settled.acknowledged, b.settled.acknowledged),
    failed: rate(a.settled.failed, b.settled.failed),
    of,
  };
}
