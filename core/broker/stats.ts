/** What goes through a broker, and what waits in it: its topics and its subscriptions. */
import { defined } from "../base/defined.ts";
import { type MaybePromise, whenReady } from "../base/maybe_promise.ts";
import type { SubscriptionManager } from "../delivery/manager.ts";
import type { SubscriptionInfo, TopicInfo } from "../protocol/protocol.ts";
import type { TopicCatalog } from "../topic/catalog.ts";
import type { Retention } from "./retention.ts";
import type { EventReader } from "../store/reader.ts";
import type { TopicMeters } from "./topic_meters.ts";

/** What `stats` of a broker tells. */
export interface BrokerStats {
  /** By name. */
  topics: TopicInfo[];
  /** By name, without what each has in flight: `info` of a subscription has that. */
  subscriptions: SubscriptionInfo[];
}

/** The parts of a broker that know it. */
export interface StatsSource {
  topics: TopicCatalog;
  subscriptions: SubscriptionManager;
  retention: Retention;
  meters: TopicMeters;
}

/**
 * A topic as it is shown. `exact`: when its newest event was stored is told even if that has to be
 * read.
 */
export function topicInfoOf(
  { topics, subscriptions, retention, meters }: StatsSource,
  name: string,
  { exact = false }: { exact?: boolean } = {},
): TopicInfo {
  const info = topics.info(name);
  let expired = 0;
  for (const { queue } of subscriptions.of(name)) expired += queue.expired.get(name) ?? 0;
  return {
    ...info,
    rates: meters.rates(name),
    ...defined({
      newestAt: meters.newestAt(info, { exact }),
      expired: expired > 0 ? expired : undefined,
      heldBack: retention.heldBack(name),
    }),
  };
}

/** All topics and all subscriptions. */
export function statsOf(source: StatsSource): MaybePromise<BrokerStats> {
  return whenReady(source.subscriptions.list(), (subscriptions) => ({
    topics: source.topics.list().map(({ name }) => topicInfoOf(source, name)),
    subscriptions,
  }));
}

/** The same, with what others have stored until now. */
export async function freshStatsOf(
  source: StatsSource & { store: Pick<EventReader, "refresh"> },
): Promise<BrokerStats> {
  if (source.store.refresh) await source.store.refresh();
  return statsOf(source);
}
