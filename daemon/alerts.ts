/**
 * The thresholds in `[alert]` of the config. Nothing is run; the status and the metrics show the
 * alerts. Pure.
 */
import type { SubscriptionInfo } from "../core/protocol/protocol.ts";
import type { Alert } from "../core/protocol/status.ts";

/** The number from which there is an alert; 0: never. */
export interface AlertLimits {
  alertDeadLetters: number;
  alertLag: number;
}

/** The current alerts. */
export function alertsOf(
  limits: AlertLimits,
  now: {
    deadLetters: number;
    subscriptions: readonly Pick<SubscriptionInfo, "name" | "pending" | "leased" | "scheduled">[];
  },
): Alert[] {
  const alerts: Alert[] = [];
  const { alertDeadLetters, alertLag } = limits;
  if (alertDeadLetters > 0 && now.deadLetters >= alertDeadLetters) {
    alerts.push({
      name: "dead_letters",
      value: now.deadLetters,
      limit: alertDeadLetters,
      message: `${now.deadLetters} dead letters (alert.dead_letters is ${alertDeadLetters})`,
    });
  }
  if (alertLag === 0) return alerts;
  for (const { name, pending, leased, scheduled } of now.subscriptions) {
    const value = pending + leased + scheduled;
    if (value < alertLag) continue;
    alerts.push({
      name: "lag",
      subscription: name,
      value,
      limit: alertLag,
      message: `the subscription ${name} is ${value} events behind (alert.lag is ${alertLag})`,
    });
  }
  return alerts;
}
