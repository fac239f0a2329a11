/** Subscriptions as rows of a table. Pure. */
import type { SubscriptionInfo } from "../../core/protocol/protocol.ts";
import type { SortValue } from "./sorting.ts";
import type { Tone } from "./tone.ts";

/** The state in a word. */
export function subscriptionState(
  { paused, pausedBy }: Pick<SubscriptionInfo, "paused" | "pausedBy">,
): { tone: Tone; text: string } {
  if (!paused) return { tone: "good", text: "active" };
  // A person knows why; what paused by itself waits for one.
  return pausedBy === "person" || pausedBy === undefined
    ? { tone: "warn", text: "paused" }
    : { tone: "bad", text: `paused by its ${pausedBy}` };
}

/** Those whose name or topic contains the text, whatever its case. */
export function matching<T extends { name: string; topic?: string }>(
  rows: readonly T[],
  text: string,
): readonly T[] {
  const wanted = text.trim().toLowerCase();
  if (wanted === "") return rows;
  return rows.filter(({ name, topic }) =>
    name.toLowerCase().includes(wanted) || topic?.toLowerCase().includes(wanted)
  );
}

/** How old the oldest event is that is pending or in flight, ms; undefined without one. */
export function oldestAge(
  { oldestPendingAt }: Pick<SubscriptionInfo, "oldestPendingAt">,
  now: number,
): number | undefined {
  return oldestPendingAt === undefined ? undefined : Math.max(0, now - oldestPendingAt);
}

/** What a column is sorted by. */
export const subscriptionValues: Record<string, (info: SubscriptionInfo) => SortValue> = {
  name: ({ name }) => name,
  topic: ({ topic }) => topic,
  state: (info) => subscriptionState(info).text,
  pending: ({ pending }) => pending,
  leased: ({ leased }) => leased,
  scheduled: ({ scheduled }) => scheduled,
  dead: ({ dead }) => dead,
  // The oldest is first when numbers begin with the largest.
  oldest: ({ oldestPendingAt }) => oldestPendingAt === undefined ? -Infinity : -oldestPendingAt,
};

/** Those with something to do first: paused ones, then by what is pending. */
export function busiest(
  infos: readonly SubscriptionInfo[],
  most: number,
): SubscriptionInfo[] {
  const load = ({ pending, leased, scheduled }: SubscriptionInfo) => pending + leased + scheduled;
  return infos.filter((info) => info.paused || load(info) > 0)
    .sort((a, b) => load(b) - load(a) || (a.name < b.name ? -1 : 1))
    .slice(0, most);
}
