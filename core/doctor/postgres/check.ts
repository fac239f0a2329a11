/** What a check of `evs doctor` on a PostgreSQL database is. Like all checks, it changes nothing. */
import type { Postgres } from "../../postgres/connection.ts";
import type { Finding } from "../checks/check.ts";

/** What the checks inspect. */
export interface DatabaseContext {
  postgres: Postgres;
  /** Skip reading every event. */
  quick: boolean;
  /** The version of this program. */
  version: string;
  /** From how many seconds on a snapshot is old. */
  oldSnapshot: number;
}

/** One check. */
export interface DatabaseCheck {
  /** Its name in the JSON output, in kebab-case. */
  name: string;
  look(context: DatabaseContext): AsyncIterable<Finding>;
}

/** So long ago, for people: `90 s`, `12 min`, `3 h`. */
export function agoText(seconds: number): string {
  if (seconds < 120) return `${Math.round(seconds)} s`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}
