/** What nodes that share a state have to do in a subscription, as each of them can read it. */
import type { PartLoad } from "./coordinator.ts";

/** A part of a subscription. */
export interface PartState {
  part: number;
  /** Who owns it; absent: nobody, or a node that is gone. */
  node?: string;
  /** Retries that are stored. */
  scheduled: number;
}

/** Where the parts of a subscription stand, and what their owners said when they were last seen. */
export interface SharedCounts {
  /** Those that somebody has owned, or that have retries. */
  parts: readonly PartState[];
  /** Of each owner that said something: all of its parts together. */
  loads: ReadonlyMap<string, PartLoad>;
  /** As stored; `part` -1: of all parts without a cursor of their own. */
  cursors: readonly { topic: string; part: number; next: number }[];
  /** What retention took before it was delivered, as stored: a row for each part, or for several. */
  missed: readonly { topic: string; from: number; to: number; count: number }[];
}
