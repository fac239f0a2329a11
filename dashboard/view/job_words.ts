/** A bulk act in the daemon, in numbers and words. Pure. */
import { countNoun, countText } from "./format.ts";
import type { Tone } from "./tone.ts";

/** What is shown of a job (core/protocol). */
export interface ShownJob {
  job: string;
  action: "retry" | "remove";
  state: "running" | "done" | "cancelled";
  total: number;
  done: number;
  gone: number;
  failed: readonly { reason: string; count: number }[];
  left: number;
  rate?: string;
  to?: string;
  startedAt: number;
  endedAt?: number;
  waiting?: string;
  way: string;
  by?: { user?: string; host?: string };
}

/** 0 to 100; a job without anything to do is finished. */
export function jobPercent({ total, left }: Pick<ShownJob, "total" | "left">): number {
  return total === 0 ? 100 : Math.floor((total - left) * 100 / total);
}

/** `300 of 1200 sent again, 2 were gone, 3 failed`. */
export function jobWords({ action, total, done, gone, failed }: ShownJob): string {
  const failures = failed.reduce((sum, { count }) => sum + count, 0);
  const did = action === "retry" ? "sent again" : "removed";
  return [
    `${countText(done)} of ${countText(total)} ${did}`,
    ...(gone > 0 ? [`${countNoun(gone, "was", "were")} gone`] : []),
    ...(failures > 0 ? [`${countText(failures)} failed`] : []),
  ].join(", ");
}

/** The state in a word. */
export function jobState({ state, waiting, failed }: ShownJob): { tone: Tone; text: string } {
  if (state === "running") {
    return waiting === undefined
      ? { tone: "plain", text: "running" }
      : { tone: "warn", text: "waiting" };
  }
  if (state === "cancelled") return { tone: "warn", text: "cancelled" };
  return failed.length > 0
    ? { tone: "bad", text: "done, in part" }
    : { tone: "good", text: "done" };
}
