/**
 * `GET /metrics`. Nearly everything is in memory when it is asked for: a scrape scans no database. Names
 * and meanings are in docs/monitoring.md.
 */
import type { TopicMeter } from "../../core/broker/topic_meters.ts";
import { DeliveryTally } from "../../core/delivery/delivery_tally.ts";
import type { SubscriptionDriver } from "../../core/delivery/driver.ts";
import { oldestPending } from "../../core/delivery/subscription_info.ts";
import { spaceOf } from "../disk_space.ts";
import { OTHERS } from "../label_slots.ts";
import {
  Exposition,
  type Family,
  formatFor,
  label,
  type Labels,
  METRICS_TYPES,
} from "../metrics.ts";
import type { Services } from "../services.ts";
import { type Counted, loadOf } from "../dead_counts.ts";
import { type Route, sendBytes } from "../http/router.ts";
import { healthOf, sumOf, type Totals, totalsOf } from "./status.ts";

/** The metrics. */
export const metricsRoutes: Route[] = [{
  method: "GET",
  path: "/metrics",
  async handle({ services, raw }, reply) {
    const counted = await services.look();
    const format = formatFor(raw.header("accept"));
    const out = new Exposition(format, services.metrics.textBytes);
    writeDaemon(out, services, counted);
    writeTopics(out, services);
    const labelled = writeSubscriptions(out, services, counted);
    services.cluster?.writeMetrics(out, { labelled, counts: counted.nodes });
    const bytes = out.end();
    services.metrics.textBytes = bytes.length;
    reply.header("vary", "accept");
    sendBytes(reply, { status: 200, type: METRICS_TYPES[format], bytes });
  },
}];

type Line = readonly [name: string, help: string, value: number];

/** What increases since the start. */
function countersOf({ broker, metrics, disk }: Services): Line[] {
  return [
    ["events_stored_total", "Events stored since the start.", broker.journals.events],
    ["appends_total", "Appends, one sync each, since the start.", broker.journals.batches],
    ["events_refused_total", "Events refused since the start.", metrics.refused],
    ["requests_total", "HTTP requests since the start.", metrics.requests],
    [
      "disk_full_refusals_total",
      "Times that a full disk refused something, since the start.",
      disk.refusals,
    ],
    ["errors_total", "Unexpected errors since the start.", metrics.errors],
    [
      "connections_refused_total",
      "Connections over the limit since the start.",
      metrics.refusedConnections,
    ],
    [
      "descriptors_exhausted_total",
      "Times that no descriptor was left to accept a connection with, since the start.",
      metrics.descriptorExhaustions,
    ],
    [
      "events_expired_total",
      "Deliveries that did not take place because the event had expired, since the start.",
      broker.expiry.expired,
    ],
    [
      "dead_letters_expired_total",
      "Dead letters removed because of their age, ever.",
      sumOf(broker, ({ expired }) => expired),
    ],
    [
      "dead_letters_capped_total",
      "Dead letters removed because a subscription had too many of a topic, ever.",
      sumOf(broker, ({ capped }) => capped),
    ],
  ];
}

/** What is there now. */
function gaugesOf(
  services: Services,
  { totals, counted }: { totals: Totals; counted: Counted },
): Line[] {
  const { broker, metrics, disk } = services;
  const spool = services.spool?.counts() ?? [];
  const inSpool = (part: "waiting" | "refused") => spool.reduce((sum, one) => sum + one[part], 0);
  const { health, alerts } = healthOf(services, counted);
  const held = broker.retention.allHeldBack().reduce((sum, { count }) => sum + count, 0);
  return [
    ["disk_full", "1 while the disk is full.", disk.full ? 1 : 0],
    ["connections", "Open connections.", services.connections()],
    ["tails", "Followers.", metrics.tails],
    ["topics", "Topics.", totals.topics],
    ["events", "Events that are there now.", totals.events],
    ["subscriptions", "Subscriptions.", totals.subscriptions],
    ["subscriptions_paused", "Paused subscriptions.", totals.paused],
    ["retries_scheduled", "Events that wait for a retry.", totals.scheduled],
    ["events_scheduled", "Events that are published later.", broker.scheduled.size],
    ["leases", "Deliveries under way.", totals.leased],
    ["dead_letters", "Dead letters.", totals.deadLetters],
    ["dead_letters_open", "Dead letters in open groups.", totals.deadLettersOpen],
    ["spool_waiting", "Spooled events to take in.", inSpool("waiting")],
    ["spool_refused", "Spooled events that were refused.", inSpool("refused")],
    ["events_held_back", "Events past their topic's limits that wait for a subscription.", held],
    ["alerts", "Limits of [alert] in the config that are reached.", alerts.length],
    ["health", "0: ok, 1: degraded, 2: draining.", HEALTH[health]],
  ];
}

