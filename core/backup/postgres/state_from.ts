/** Writes the state in a PostgreSQL database into a new state database. */
import { type StoredEvent, toWireLine } from "../../event/event.ts";
import type { Query } from "../../postgres/connection.ts";
import type { StateTables, StateValue } from "../../state/state_tables.ts";
import { positionsFrom } from "./positions_from.ts";
import { rowsOf } from "./rows_of.ts";
import { STATE_COPIES, type StateCopy } from "./state_copies.ts";

const CAUSES = `SELECT number, cause, subscription FROM evs.dead_letters
  WHERE cause IS NOT NULL ORDER BY number`;
/** What waits in the outbox, each id once and none that is scheduled already. */
const OUTBOX = `SELECT DISTINCT ON (o.topic, o.id) o.*, coalesce(t.last_seq, 0) AS after_seq
  FROM evs.outbox AS o LEFT JOIN evs.heads AS t ON t.name = o.topic
  WHERE NOT EXISTS (SELECT 1 FROM evs.scheduled AS s WHERE s.topic = o.topic AND s.id = o.id)
  ORDER BY o.topic, o.id, o.number`;
const SCHEDULED_COLUMNS = [
  "number",
  "topic",
  "id",
  "type",
  "key",
  "due_at",
  "wait_ms",
  "accepted_at",
  "after_seq",
  "stamped",
  "line",
  "redacted",
];

/** Copies what the transaction of `query` sees. */
export async function stateFrom(query: Query, state: StateTables, now: number): Promise<void> {
  for (const copy of STATE_COPIES) {
    const columns = columnsOf(copy);
    for await (const rows of rowsOf(query, selectOf(copy, columns))) {
      state.insert(
        copy.local ?? copy.table.name,
        columns.map(([name]) => name),
        rows.map((row) => columns.map(([name]) => row[name] as StateValue)),
      );
    }
  }
  const causes = ["number", "cause", "subscription"];
  for await (const rows of rowsOf(query, CAUSES)) {
    state.insert(
      "dead_letter_causes",
      causes,
      rows.map((row) => causes.map((name) => row[name] as StateValue)),
    );
  }
  await positionsFrom(query, state);
  await outboxFrom(query, state, now);
  for (const name of ["dead_letters", "audit"] as const) {
    const [row] = await query<{ value: number }>(
      "SELECT value FROM evs.counters WHERE name = $1",
      [name],
    );
    state.setLastNumber(name, Math.max(state.lastNumber(name), row?.value ?? 0));
  }
}

/** Each column of the state database, and what it is in PostgreSQL. */
function columnsOf({ table, from = {} }: StateCopy): [name: string, expression: string][] {
  const same = Object.keys(table.columns).filter((name) => from[name] === undefined);
  const others = Object.entries(from).flatMap(([name, expression]) =>
    expression === null ? [] : [[name, expression] as [string, string]]
  );
  return [...same.map((name): [string, string] => [name, name]), ...others];
}

function selectOf({ table, order }: StateCopy, columns: [string, string][]): string {
  const chosen = columns.map(([name, expression]) => `${expression} AS "${name}"`).join(", ");
  return `SELECT ${chosen} FROM evs.${table.name}${order ? ` ORDER BY ${order.shared}` : ""}`;
}

/** What an application has published in its own transaction is published by whoever reads this. */
async function outboxFrom(query: Query, state: StateTables, now: number): Promise<void> {
  const [row] = await query<{ last: number }>(
    "SELECT coalesce(max(number), 0)::bigint AS last FROM evs.scheduled",
  );
  let number = Number(row!.last);
  for await (const rows of rowsOf(query, OUTBOX)) {
    state.insert(
      "scheduled",
      SCHEDULED_COLUMNS,
      rows.map((row) => {
        const key = row["key"] as string | null;
        const event: StoredEvent = {
          seq: 0,
          topic: row["topic"] as string,
          id: row["id"] as string,
          type: row["type"] as string,
          timestamp: Number(row["ts"]),
          schemaVersion: row["schema_version"] as string,
          metadata: row["metadata"] as string,
          payload: new TextEncoder().encode(row["payload"] as string),
          ...(key === null ? {} : { key }),
        };
        const { topic, id, type } = event;
        const after = Number(row["after_seq"]);
        const line = toWireLine(event);
        return [++number, topic, id, type, key, now, null, now, after, 1, line, 0];
      }),
    );
  }
}
