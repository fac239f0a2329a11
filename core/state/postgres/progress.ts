/** How far subscriptions have got in a topic, over the parts of all nodes. */
import type { Query } from "../../postgres/connection.ts";
import type { ProgressRequest, SharedProgress } from "../shared.ts";
import { listText, listType, plainRow } from "./values.ts";

/**
 * What holds for a part is its row, else that of every part (core/state/part_rows.ts); one without
 * either has not begun. A retry has a copy of its event, but is not finished.
 */
const PROGRESS = `
  SELECT one.name AS subscription, (
    SELECT min(coalesce(own.next, of_all.next, 0))
    FROM generate_series(0, one.parts - 1) AS n(part)
      LEFT JOIN evs.cursors AS own ON own.subscription = one.name AND own.topic = $1
        AND own.part = n.part
      LEFT JOIN evs.cursors AS of_all ON of_all.subscription = one.name AND of_all.topic = $1
        AND of_all.part = -1
  ) AS next, (
    SELECT min(seq) FROM evs.retries
    WHERE retries.subscription = one.name AND retries.topic = $1 AND seq >= $2
  ) AS seq
  FROM evs.subscriptions AS one WHERE one.name = ANY($3${listType("text")})`;

/** Reads it in one statement, and so as of one moment. */
export async function readProgress(
  query: Query,
  { topic, from, subscriptions }: ProgressRequest,
): Promise<SharedProgress[]> {
  const rows = await query(PROGRESS, [topic, from, listText(subscriptions)]);
  return rows.map(plainRow).map(({ subscription, next, seq }) => ({
    subscription: subscription as string,
    next: Math.min(next as number, (seq ?? Infinity) as number),
  }));
}
