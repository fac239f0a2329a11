/** Causes of dead letters: what is shown of a group. Pure. */
import type { DeadLetterGroup } from "../../core/protocol/dead_letter_groups.ts";
import type { Tone } from "./tone.ts";

/** What only a daemon tells that keeps groups. */
type Kept = "id" | "state" | "total" | "hour" | "day" | "hours" | "noted" | "act" | "more";

/** What a group tells beyond its dead letters. */
export interface ShownGroup extends Omit<DeadLetterGroup, Kept> {
  id?: string;
  state?: "open" | "dismissed" | "resolved";
  /** Ever. */
  total?: number;
  hour?: number;
  day?: number;
  /** The last 24 hours, oldest first. */
  hours?: readonly number[];
  noted?: number;
  act?: { act: "dismiss" | "resolve" | "reopen" | "return"; at: number; by?: string };
  more?: number;
}

/** With its notes. */
export interface ShownGroupDetail extends ShownGroup {
  notes: readonly { at: number; by?: string; text: string }[];
  samples: readonly {
    subscription: string;
    topic: string;
    seq: number;
    id: string;
    at: number;
    present: boolean;
  }[];
}

/** Whether a cause grows: this hour against the mean of the hours before. */
export function trendOf(
  { hours }: Pick<ShownGroup, "hours">,
): { tone: Tone; text: string } | undefined {
  if (hours === undefined || hours.length < 2) return undefined;
  const now = hours.at(-1)!;
  const before = hours.slice(0, -1);
  const mean = before.reduce((sum, count) => sum + count, 0) / before.length;
  if (now === 0) return { tone: "good", text: "none this hour" };
  if (now > 2 * mean + 1) return { tone: "bad", text: `rising: ${now} this hour` };
  return { tone: "warn", text: `${now} this hour` };
}

/** Heights of the bars of a small chart, 0 to 1; the highest is 1. */
export function barHeights(hours: readonly number[]): number[] {
  const most = Math.max(1, ...hours);
  return hours.map((count) => count / most);
}

/** The address of what is in a group: by its id, or by its reason where it has none. */
export function queryOfGroup({ id, reason }: ShownGroup): { group: string } | { reason: string } {
  return id === undefined ? { reason } : { group: id };
}
