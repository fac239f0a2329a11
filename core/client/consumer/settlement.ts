/** What a consumer tells the daemon about one event: its handler's outcome. */
import type { NackItem } from "../../protocol/protocol.ts";

/** The report of a failed attempt. */
export interface Failure extends Omit<NackItem, "lease"> {
  durationMs: number;
}

/** What to do with the event. */
export type ConsumerSettlement =
  | { kind: "ack" }
  | { kind: "nack"; failure: Failure }
  | { kind: "pause"; reason: string };
