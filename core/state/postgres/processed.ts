/** Says whether a subscription is done with a topic up to a seq, whoever owns its parts. */
import type { Query } from "../../postgres/connection.ts";

/**
 * By what is stored: the first events that a part may lack are at its cursor, and what is done above
 * that has its mark.
 */
const PROCESSED = `
  WITH places AS (
    SELECT number AS part, coalesce(own.next, whole.next, 1) AS next
    FROM evs.subscriptions AS one, generate_series(0, one.parts - 1) AS number
      LEFT JOIN evs.cursors AS own ON own.subscription = $1 AND own.topic = $2 AND own.part = number
      LEFT JOIN evs.cursors AS whole ON whole.subscription = $1 AND whole.topic = $2
        AND whole.part = -1
    WHERE one.name = $1
  )
  SELECT NOT EXISTS (SELECT 1 FROM evs.retries
      WHERE subscription = $1 AND topic = $2 AND seq BETWEEN 1 AND $3::bigint)
    AND NOT EXISTS (SELECT 1 FROM evs.events JOIN evs.topics USING (topic_id)
      JOIN places ON places.part = slot % (SELECT count(*) FROM places)
      WHERE name = $2 AND seq >= greatest(first_seq, (SELECT min(next) FROM places))
        AND seq <= $3::bigint AND seq >= places.next
        AND NOT EXISTS (SELECT 1 FROM evs.done WHERE done.subscription = $1 AND done.topic = $2
          AND done.part = places.part AND done.seq = events.seq)) AS processed`;

/** True if each of them is done or dead, and no retry of one waits. */
export async function isProcessedUpTo(
  query: Query,
  { subscription, topic, seq }: { subscription: string; topic: string; seq: number },
): Promise<boolean> {
  const [row] = await query<{ processed: boolean }>(PROCESSED, [subscription, topic, seq]);
  return row!.processed;
}
