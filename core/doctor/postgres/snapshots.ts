/**
 * Who holds the oldest snapshot of the database. While it is held, no dead row can be cleared away,
 * and rows that change all the time, such as counters and positions, take ever longer to read.
 */
import type { Finding } from "../checks/check.ts";
import { counted } from "../checks/counted.ts";
import { agoText, type DatabaseCheck } from "./check.ts";

interface Holder {
  kind: "session" | "prepared" | "slot";
  name: string;
  pid: number | null;
  state: string | null;
  seconds: number | null;
  /** How many transactions began since. */
  behind: number;
}

const HOLDERS = `
  SELECT 'session' AS kind, coalesce(nullif(application_name, ''), usename::text, '') AS name, pid,
    state, extract(epoch FROM clock_timestamp() - coalesce(xact_start, query_start))::float8 AS seconds,
    age(coalesce(backend_xmin, backend_xid)) AS behind
  FROM pg_stat_activity
  WHERE datname = current_database() AND pid <> pg_backend_pid()
    AND coalesce(backend_xmin, backend_xid) IS NOT NULL
  UNION ALL
  SELECT 'prepared', gid, NULL, NULL, extract(epoch FROM clock_timestamp() - prepared)::float8,
    age(transaction)
  FROM pg_prepared_xacts WHERE database = current_database()
  UNION ALL
  SELECT 'slot', slot_name::text, active_pid, CASE WHEN active THEN 'active' ELSE 'unused' END, NULL,
    age(xmin)
  FROM pg_replication_slots WHERE xmin IS NOT NULL
  ORDER BY behind DESC`;

/** Transactions since a slot was last used. */
const FAR_BEHIND = 100_000;

export const snapshots: DatabaseCheck = {
  name: "snapshots",
  async *look({ postgres, oldSnapshot }): AsyncGenerator<Finding> {
    const holders = await postgres.query<Holder>("read", HOLDERS);
    const old = holders.filter(({ seconds, behind }) =>
      seconds === null ? behind > FAR_BEHIND : seconds > oldSnapshot
    );
    for (const holder of old) {
      yield {
        level: "warning",
        where: holder.name || holder.kind,
        what: `${whatOf(holder)}: dead rows cannot be cleared away, and everything gets slower`,
        hint: hintOf(holder),
        details: { ...holder },
      };
    }
    if (old.length === 0) {
      yield { level: "ok", where: "snapshots", what: "nobody holds an old snapshot" };
    }
    const [{ hidden }] = await postgres.query<{ hidden: number }>(
      "read",
      `SELECT count(*)::int AS hidden FROM pg_stat_activity
       WHERE datname = current_database() AND query = '<insufficient privilege>'`,
    ) as [{ hidden: number }];
    if (hidden === 0) return;
    yield {
      level: "ok",
      where: "snapshots",
      what: `${counted(hidden, "session")} of other users cannot be seen`,
      hint: "GRANT pg_read_all_stats TO the user of the daemon",
    };
  },
};

function whatOf({ kind, name, state, seconds, behind }: Holder): string {
  if (kind === "slot") return `the replication slot ${name} is ${behind} transactions behind`;
  if (kind === "prepared") {
    return `the prepared transaction ${name} has waited for ${agoText(seconds!)}`;
  }
  return `a transaction of ${name || "a session"} is open for ${agoText(seconds!)} (${state})`;
}

function hintOf({ kind, name, pid }: Holder): string {
  if (kind === "slot") return `SELECT pg_drop_replication_slot('${name}'), if nobody uses it`;
  if (kind === "prepared") return `COMMIT PREPARED '${name}' or ROLLBACK PREPARED '${name}'`;
  return `SELECT pg_terminate_backend(${pid}), if it is forgotten`;
}
