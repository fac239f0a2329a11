/** Lists the retries of a subscription, whichever nodes have them. */
import type { Query } from "../../postgres/connection.ts";
import type { RetriesRequest, StoredRetries } from "../shared_retries.ts";
import { linkOf, waitingOf } from "../rows.ts";
import { plainRow } from "./values.ts";

const PAGE = `
  SELECT subscription, topic, id, seq, key, type, due_at, wait_ms, next_attempt, failures, attempts,
    edited_from
  FROM evs.retries WHERE subscription = $1
    AND ($2::text IS NULL OR (due_at, topic COLLATE "C", id COLLATE "C")
      > ($2::text::double precision, $3::text, $4::text))
  ORDER BY due_at, topic COLLATE "C", id COLLATE "C" LIMIT $5::bigint`;
const COUNT = "SELECT count(*)::int AS n FROM evs.retries WHERE subscription = $1";

/** Those that are due first, after a place in that order. */
export async function readRetries(
  query: Query,
  { subscription, limit, after }: RetriesRequest,
): Promise<StoredRetries> {
  const place = after ? [String(after.dueAt), after.topic, after.id] : [null, null, null];
  const rows = (await query(PAGE, [subscription, ...place, limit])).map(plainRow);
  const [count] = (await query(COUNT, [subscription])).map(plainRow);
  return {
    total: count!["n"] as number,
    retries: rows.map((row) => {
      const attempts = JSON.parse(row["attempts"] as string) as { error?: string }[];
      const reason = attempts.at(-1)?.error;
      return { ...waitingOf(row), ...linkOf(row), ...(reason === undefined ? {} : { reason }) };
    }),
  };
}
