/** The daemon's status, and its shutdown. */
import { PROTOCOL } from "../../core/protocol/constants.ts";
import type { Alert, StatusReply } from "../../core/protocol/status.ts";
import type { RemovedDeadLetters } from "../../core/event/removed_dead_letters.ts";
import { VERSION } from "../../core/base/version.ts";
import { alertsOf } from "../alerts.ts";
import type { Services } from "../services.ts";
import { exposition, type Sample } from "../metrics.ts";
import { type Route, sendBytes, sendJson } from "../http/router.ts";

/** Status, health, metrics, shutdown. */
export const statusRoutes: Route[] = [
  {
    method: "GET",
    path: "/v1/status",
    handle: ({ services }, reply) => sendJson(reply, 200, statusOf(services)),
  },
  {
    method: "GET",
    path: "/v1/health",
    handle({ services }, reply) {
      const { health, problems } = healthOf(services);
      sendJson(reply, health === "ok" ? 200 : 503, { health, problems });
    },
  },
  {
    method: "GET",
    path: "/metrics",
    handle({ services }, reply) {
      const bytes = new TextEncoder().encode(exposition(samplesOf(services)));
      sendBytes(reply, { status: 200, type: "text/plain; version=0.0.4; charset=utf-8", bytes });
    },
  },
  {
    method: "POST",
    path: "/v1/shutdown",
    handle({ services }, reply) {
      reply.shouldKeepAlive = false;
      reply.once("finish", () => services.shutdown("asked to stop"));
      sendJson(reply, 202, { stopping: true, pid: Deno.pid });
    },
  },
];

function healthOf(services: Services): Pick<StatusReply, "health" | "problems"> {
  const problems = services.problems();
  return {
    health: services.draining ? "draining" : problems.length > 0 ? "degraded" : "ok",
    problems,
  };
}

function totalsOf(
  { broker }: Services,
): { topics: number; events: number; bytes: number; deadLetters: number } {
  let [topics, events, bytes, deadLetters] = [0, 0, 0, 0];
  for (const { name } of broker.topics.list()) {
    const head = broker.store.head(name);
    topics++;
    events += head.lastSeq - head.firstSeq + 1;
    bytes += head.bytes;
  }
  for (const count of broker.deadLetters.counts().values()) deadLetters += count;
  return { topics, events, bytes, deadLetters };
}

function alertsNow({ broker, config }: Services): Alert[] {
  let deadLetters = 0;
  for (const count of broker.deadLetters.counts().values()) deadLetters += count;
  const subscriptions = config.alertLag > 0 ? broker.subscriptions.list() : [];
  return alertsOf(config, { deadLetters, subscriptions });
}

function statusOf(services: Services): StatusReply {
  const { broker, config, metrics } = services;
  const totals = broker.subscriptions.totals();
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
    durability: config.durability,
    ...healthOf(services),
    alerts: alertsNow(services),
    ...totalsOf(services),
    subscriptions: totals.subscriptions,
    pausedSubscriptions: totals.paused,
    scheduled: totals.scheduled,
    scheduledEvents: broker.scheduled.size,
    expiredEvents: broker.expiry.expired,
    ...(heldBack.length === 0 ? {} : { heldBack }),
    ...(deadLettersRemoved.length === 0 ? {} : { deadLettersRemoved }),
    ...(spool.length === 0 ? {} : { spool }),
    schemas: broker.schemas.list().length,
    connections: services.connections(),
    tails: metrics.tails,
    memory: { rss: Deno.memoryUsage().rss },
    permissions: services.permissions(),
  };
}

/** What the limits on dead letters removed. */
function sumOf(
  { deadLetterLimits }: Services["broker"],
  part: (removed: RemovedDeadLetters) => number,
): number {
  return deadLetterLimits.removed().reduce((sum, removed) => sum + part(removed), 0);
}

type MakeSample = (name: string, help: string, value: number) => Sample;

/** What limits removed, and what holds them back. */
function limitSamples(
  { broker }: Services,
  { counter, gauge }: { counter: MakeSample; gauge: MakeSample },
): Sample[] {
  return [
    counter(
      "events_expired_total",
      "Deliveries that did not take place because the event had expired, since the start.",
      broker.expiry.expired,
    ),
    counter(
      "dead_letters_expired_total",
      "Dead letters removed because of their age, ever.",
      sumOf(broker, ({ expired }) => expired),
    ),
    counter(
      "dead_letters_capped_total",
      "Dead letters removed because a subscription had too many of a topic, ever.",
      sumOf(broker, ({ capped }) => capped),
    ),
    gauge(
      "events_held_back",
      "Events past their topic's limits that wait for a subscription.",
      broker.retention.allHeldBack().reduce((sum, { count }) => sum + count, 0),
    ),
  ];
}

function samplesOf(services: Services): Sample[] {
  const { broker, metrics } = services;
  const spool = services.spool?.counts() ?? [];
  const inSpool = (part: "waiting" | "refused") => spool.reduce((sum, one) => sum + one[part], 0);
  const totals = totalsOf(services);
  const subscriptions = broker.subscriptions.totals();
  const counter = (name: string, help: string, value: number): Sample => ({
    name: `evs_${name}`,
    help,
    type: "counter",
    value,
  });
  const gauge = (name: string, help: string, value: number): Sample => ({
    name: `evs_${name}`,
    help,
    type: "gauge",
    value,
  });
  return [
    counter("events_stored_total", "Events stored since the start.", broker.journals.events),
    counter("appends_total", "Appends, one sync each, since the start.", broker.journals.batches),
    counter("events_refused_total", "Events refused since the start.", metrics.refused),
    counter("requests_total", "HTTP requests since the start.", metrics.requests),
    counter(
      "disk_full_refusals_total",
      "Times that a full disk refused something, since the start.",
      services.disk.refusals,
    ),
    gauge("disk_full", "1 while the disk is full.", services.disk.full ? 1 : 0),
    counter("errors_total", "Unexpected errors since the start.", metrics.errors),
    counter(
      "connections_refused_total",
      "Connections over the limit since the start.",
      metrics.refusedConnections,
    ),
    counter(
      "descriptors_exhausted_total",
      "Times that no descriptor was left to accept a connection with, since the start.",
      metrics.descriptorExhaustions,
    ),
    gauge("connections", "Open connections.", services.connections()),
    gauge("tails", "Followers.", metrics.tails),
    gauge("topics", "Topics.", totals.topics),
    gauge("events", "Events that are there now.", totals.events),
    gauge("bytes", "Bytes of payloads and metadata.", totals.bytes),
    gauge("subscriptions", "Subscriptions.", subscriptions.subscriptions),
    gauge("subscriptions_paused", "Paused subscriptions.", subscriptions.paused),
    gauge("retries_scheduled", "Events that wait for a retry.", subscriptions.scheduled),
    gauge("events_scheduled", "Events that are published later.", broker.scheduled.size),
    gauge("leases", "Deliveries under way.", subscriptions.leased),
    gauge("dead_letters", "Dead letters.", totals.deadLetters),
    gauge("spool_waiting", "Spooled events to take in.", inSpool("waiting")),
    gauge("spool_refused", "Spooled events that were refused.", inSpool("refused")),
    ...limitSamples(services, { counter, gauge }),
    gauge(
      "alerts",
      "Limits of [alert] in the config that are reached.",
      alertsNow(services).length,
    ),
    gauge("uptime_seconds", "Seconds since the start.", (Date.now() - services.startedAt) / 1000),
    gauge("resident_memory_bytes", "Resident memory.", Deno.memoryUsage().rss),
  ];
}
