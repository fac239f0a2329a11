/** Whether it is a database of ours, which this version knows. */
import type { Postgres } from "../../postgres/connection.ts";
import { MARK } from "../../postgres/migrations.ts";
import { STATE_MIGRATIONS } from "../../state/postgres/migrations.ts";
import { STORE_MIGRATIONS } from "../../store/postgres/migrations.ts";
import type { Finding } from "../checks/check.ts";
import type { DatabaseCheck } from "./check.ts";

/** The steps that this version knows, by part. */
const KNOWN: ReadonlyMap<string, number> = new Map([
  [STORE_MIGRATIONS.part, STORE_MIGRATIONS.steps.length],
  ["state", STATE_MIGRATIONS.length],
]);

/** True if the schema `evs` is there, and ours. */
export async function isOurs(postgres: Postgres): Promise<boolean> {
  const rows = await postgres.query<{ mark: string | null }>(
    "read",
    "SELECT obj_description(oid, 'pg_namespace') AS mark FROM pg_namespace WHERE nspname = 'evs'",
  );
  return rows[0]?.mark === MARK;
}

export const database: DatabaseCheck = {
  name: "database",
  async *look({ postgres }): AsyncGenerator<Finding> {
    const where = postgres.place;
    if (!await isOurs(postgres)) {
      const what = "the database has no schema evs of env-event-stream: no daemon has used it yet";
      yield { level: "damage", where, what, hint: "check the name of the database in the URL" };
      return;
    }
    const [row] = await postgres.query<{ shown: string }>(
      "read",
      "SELECT current_setting('server_version') AS shown",
    );
    yield { level: "ok", where, what: `PostgreSQL ${row!.shown.split(" ")[0]}, schema evs` };
    const parts = await postgres.query<{ part: string; format: number }>(
      "read",
      "SELECT part, format FROM evs.meta ORDER BY part",
    );
    for (const { part, format } of parts) {
      const known = KNOWN.get(part);
      if (known !== undefined && format <= known) continue;
      yield {
        level: "warning",
        where,
        what: `a newer version has added to the tables of the ${part}: it works, and ` +
          "what they are for is not checked",
        hint: "use the newest evs that works on this database",
      };
    }
  },
};
