/** What the overview says in numbers and words. Pure. */
import type { SubscriptionInfo } from "../../core/protocol/protocol.ts";
import type { HealthReply, StatusReply } from "../../core/protocol/status.ts";
import type { Sample } from "./metrics_text.ts";
import { countNoun, countText, formatBytes, spanText } from "./format.ts";
import type { Tone } from "./tone.ts";

/** A number with a name. */
export interface Tile {
  name: string;
  value: string;
  note?: string;
  tone: Tone;
  /** Where to look for more: the first part of a place. */
  page?: string;
}

/** The health in a word. Alerts do not change the health, and yet somebody should look. */
export function healthBadge(
  { health, alerts }: Pick<HealthReply, "health" | "alerts">,
): { tone: Tone; text: string } {
  if (health === "degraded") return { tone: "bad", text: "degraded" };
  if (health === "draining") return { tone: "warn", text: "draining" };
  return alerts.length > 0
    ? { tone: "warn", text: countNoun(alerts.length, "alert") }
    : { tone: "good", text: "ok" };
}

/** Under this share of the disk free, somebody should look. */
const LOW_DISK = 0.1;

/** The numbers at the top. */
export function overviewTiles(
  status: StatusReply,
  { sample, subscriptions }: {
    sample: Sample | undefined;
    subscriptions: readonly SubscriptionInfo[] | undefined;
  },
): Tile[] {
  const sum = (value: (info: SubscriptionInfo) => number) =>
    subscriptions === undefined
      ? "…"
      : countText(subscriptions.reduce((all, info) => all + value(info), 0));
  return [
    { name: "Topics", value: countText(status.topics), tone: "plain", page: "topics" },
    {
      name: "Events",
      value: countText(status.events),
      note: formatBytes(status.bytes),
      tone: "plain",
      page: "topics",
    },
    {
      name: "Pending",
      value: sum(({ pending }) => pending),
      note: `${sum(({ leased }) => leased)} in flight, ${countText(status.scheduled)} to retry`,
      tone: "plain",
      page: "subscriptions",
    },
    {
      name: "Dead letters",
      value: countText(status.deadLetters),
      tone: status.deadLetters > 0 ? "bad" : "good",
      page: "dead-letters",
    },
    {
      name: "Subscriptions",
      value: countText(status.subscriptions),
      note: status.pausedSubscriptions > 0 ? `${status.pausedSubscriptions} paused` : undefined,
      tone: status.pausedSubscriptions > 0 ? "warn" : "plain",
      page: "subscriptions",
    },
    diskTile(sample),
    {
      name: "Memory",
      value: formatBytes(status.memory.rss),
      note: countNoun(status.connections, "connection"),
      tone: "plain",
      page: "health",
    },
    {
      name: "Up",
      value: spanText(status.uptimeMs),
      note: `evs ${status.version}, pid ${status.pid}`,
      tone: "plain",
      page: "health",
    },
  ];
}

function diskTile(sample: Sample | undefined): Tile {
  const { diskFree, diskUsed } = sample ?? {};
  if (diskFree === undefined || diskUsed === undefined) {
    return { name: "Disk free", value: "…", tone: "plain", page: "health" };
  }
  const share = diskFree / (diskFree + diskUsed);
  return {
    name: "Disk free",
    value: formatBytes(diskFree),
    note: `${Math.round(share * 100)} %`,
    tone: share < LOW_DISK ? "bad" : "plain",
    page: "health",
  };
}

/** Something that somebody should look at. */
export interface Concern {
  tone: Tone;
  text: string;
  /** The subscription that it is about. */
  subscription?: string;
}

/** Problems of the health, alerts, refused publishes, in this order. */
export function concerns({ problems, alerts, refused = [] }: HealthReply): Concern[] {
  return [
    ...problems.map((text): Concern => ({ tone: "bad", text })),
    ...alerts.map(({ message, subscription }): Concern => ({
      tone: "warn",
      text: message,
      subscription,
    })),
    ...refused.map(({ code, count }): Concern => ({
      tone: "warn",
      text: `publishers were refused ${
        countNoun(count, "event")
      } in the last five minutes: ${code}`,
    })),
  ];
}
