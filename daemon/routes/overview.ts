/**
 * `GET /v1/overview`: all that a screen shows, in one request. Of each subscription only counts are
 * looked at; what is told in detail is the lease and the retry that come first, so that a refresh
 * with a thousand subscriptions takes a few milliseconds.
 */
import { defined } from "../../core/base/defined.ts";
import type { SubscriptionDriver } from "../../core/delivery/driver.ts";
import { nextInFlight } from "../../core/delivery/in_flight_info.ts";
import { pauseOf } from "../../core/delivery/pause.ts";
import { oldestPendingAt } from "../../core/delivery/subscription_info.ts";
import type {
  OverviewReply,
  OverviewSort,
  SubscriptionOverview,
} from "../../core/protocol/overview.ts";
import type { DeadCounts } from "../dead_counts.ts";
import { spaceOf } from "../disk_space.ts";
import { type Route, sendJson } from "../http/router.ts";
import { choice, text, valueIn, whole } from "../http/shape.ts";
import type { Services } from "../services.ts";
import { statusOf } from "./status.ts";

type Key = (driver: SubscriptionDriver, services: Services, dead: DeadCounts) => number;

/** What a subscription is sorted by, the largest first; undefined: by its name. */
const KEYS: Record<OverviewSort, Key | undefined> = {
  name: undefined,
  lag: ({ queue }) => queue.pending + queue.leased + queue.scheduled,
  age: (driver, { broker }) => -(oldestPendingAt(driver, broker.meters) ?? Infinity),
  leased: ({ queue }) => queue.leased,
  retries: ({ queue }) => queue.scheduled,
  dead: ({ record }, _services, dead) => dead.of.get(record.name) ?? 0,
  failed: ({ queue }) => queue.counts.tally.failed,
};

const MOST = 10_000;
const DEFAULT = 1000;

const limit = whole([0, MOST]);
const sort = choice(Object.keys(KEYS) as OverviewSort[]);

/** The overview. */
export const overviewRoutes: Route[] = [{
  method: "GET",
  path: "/v1/overview",
  query: { limit, sort, filter: text },
  async handle({ services, query }, reply) {
    const { broker, dataDir } = services;
    const dead = await services.look();
    const filter = valueIn(query, { name: "filter", shape: text })?.toLowerCase();
    const drivers = broker.subscriptions.all().filter(({ record }) =>
      filter === undefined || record.name.toLowerCase().includes(filter) ||
      record.topic.toLowerCase().includes(filter)
    );
    const order = valueIn(query, { name: "sort", shape: sort }) ?? "name";
    const most = valueIn(query, { name: "limit", shape: limit }) ?? DEFAULT;
    const body: OverviewReply = {
      at: Date.now(),
      status: statusOf(services, dead),
      ...defined({ disk: spaceOf(dataDir) }),
      stored: broker.journals.events,
      settled: settledOf(services),
      total: drivers.length,
      subscriptions: sorted(drivers, { services, dead, key: KEYS[order] }).slice(0, most)
        .map((driver) => rowOf(services, driver, dead)),
    };
    sendJson(reply, 200, body);
  },
}];

/** The answers of all consumers. */
function settledOf({ broker }: Services): OverviewReply["settled"] {
  const sum = { acknowledged: 0, failed: 0, dead: 0 };
  for (const { queue: { counts: { tally } } } of broker.subscriptions.all()) {
    sum.acknowledged += tally.acknowledged;
    sum.failed += tally.failed;
    sum.dead += tally.dead;
  }
  return sum;
}

/** Each key is worked out once. Subscriptions with the same are in the order of their names. */
function sorted(
  drivers: readonly SubscriptionDriver[],
  { services, dead, key }: { services: Services; dead: DeadCounts; key: Key | undefined },
): SubscriptionDriver[] {
  return drivers.map((driver) => {
    if (key !== undefined) driver.look();
    return { driver, name: driver.record.name, value: key?.(driver, services, dead) ?? 0 };
  }).sort((a, b) => a.value === b.value ? (a.name < b.name ? -1 : 1) : b.value - a.value)
    .map(({ driver }) => driver);
}

function rowOf(
  { broker: { meters, subscriptions } }: Services,
  driver: SubscriptionDriver,
  counts: DeadCounts,
): SubscriptionOverview {
  driver.look();
  const { queue, record } = driver;
  const { acknowledged, failed, dead } = queue.counts.tally;
  return {
    name: record.name,
    topic: record.topic,
    paused: record.paused,
    ...pauseOf(record),
    pending: queue.pending,
    leased: queue.leased,
    scheduled: queue.scheduled,
    dead: counts.of.get(record.name) ?? 0,
    ...defined({ oldestPendingAt: oldestPendingAt(driver, meters) }),
    settled: { acknowledged, failed, dead },
    ...nextInFlight(driver, subscriptions.consumers),
  };
}
