/**
 * The thresholds in `[alert]` of the config. Nothing is run; the status, health and the metrics show
 * the alerts. Pure.
 */
import { formatDuration } from "../core/base/units.ts";
import type { Alert } from "../core/protocol/status.ts";

/** The number from which there is an alert; 0: never. */
export interface AlertLimits {
  alertDeadLetters: number;
  alertLag: number;
  /** Milliseconds. */
  alertAge: number;
  /** Milliseconds. */
  alertLeased: number;
  /** Percent: there is an alert below it. */
  alertDisk: number;
}

/** What is looked at of a subscription. Times: monotonic or Unix ms, all by the same clock. */
export interface SubscriptionLoad {
  name: string;
  pending: number;
  leased: number;
  scheduled: number;
  /** When its oldest event that is pending or in flight was stored, if there is one. */
  oldestAt: number | undefined;
  /** Its oldest lease, and how long that was requested for. */
  lease: { since: number; leaseMs: number } | undefined;
}

/** What is there now. */
export interface AlertFacts {
  now: number;
  /** Those in open groups. */
  deadLetters: number;
  subscriptions: readonly SubscriptionLoad[];
  /** Bytes; undefined where the system does not tell. */
  disk: { free: number; size: number } | undefined;
}

/** The current alerts. */
export function alertsOf(limits: AlertLimits, facts: AlertFacts): Alert[] {
  const { alertDeadLetters: most, alertDisk } = limits;
  const { deadLetters, subscriptions, disk, now } = facts;
  const alerts: Alert[] = [];
  if (most > 0 && deadLetters >= most) {
    alerts.push({
      name: "dead_letters",
      value: deadLetters,
      limit: most,
      message: `${deadLetters} dead letters (alert.dead_letters is ${most})`,
    });
  }
  for (const one of subscriptions) alerts.push(...ofSubscription(limits, one, now));
  const percent = disk && Math.floor(disk.free / disk.size * 100);
  if (percent !== undefined && percent < alertDisk) {
    alerts.push({
      name: "disk",
      value: percent,
      limit: alertDisk,
      message: `${percent} % of the disk of the data dir is free (alert.disk is ${alertDisk})`,
    });
  }
  return alerts;
}

function* ofSubscription(
  { alertLag, alertAge, alertLeased }: AlertLimits,
  { name, pending, leased, scheduled, oldestAt, lease }: SubscriptionLoad,
  now: number,
): Generator<Alert> {
  const subscription = name;
  const lag = pending + leased + scheduled;
  if (alertLag > 0 && lag >= alertLag) {
    const message = `the subscription ${name} is ${lag} events behind (alert.lag is ${alertLag})`;
    yield { name: "lag", subscription, value: lag, limit: alertLag, message };
  }
  const age = oldestAt === undefined ? 0 : Math.round(now - oldestAt);
  if (alertAge > 0 && age >= alertAge) {
    const message = `the oldest event of the subscription ${name} is ${short(age)} old ` +
      `(alert.age is ${formatDuration(alertAge)})`;
    yield { name: "age", subscription, value: age, limit: alertAge, message };
  }
  const ms = lease === undefined ? 0 : Math.round(now - lease.since);
  // A lease that never expires has no time-out to be older than.
  const timeOut = lease === undefined || !Number.isFinite(lease.leaseMs) ? 0 : lease.leaseMs;
  if (alertLeased > 0 && ms >= alertLeased && ms > timeOut) {
    const message = `a consumer of the subscription ${name} has held an event for ${short(ms)} ` +
      `(alert.leased is ${formatDuration(alertLeased)}): evs subscription show ${name}`;
    yield { name: "leased", subscription, value: ms, limit: alertLeased, message };
  }
}

/** A duration in whole seconds. */
function short(ms: number): string {
  return formatDuration(Math.max(1000, Math.floor(ms / 1000) * 1000));
}
