/** A subscription as the wire tells it. */
import type { SubscriptionInfo } from "../protocol/protocol.ts";
import type { SubscriptionDriver } from "./driver.ts";
import { pauseOf } from "./pause.ts";

/** A subscription as sent on the wire. */
export function subscriptionInfoOf(driver: SubscriptionDriver, dead: number): SubscriptionInfo {
  driver.look();
  const { queue, record } = driver;
  const lanes = [...queue.lanes.values()].sort((a, b) => a.topic < b.topic ? -1 : 1);
  return {
    name: record.name,
    topic: record.topic,
    settings: record.settings,
    paused: record.paused,
    ...pauseOf(record),
    cursors: lanes.map((lane) => {
      const next = queue.cursorOf(lane);
      const lag = Math.max(0, lane.lastSeq - next + 1);
      return { topic: lane.topic, next, lastSeq: lane.lastSeq, lag };
    }),
    pending: queue.pending,
    leased: queue.leased,
    scheduled: queue.scheduled,
    dead,
    missed: lanes.flatMap(({ topic, missed }) =>
      missed ? [{ topic, from: missed.from, to: missed.to, count: missed.count }] : []
    ),
    expired: Array.from(queue.expired, ([topic, count]) => ({ topic, count })),
    ...(queue.redacted === 0 ? {} : { redacted: queue.redacted }),
    createdAt: record.createdAt,
  };
}