const HEALTH = { ok: 0, degraded: 1, draining: 2 } as const;

function writeDaemon(out: Exposition, services: Services, counted: Counted): void {
  const { broker, metrics, startedAt, dataDir } = services;
  const totals = totalsOf(services, counted);
  for (const [name, help, value] of countersOf(services)) {
    out.family({ name: `evs_${name}`, help, type: "counter" }).sample(value);
  }
  for (const [name, help, value] of gaugesOf(services, { totals, counted })) {
    out.family({ name: `evs_${name}`, help, type: "gauge" }).sample(value);
  }
  const disk = spaceOf(dataDir);
  const uptime = (Date.now() - startedAt) / 1000;
  out.family(gauge("bytes", "Bytes of payloads and metadata.", "bytes")).sample(totals.bytes);
  out.family(gauge("uptime_seconds", "Seconds since the start.", "seconds")).sample(uptime);
  out.family(gauge("resident_memory_bytes", "Resident memory.", "bytes"))
    .sample(Deno.memoryUsage().rss);
  if (disk !== undefined) {
    out.family(gauge("disk_free_bytes", "Free on the disk of the data dir.", "bytes"))
      .sample(disk.free);
    out.family(gauge("disk_used_bytes", "Used of the disk of the data dir.", "bytes"))
      .sample(disk.used);
  }
  const { publish, sync } = broker.journals.times;
  out.family({
    name: "evs_publish_seconds",
    help: "From the first request of an append until it is durable.",
    type: "histogram",
    unit: "seconds",
  }).histogram(publish);
  out.family({
    name: "evs_sync_seconds",
    help: "What the store needs for an append, with its sync where durability asks for one.",
    type: "histogram",
    unit: "seconds",
  }).histogram(sync);
  out.family(counter("publish_refusals_total", "Refused events and publishes, by error code."));
  for (const [code, count] of metrics.refusals) out.sample(count, label("code", code));
}

function gauge(name: string, help: string, unit?: "seconds" | "bytes"): Family {
  return { name: `evs_${name}`, help, type: "gauge", ...(unit === undefined ? {} : { unit }) };
}

function counter(name: string, help: string): Family {
  return { name: `evs_${name}`, help, type: "counter" };
}

/** A topic or a subscription, or the sum of others. Values that are not known are undefined. */
interface Row {
  labels: Labels;
  values: (number | undefined)[];
}

/** Writes the families of rows: value i of each row belongs to family i. */
function writeRows(out: Exposition, families: readonly Family[], rows: readonly Row[]): void {
  for (const [i, family] of families.entries()) {
    out.family(family);
    for (const { labels, values } of rows) {
      if (values[i] !== undefined) out.sample(values[i], labels);
    }
  }
}

type How = "sum" | "least" | "most" | "none";

/** The values of others as one row; `how`: how each of them is combined. */
function combined(all: readonly (number | undefined)[][], how: readonly How[]): Row["values"] {
  return how.map((by, i) => {
    let result: number | undefined;
    for (const values of by === "none" ? [] : all) {
      const value = values[i];
      if (value === undefined) continue;
      if (result === undefined) result = value;
      else if (by === "sum") result += value;
      else result = by === "least" ? Math.min(result, value) : Math.max(result, value);
    }
    return result;
  });
}

const TOPIC_FAMILIES: readonly Family[] = [
  counter("topic_published_total", "Events published to the topic since the start."),
  gauge("topic_events", "Events of the topic that are there now."),
  gauge("topic_bytes", "Bytes of its payloads and metadata.", "bytes"),
  gauge("topic_last_seq", "The seq of its newest event."),
  gauge("topic_oldest_timestamp_seconds", "When its oldest event was stored.", "seconds"),
  gauge("topic_newest_timestamp_seconds", "When its newest event was stored.", "seconds"),
];
const TOPIC_SUMS: readonly How[] = ["sum", "sum", "sum", "none", "least", "most"];

function writeTopics(out: Exposition, { broker, metrics }: Services): void {
  const { topics, meters, store } = broker;
  const { own, others } = metrics.topics.divide(
    topics.names().map((name) => ({ name, counts: meters.of(name) })),
  );
  const valuesOf = ({ name, counts }: { name: string; counts: TopicMeter | undefined }) => {
    const { firstSeq, lastSeq, bytes } = store.head(name);
    const at = (seq: number) => {
      const time = seq < firstSeq || seq > lastSeq ? undefined : meters.storedAt(name, seq);
      return time === undefined ? undefined : time / 1000;
    };
    const events = Math.max(0, lastSeq - firstSeq + 1);
    return [counts?.published ?? 0, events, bytes, lastSeq, at(firstSeq), at(lastSeq)];
  };
  const rows: Row[] = own.map((topic) => ({
    labels: label("topic", topic.name),
    values: valuesOf(topic),
  }));
  if (others.length > 0 || metrics.gonePublished > 0) {
    const all = [...others.map(valuesOf), [metrics.gonePublished]];
    const values = combined(all, TOPIC_SUMS);
    rows.push({ labels: label("topic", OTHERS), values });
  }
  writeRows(out, TOPIC_FAMILIES, rows);
  out.family(gauge("topics_summed", `Topics that are summed up as ${OTHERS}.`))
    .sample(others.length);
}

