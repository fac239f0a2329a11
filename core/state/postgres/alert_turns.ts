/**
 * Whose turn it is to tell of what is the same on all nodes, by name: one `evs alert` at a time. What
 * it remembers is beside it, so that whoever comes next ends what it has begun, and begins nothing
 * again. Who has it is decided by the database's clock.
 */
import type { Query } from "../../postgres/connection.ts";
import type { AlertTurn, AlertTurnRequest } from "../../protocol/node.ts";

const TAKE = `
  INSERT INTO evs.alerts AS one (name, holder, seen) VALUES ($1, $2, clock_timestamp())
  ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, seen = excluded.seen
    WHERE one.holder = excluded.holder
      OR one.seen < clock_timestamp() - make_interval(secs => $3::text::double precision / 1000)
  RETURNING memory`;
const KEEP = `
  UPDATE evs.alerts SET memory = $3, seen = clock_timestamp() WHERE name = $1 AND holder = $2
  RETURNING memory`;

/** Takes the turn, or has it still; with a memory, only keeps that for as long as it has it. */
export async function takeAlertTurn(
  query: Query,
  { name, holder, ttlMs, memory }: AlertTurnRequest,
): Promise<AlertTurn> {
  const [row] =
    await (memory === undefined
      ? query<{ memory: string | null }>(TAKE, [name, holder, String(ttlMs)])
      : query<{ memory: string | null }>(KEEP, [name, holder, memory]));
  if (row === undefined) return { held: false };
  return { held: true, ...(row.memory === null ? {} : { memory: row.memory }) };
}
