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
import { type Counted, type Load, loadOf } from "../dead_counts.ts";
import { spaceOf } from "../disk_space.ts";
import { type Route, sendJson } from "../http/router.ts";
import { choice, text, valueIn, whole } from "../http/shape.ts";
import type { Services } from "../services.ts";
import { statusOf } from "./status.ts";

/** A subscription, and what there is to do in it. */
interface Row {
  driver: SubscriptionDriver;
  load: Load;
}

type Key = (row: Row, services: Services, counted: Counted) => number;

/** What a subscription is sorted by, the largest first; undefined: by its name. */
const KEYS: Record<OverviewSort, Key | undefined> = {
  name: undefined,
  lag: ({ load }) => load.pending + load.leased + load.scheduled,
  age: ({ driver, load }, { broker }) =>
    -(oldestPendingAt(driver, broker.meters, load.positions) ?? Infinity),
  leased: ({ load }) => load.leased,
  retries: ({ load }) => load.scheduled,
  dead: ({ driver }, _services, { of }) => of.get(driver.record.name) ?? 0,
  failed: ({ driver }) => driver.queue.counts.tally.failed,
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
    const counted = await services.look();
    const filter = valueIn(query, { name: "filter", shape: text })?.toLowerCase();
    const drivers = broker.subscriptions.all().filter(({ record }) =>
      filter === undefined || record.name.toLowerCase().includes(filter) ||
      record.topic.toLowerCase().includes(filter)
    );
    const order = valueIn(query, { name: "sort", shape: sort }) ?? "name";
    const most = valueIn(query, { name: "limit", shape: limit }) ?? DEFAULT;
    const body: OverviewReply = {
      at: Date.now(),
      status: statusOf(services, counted),
      ...defined({ disk: spaceOf(dataDir) }),
      stored: broker.journals.events,
      settled: settledOf(services),
      total: drivers.length,
      subscriptions: sorted(drivers, { services, counted, key: KEYS[order] }).slice(0, most)
        .map((row) => rowOf(services, row, counted)),
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
  { services, counted, key }: { services: Services; counted: Counted; key: Key | undefined },
): Row[] {
  return drivers.map((driver) => {
    if (key !== undefined || counted.nodes !== undefined) driver.look();
    const row = { driver, load: loadOf(services.broker, driver, counted.nodes) };
    return { ...row, name: driver.record.name, value: key?.(row, services, counted) ?? 0 };
  }).sort((a, b) => a.value === b.value ? (a.name < b.name ? -1 : 1) : b.value - a.value);
}

/** Who has the parts of a subscription; undefined: this daemon shares it with nobody. */
function ownersOf(
  { record: { name }, queue }: SubscriptionDriver,
  { nodes }: Counted,
): SubscriptionOverview["owners"] {
  if (nodes === undefined) return undefined;
  const counts = new Map<string, number>();
  let free = queue.lanes.count;
  for (const { node } of nodes.get(name)?.parts ?? []) {
    if (node === undefined) continue;
    counts.set(node, (counts.get(node) ?? 0) + 1);
    free--;
  }
  const owners = Array.from(counts, ([node, parts]) => ({ node, parts }))
    .sort((a, b) => b.parts - a.parts);
  return free > 0 ? [...owners, { parts: free }] : owners;
}

function rowOf(
  { broker: { meters, subscriptions } }: Services,
  { driver, load }: Row,
  counted: Counted,
): SubscriptionOverview {
  driver.look();
  const { queue, record } = driver;
  const { acknowledged, failed, dead } = queue.counts.tally;
  return {
    name: record.name,
    topic: record.topic,
    paused: record.paused,
    ...pauseOf(record),
    pending: load.pending,
    leased: load.leased,
    scheduled: load.scheduled,
    dead: counted.of.get(record.name) ?? 0,
    ...defined({
      oldestPendingAt: oldestPendingAt(driver, meters, load.positions),
      owners: ownersOf(driver, counted),
    }),
    settled: { acknowledged, failed, dead },
    ...nextInFlight(driver, subscriptions.consumers),
  };
}
