/**
 * What a check of `evs doctor` is: it inspects a data dir, changes nothing, and reports what it
 * found. A check is one object in the list in doctor.ts. It can yield any number of findings, and
 * should also report what is intact.
 */
import type { StatusReply } from "../../protocol/status.ts";
import type { StateSnapshot } from "../../state/state.ts";
import type { Seen } from "../../store/seen.ts";

/**
 * `damage` makes `evs doctor` exit with 1; a `warning` deserves a look; `ok` reports what is
 * intact.
 */
export type FindingLevel = "ok" | "warning" | "damage";

/** Something that a check found. */
export interface Finding {
  level: FindingLevel;
  /** The file or the part of the daemon concerned. */
  where: string;
  /** What is wrong and how much is intact, in one sentence. */
  what: string;
  /** The command to type. */
  hint?: string;
  /** Facts for machines. */
  details?: Record<string, unknown>;
}

/** What the checks inspect. */
export interface CheckContext {
  dataDir: string;
  /** The socket of this data dir's daemon. */
  socket: string;
  /** The folders of the spool; that of the data dir if absent. */
  spool?: readonly string[];
  /** The running daemon's status. Absent: none is running, and nobody else has the files open. */
  status?: StatusReply;
  /** Sends a GET request to the running daemon and returns its JSON. Absent: none is running. */
  ask?(path: string): Promise<unknown>;
  /** Skip reading every event. */
  quick: boolean;
  /** Unix ms. */
  now: number;
  /** The free space on the data dir's disk and the size of the disk, bytes. */
  room(): Promise<{ free: number; size: number }>;
}

/** What the store checks have read, for the checks after them. */
export interface CheckResults {
  /** All intact events; absent if they were not read (`quick`). */
  seen?: Seen;
  /** The last seq of each topic. */
  ends: Map<string, number>;
  state?: StateSnapshot;
}

/** One check. */
export interface Check {
  /** Its name in the JSON output, in kebab-case. */
  name: string;
  look(context: CheckContext, record: CheckResults): Iterable<Finding> | AsyncIterable<Finding>;
}
