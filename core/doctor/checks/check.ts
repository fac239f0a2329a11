/**
 * What a check of `evs doctor` is: it looks at a data dir, changes nothing, and says what it found.
 * A check is one object in the list of doctor.ts; it can yield any number of findings, and should
 * say how much is well, too.
 */
import type { StatusReply } from "../../protocol/protocol.ts";
import type { StateSnapshot } from "../../state/state.ts";
import type { Seen } from "../../store/seen.ts";

/** `damage` makes `evs doctor` end with 1; a `warning` is worth a look; `ok` says what is well. */
export type FindingLevel = "ok" | "warning" | "damage";

/** Something that a check has found. */
export interface Finding {
  level: FindingLevel;
  /** The file or the part of the daemon that it is about. */
  where: string;
  /** What is wrong, how much is intact; one sentence. */
  what: string;
  /** What to type. */
  hint?: string;
  /** Facts for machines. */
  details?: Record<string, unknown>;
}

/** What is looked at. */
export interface CheckContext {
  dataDir: string;
  /** Where a daemon of this data dir listens. */
  socket: string;
  /**
   * What the running daemon says of itself; absent: none runs, and nobody else has the files open.
   */
  status?: StatusReply;
  /** A GET request to the running daemon, its reply as JSON. Absent: none runs. */
  ask?(path: string): Promise<unknown>;
  /** Do not read every event. */
  quick: boolean;
  /** Unix ms. */
  now: number;
  /** What is free on the data dir's disk, and how large that is, bytes. */
  room(): Promise<{ free: number; size: number }>;
}

/** What the checks of the stores have read on their way, for those behind them. */
export interface CheckResults {
  /** Every event that is whole; absent: they were not read (`quick`). */
  seen?: Seen;
  /** Where each topic ends: its last seq. */
  ends: Map<string, number>;
  state?: StateSnapshot;
}

/** One thing that is looked at. */
export interface Check {
  /** Names it in the JSON, in kebab-case. */
  name: string;
  look(context: CheckContext, record: CheckResults): Iterable<Finding> | AsyncIterable<Finding>;
}
