/**
 * What a check of `evs doctor` is: it looks at a data dir, changes nothing, and says what it found. A check is one object in
 * the list of doctor.ts; it can yield any number of findings, and should say how much is well, too.
 */
import type { StatusReply } from "../client/protocol.ts";

/** `damage` makes `evs doctor` end with 1; a `warning` is worth a look; `ok` says what is well. */
export type Level = "ok" | "warning" | "damage";

/** Something that a check has found. */
export interface Finding {
  level: Level;
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
export interface Patient {
  dataDir: string;
  /** What the running daemon says of itself; absent: none runs, and nobody else has the files open. */
  status?: StatusReply;
  /** A GET request to the running daemon, its reply as JSON. Absent: none runs. */
  ask?(path: string): Promise<unknown>;
  /** Do not read every event. */
  quick: boolean;
  /** Unix ms. */
  now: number;
}

/** One thing that is looked at. */
export interface Check {
  /** Names it in the JSON, in kebab-case. */
  name: string;
  look(patient: Patient): Iterable<Finding> | AsyncIterable<Finding>;
}
