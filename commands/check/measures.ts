/** What `evs check` and `evs alert` measure of a daemon and its subscriptions, and its words. Pure. */
import { formatBytes, formatDuration } from "../../core/base/units.ts";
import type { ClusterInfo } from "../../core/protocol/node.ts";
import type { SubscriptionInfo } from "../../core/protocol/protocol.ts";
import type { RecentRefusal } from "../../core/protocol/status.ts";
import { plural } from "../terminal/table.ts";

/** Events that a subscription has not settled yet, including scheduled retries. */
export function lagOf(
  { pending, leased, scheduled }: Pick<SubscriptionInfo, "pending" | "leased" | "scheduled">,
): number {
  return pending + leased + scheduled;
}

/** Something is pending whose age the daemon does not know yet. */
export function isAgeUnknown(
  { oldestPendingAt, cursors }: Pick<SubscriptionInfo, "oldestPendingAt" | "cursors">,
): boolean {
  return oldestPendingAt === undefined && cursors.some(({ lag }) => lag > 0);
}

/** How long ago something was, ms; 0 if it was not. `now`: Unix ms, as `since`. */
export function agoOf(since: number | undefined, now: number): number {
  return since === undefined ? 0 : Math.max(0, now - since);
}

/** How much publishers were refused in the last five minutes. */
export function refusalsOf(refused: readonly RecentRefusal[] = []): number {
  return refused.reduce((sum, { count }) => sum + count, 0);
}

/** The share of a disk that is free, percent with one decimal. */
export function percentFree({ free, size }: { free: number; size: number }): number {
  return Math.floor(free / size * 1000) / 10;
}

/** The space on the disk of a folder, bytes. */
export interface DiskRoom {
  folder: string;
  free: number;
  size: number;
}

/** How a measure is said. */
export const words = {
  /** Absent: of all subscriptions. */
  dlq: (value: number, subscription?: string) =>
    `${plural(value, "dead letter")}${subscription === undefined ? "" : ` of ${subscription}`}`,
  lag: (value: number, name: string) => `${name} is ${plural(value, "event")} behind`,
  age: (ms: number, name: string) => `the oldest event of ${name} is ${wholeSeconds(ms)} old`,
  leased: (ms: number, name: string) =>
    `a consumer of ${name} has held an event for ${wholeSeconds(ms)}`,
  refused(refused: readonly RecentRefusal[] = []) {
    const value = refusalsOf(refused);
    const codes = refused.map(({ code, count }) => `${code} (${count})`).join(", ");
    return value === 0
      ? "nothing refused in the last 5m"
      : `${plural(value, "refusal")} in the last 5m: ${codes}`;
  },
  nodes: ({ node, nodes }: ClusterInfo) => {
    const gone = nodes.filter((one) => !one.alive).map((one) => one.node);
    const names = gone.length === 0 ? "" : `; gone: ${gone.join(", ")}`;
    return `${plural(nodes.length - gone.length, "node")} alive, as ${node} sees it${names}`;
  },
  snapshot: ({ database, oldestSnapshotMs }: ClusterInfo) =>
    `a transaction of the database ${database} is open for ${wholeSeconds(oldestSnapshotMs)}`,
  disk: ({ folder, free, size }: DiskRoom) =>
    `${formatBytes(free)} of ${formatBytes(size)} (${
      percentFree({ free, size })
    } %) free at ${folder}`,
} as const;

/** A duration as people want it. */
export function wholeSeconds(ms: number): string {
  return formatDuration(Math.max(1000, ms - ms % 1000));
}
