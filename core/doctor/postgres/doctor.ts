/** Runs every check on a PostgreSQL database, one after another. */
import type { EvsError } from "../../base/errors.ts";
import { lazyPostgres } from "../../postgres/connection.ts";
import type { PostgresOptions } from "../../postgres/url.ts";
import { diagnosesOf, type Diagnosis, levelOfFailure } from "../checks/diagnosis.ts";
import type { DatabaseCheck, DatabaseContext } from "./check.ts";
import { database, isOurs } from "./database.ts";
import { serverDurability, standbys } from "./durability.ts";
import { events } from "./events.ts";
import { nodes, notifications, outbox } from "./nodes.ts";
import { snapshots } from "./snapshots.ts";

/** All checks, in the order of the report. */
export const databaseChecks: readonly DatabaseCheck[] = [
  database,
  serverDurability,
  standbys,
  notifications,
  snapshots,
  nodes,
  outbox,
  events,
];

/** How long to wait for a server that may be away, ms. */
const REACH_MS = 3000;
/** Ten minutes, s. */
const OLD_SNAPSHOT = 600;

/** Those that need no tables of ours. */
const OF_SERVER: ReadonlySet<DatabaseCheck> = new Set([
  serverDurability,
  standbys,
  notifications,
  snapshots,
]);

/** How a database is examined. */
export interface DoctorOptions extends Pick<DatabaseContext, "quick" | "version"> {
  /** From how many seconds on a snapshot is old; default: 600. */
  oldSnapshot?: number;
}

/**
 * True if it is a database of ours. Rejects soon if the server is away: whoever examines something
 * wants to know that first.
 */
async function isReached(given: string | PostgresOptions): Promise<boolean> {
  const options = typeof given === "string" ? { url: given } : given;
  const postgres = lazyPostgres({ connectTimeout: REACH_MS, ...options }, { deadline: REACH_MS });
  try {
    return await isOurs(postgres);
  } finally {
    await postgres.close();
  }
}

/**
 * Runs the checks. If the server cannot be reached, that is the only finding, and if the database is
 * none of ours, its tables are not looked at.
 */
export async function* examineDatabase(
  given: string | PostgresOptions,
  { oldSnapshot = OLD_SNAPSHOT, ...asked }: DoctorOptions,
): AsyncGenerator<Diagnosis, void, undefined> {
  const postgres = lazyPostgres(given);
  try {
    const ours = await isReached(given);
    for (const check of databaseChecks) {
      if (!ours && check !== database && !OF_SERVER.has(check)) continue;
      yield* diagnosesOf(check.name, () => check.look({ postgres, oldSnapshot, ...asked }));
    }
  } catch (error) {
    const { message, hint } = error as EvsError;
    const [check, where] = [database.name, postgres.place];
    yield { check, level: levelOfFailure(error), where, what: message, hint };
  } finally {
    await postgres.close();
  }
}
