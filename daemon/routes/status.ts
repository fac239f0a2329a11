/** The daemon's status, and its shutdown. */
import { defined } from "../../core/base/defined.ts";
import { PROTOCOL } from "../../core/protocol/constants.ts";
import type { Alert, HealthReply, StatusReply } from "../../core/protocol/status.ts";
import type { RemovedDeadLetters } from "../../core/event/removed_dead_letters.ts";
import { VERSION } from "../../core/base/version.ts";
import { oldestPendingAt } from "../../core/delivery/subscription_info.ts";
import { alertsOf, type SubscriptionLoad } from "../alerts.ts";
import { type Counted, loadOf } from "../dead_counts.ts";
import { spaceOf } from "../disk_space.ts";
import type { Services } from "../services.ts";
import { type Route, sendJson } from "../http/router.ts";

/** Status, health, shutdown. */
export const statusRoutes: Route[] = [
  {
    method: "GET",
    path: "/v1/status",
    async handle({ services }, reply) {
      sendJson(reply, 200, statusOf(services, await services.look()));
    },
  },
  {
    method: "GET",
    path: "/v1/health",
    async handle({ services }, reply) {
      const body = healthOf(services, await services.look());
      sendJson(reply, body.health === "ok" ? 200 : 503, body);
    },
  },
  {
    method: "POST",
    path: "/v1/shutdown",
    handle({ services }, reply) {
      reply.keepAlive = false;
      reply.onSent = () => services.shutdown("asked to stop");
      sendJson(reply, 202, { stopping: true, pid: Deno.pid });
    },
  },
];

/** Whether it works, and what needs a look. */
export function healthOf(services: Services, counted: Counted): HealthReply {
  const problems = services.problems();
  const refused = services.metrics.refusedLately();
  return {
    health: services.draining ? "draining" : problems.length > 0 ? "degraded" : "ok",
    problems,
    alerts: alertsNow(services, counted),
    ...(refused.length === 0 ? {} : { refused }),
  };
}

/** Sums over all topics and all subscriptions. */
export interface Totals {
  topics: number;
  events: number;
  bytes: number;
  deadLetters: number;
  /** Those in open groups. */
  deadLettersOpen: number;
  subscriptions: number;
  paused: number;
  scheduled: number;
  leased: number;
}

/** What is there now. */
export function totalsOf({ broker }: Services, { total, open, nodes }: Counted): Totals {
  const totals: Totals = {
    topics: 0,
    events: 0,
    bytes: 0,
    deadLetters: total,
    deadLettersOpen: open,
    subscriptions: 0,
    paused: 0,
    scheduled: 0,
    leased: 0,
  };
  for (const name of broker.topics.names()) {
    const head = broker.store.head(name);
    totals.topics++;
    totals.events += head.lastSeq - head.firstSeq + 1;
    totals.bytes += head.bytes;
  }
  for (const driver of broker.subscriptions.all()) {
    const { scheduled, leased } = loadOf(broker, driver, nodes);
    totals.subscriptions++;
    if (driver.record.paused) totals.paused++;
    totals.scheduled += scheduled;
    totals.leased += leased;
  }
  return totals;
}

/** The limits of `[alert]` that are reached. */
function alertsNow({ broker, config, dataDir }: Services, { open, nodes }: Counted): Alert[] {
  const { alertLag, alertAge } = config;
  // Without a limit on these only what consumers hold can be too much.
  const isAnyWatched = alertLag + alertAge > 0;
  const drivers = broker.subscriptions.all()
    .filter(({ queue }) => isAnyWatched || queue.leased > 0);
  const subscriptions = drivers.map((driver): SubscriptionLoad => {
    const { record: { name }, queue } = driver;
    const { pending, leased, scheduled, positions } = loadOf(broker, driver, nodes);
    const grant = queue.ready.leases.oldest?.grant;
    return {
      name,
      pending,
      leased,
      scheduled,
      oldestAt: alertAge > 0 ? oldestPendingAt(driver, broker.meters, positions) : undefined,
      lease: grant && { since: grant.startedAt, leaseMs: grant.leaseMs },
    };
  });
  const disk = spaceOf(dataDir);
  return alertsOf(config, { now: Date.now(), deadLetters: open, subscriptions, disk });
}

/** What the daemon tells about itself. */
export function statusOf(services: Services, counted: Counted): StatusReply {
  const { broker, config, metrics } = services;
  const { topics, events, bytes, deadLetters, deadLettersOpen, ...totals } = totalsOf(
    services,
    counted,
  );
  const heldBack = broker.retention.allHeldBack();
  const deadLettersRemoved = broker.deadLetterLimits.removed();
  const spool = services.spool?.counts() ?? [];
  return {
    version: VERSION,
    protocol: PROTOCOL,
    pid: Deno.pid,
    startedAt: services.startedAt,
    uptimeMs: Date.now() - services.startedAt,
    dataDir: services.dataDir,
    socket: services.socket,
    store: config.store,
    durability: durabilityOf(services),
    ...healthOf(services, counted),
    topics,
    events,
    bytes,
    deadLetters,
    deadLettersOpen,
    subscriptions: totals.subscriptions,
    pausedSubscriptions: totals.paused,
    scheduled: totals.scheduled,
    scheduledEvents: broker.scheduled.size,
    expiredEvents: broker.expiry.expired,
    ...(heldBack.length === 0 ? {} : { heldBack }),
    ...(deadLettersRemoved.length === 0 ? {} : { deadLettersRemoved }),
    ...(spool.length === 0 ? {} : { spool }),
    ...defined({ cluster: services.clusterInfo() }),
    schemas: broker.schemas.list().length,
    connections: services.connections(),
    tails: metrics.tails,
    memory: { rss: Deno.memoryUsage().rss },
    permissions: services.permissions(),
  };
}

/** When an event is acknowledged: of a database, its server's settings say so. */
function durabilityOf({ broker, config }: Services): string {
  if (config.store !== "postgres") return config.durability;
  return broker.store.durable ? "always" : "os";
}

/** What the limits on dead letters removed. */
export function sumOf(
  { deadLetterLimits }: Services["broker"],
  part: (removed: RemovedDeadLetters) => number,
): number {
  return deadLetterLimits.removed().reduce((sum, removed) => sum + part(removed), 0);
}
