/** Whether the daemon can be reached, as the last requests have shown. */
import { Signal } from "./signal.ts";

/** Who does not answer, and since when (Unix ms). */
export type Reach =
  | { state: "here" }
  | { state: "daemon-away" | "dashboard-away" | "no-session"; since: number };

/** What the whole page shows about it. */
export const reach: Signal<Reach> = new Signal<Reach>({ state: "here" });

/** Notes how a request ended. The time that it has been so stays that of the first. */
export function noteReach(state: Reach["state"], now: number = Date.now()): void {
  if (reach.value.state === state) return;
  reach.set(state === "here" ? { state } : { state, since: now });
}
