/** Reads what all nodes have to do, of all subscriptions at once: lists and overviews ask for that. */
import type { Query } from "../../postgres/connection.ts";
import type { PartLoad } from "../coordinator.ts";
import { missedRecordOf } from "../rows.ts";
import type { PartState, SharedCounts } from "../shared_counts.ts";
import { plainRow } from "./values.ts";

const PARTS = `
  SELECT subscription, part, info, coalesce(n, 0) AS n,
    CASE WHEN NOT evs.is_over(claims.node, claims.claimed_at, make_interval(secs => $1::text::double precision)) THEN node END
      AS node
  FROM evs.claims FULL JOIN (SELECT subscription, part, count(*) AS n FROM evs.retries
    GROUP BY subscription, part) AS waiting USING (subscription, part)
  ORDER BY subscription, part`;
const CURSORS = "SELECT subscription, topic, part, next FROM evs.cursors";
const MISSED = "SELECT subscription, topic, part, first, last, count FROM evs.missed";

/** {@link SharedCounts}, as they are put together. */
interface Counts {
  parts: PartState[];
  loads: Map<string, PartLoad>;
  cursors: { topic: string; part: number; next: number }[];
  missed: { topic: string; from: number; to: number; count: number }[];
}

/** Reads them; a node that was not seen for `ttlMs` owns nothing. */
export async function readCounts(
  query: Query,
  { ttlMs }: { ttlMs: number },
): Promise<Map<string, SharedCounts>> {
  const all = new Map<string, Counts>();
  const of = (row: Record<string, unknown>) => {
    const name = row["subscription"] as string;
    const none = { parts: [], loads: new Map(), cursors: [], missed: [] };
    const found: Counts = all.get(name) ?? none;
    all.set(name, found);
    return found;
  };
  for (const row of (await query(PARTS, [String(ttlMs / 1000)])).map(plainRow)) {
    const [node, info] = [row["node"] as string | null, row["info"] as string | null];
    const { parts, loads } = of(row);
    const part = { part: row["part"] as number, scheduled: row["n"] as number };
    parts.push(node === null ? part : { ...part, node });
    // An owner says it with the lowest of its parts: what another one has is of before.
    if (node !== null && info !== null && !loads.has(node)) loads.set(node, JSON.parse(info));
  }
  for (const row of (await query(CURSORS)).map(plainRow)) {
    const { topic, part, next } = row as unknown as Counts["cursors"][number];
    of(row).cursors.push({ topic, part, next });
  }
  for (const row of (await query(MISSED)).map(plainRow)) {
    const { topic, from, to, count } = missedRecordOf(row);
    of(row).missed.push({ topic, from, to, count });
  }
  return all;
}