const SUBSCRIPTION_FAMILIES: readonly Family[] = [
  gauge("subscription_pending", "Events to be delivered."),
  gauge("subscription_in_flight", "Events that consumers have, unanswered."),
  gauge("subscription_retries_scheduled", "Events that wait for a retry."),
  gauge("subscription_dead_letters", "Dead letters that are there now."),
  gauge("subscription_paused", "1 while it is paused."),
  gauge(
    "subscription_oldest_pending_seconds",
    "Age of the oldest event that is pending or in flight; 0 without one, absent if not known.",
    "seconds",
  ),
  counter("subscription_acknowledged_total", "Deliveries acknowledged since the start."),
  counter("subscription_failed_total", "Deliveries failed or expired since the start."),
  counter("subscription_dead_total", "Events that became dead letters since the start."),
  counter("subscription_missed_total", "Events deleted before they were delivered, ever."),
];
/** What was missed is known only as long as the subscription is there. */
const SUBSCRIPTION_SUMS: readonly How[] = [
  ...Array<How>(5).fill("sum"),
  "most",
  ...Array<How>(3).fill("sum"),
  "none",
];

/** Returns those that have series of their own. */
function writeSubscriptions(
  out: Exposition,
  services: Services,
  counted: Counted,
): SubscriptionDriver[] {
  const { broker: { subscriptions }, metrics } = services;
  const all = subscriptions.all().map((driver) => ({
    name: driver.record.name,
    counts: driver.queue.counts.tally,
    driver,
  }));
  const { own, others } = metrics.subscriptions.divide(all);
  const valuesOf = ({ driver }: { driver: SubscriptionDriver }) =>
    subscriptionValues(services, driver, counted);
  const rows: Row[] = own.map((one) => ({
    labels: label("subscription", one.name),
    values: valuesOf(one),
  }));
  const tallies = own.map(({ counts }) => counts);
  const gone = metrics.goneDeliveries;
  if (others.length > 0 || gone.acknowledged + gone.failed > 0) {
    const sum = new DeliveryTally();
    for (const { counts } of [...others, { counts: gone }]) sum.add(counts);
    const rest = [0, 0, 0, 0, 0, 0, gone.acknowledged, gone.failed, gone.dead];
    const values = combined([...others.map(valuesOf), rest], SUBSCRIPTION_SUMS);
    rows.push({ labels: label("subscription", OTHERS), values });
    tallies.push(sum);
  }
  writeRows(out, SUBSCRIPTION_FAMILIES, rows);
  out.family({
    name: "evs_subscription_handler_seconds",
    help: "From lease to acknowledgement, with the wait in a consumer's prefetch.",
    type: "histogram",
    unit: "seconds",
  });
  tallies.forEach(({ handlerSeconds }, i) => {
    if (handlerSeconds !== undefined) out.histogram(handlerSeconds, rows[i]!.labels);
  });
  out.family(gauge("subscriptions_summed", `Subscriptions that are summed up as ${OTHERS}.`))
    .sample(others.length);
  return own.map(({ driver }) => driver);
}

function subscriptionValues(
  { broker }: Services,
  driver: SubscriptionDriver,
  { of, nodes }: Counted,
): Row["values"] {
  driver.look();
  const { queue, record } = driver;
  const { acknowledged, failed, dead: died } = queue.counts.tally;
  const { pending, leased, scheduled, positions } = loadOf(broker, driver, nodes);
  const oldest = oldestPending(driver, broker.meters, positions);
  let missed = 0;
  for (const one of positions ?? queue.lanes) missed += one.missed?.count ?? 0;
  return [
    pending,
    leased,
    scheduled,
    of.get(record.name) ?? 0,
    record.paused ? 1 : 0,
    ageOf(oldest),
    acknowledged,
    failed,
    died,
    missed,
  ];
}

/** Seconds; undefined if it is not known. */
function ageOf(oldest: ReturnType<typeof oldestPending>): number | undefined {
  if (oldest === "unknown") return undefined;
  return oldest === undefined ? 0 : Math.max(0, Date.now() - oldest) / 1000;
}
