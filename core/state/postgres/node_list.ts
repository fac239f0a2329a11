/**
 * What the tables say of all nodes, for people: who is there, who owns what, and what the server
 * promises. Nothing is decided by it.
 */
import type { ClusterInfo, NodeInfo, PartOwners } from "../../protocol/node.ts";
import type { Query } from "../../postgres/connection.ts";
import { NODE_TTL_MS } from "./node.ts";

/** Milliseconds since a time. */
const since = (time: string) => `extract(epoch FROM clock_timestamp() - ${time}) * 1000`;

/** One that has to do with subscriptions may be silent for so long: others take over then. */
const BUSY_MS = NODE_TTL_MS;
/** One that has nothing to do says so once a minute, ms: it may miss one of them. */
const IDLE_MS = 130_000;

/** All nodes that are known, the oldest first; what is `alive` is decided here and nowhere else. */
export async function readNodes(query: Query): Promise<NodeInfo[]> {
  const rows = await query(
    `SELECT node, version, draining, ${since("seen")}::double precision AS silent,
       extract(epoch FROM at)::double precision * 1000 AS started,
       (SELECT count(*) FROM evs.claims WHERE claims.node = nodes.node)::int AS parts,
       EXISTS (SELECT 1 FROM evs.members WHERE members.node = nodes.node) AS busy
     FROM evs.nodes ORDER BY at, node`,
  );
  return rows.map((row) => {
    const { node, version, draining, silent, started, parts, busy } = row as Record<
      string,
      unknown
    >;
    const seenMs = Math.max(0, Math.round(Number(silent)));
    return {
      node: String(node),
      version: String(version),
      startedAt: Math.round(Number(started)),
      seenMs,
      alive: seenMs <= (busy === true ? BUSY_MS : IDLE_MS),
      draining: draining === true,
      parts: Number(parts),
    };
  });
}

/** Asks a node to give back what it owns, or lets it work again; false if there is no such node. */
export async function setDraining(
  query: Query,
  { node, draining }: { node: string; draining: boolean },
): Promise<boolean> {
  const rows = await query(
    "UPDATE evs.nodes SET draining = $2::text = 'true' WHERE node = $1 RETURNING node",
    [node, String(draining)],
  );
  return rows.length > 0;
}

/** Who owns which parts of a subscription; those that nobody owns come last. */
export async function readOwners(query: Query, subscription: string): Promise<PartOwners[]> {
  const rows = await query(
    `SELECT claims.node, string_agg(part::text, ' ' ORDER BY part) AS parts,
       ${since("max(seen)")}::double precision AS silent
     FROM evs.claims LEFT JOIN evs.nodes USING (node) WHERE subscription = $1
     GROUP BY claims.node ORDER BY claims.node NULLS LAST`,
    [subscription],
  );
  return rows.map((row) => {
    const { node, parts, silent } = row as Record<string, unknown>;
    return {
      ...(typeof node === "string" ? { node } : {}),
      parts: String(parts).split(" ").map(Number),
      ...(silent === null || silent === undefined
        ? {}
        : { seenMs: Math.max(0, Math.round(Number(silent))) }),
    };
  });
}

/** The oldest transaction of a session, or one that was prepared. */
const OLDEST = `SELECT extract(epoch FROM clock_timestamp() - min(since)) * 1000 FROM (
    SELECT coalesce(xact_start, query_start) AS since FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
      AND backend_type <> 'autovacuum worker' AND coalesce(backend_xmin, backend_xid) IS NOT NULL
    UNION ALL SELECT prepared FROM pg_prepared_xacts WHERE database = current_database()) AS open`;

/** What the server says of itself. */
export async function serverFacts(
  query: Query,
): Promise<Pick<ClusterInfo, "server" | "standbys" | "oldestSnapshotMs">> {
  const [row] = await query<{ server: string; oldest: number | null }>(
    `SELECT current_setting('server_version') AS server, (${OLDEST})::double precision AS oldest`,
  );
  const standbys = await query<{ name: string; state: string }>(
    `SELECT coalesce(application_name, '') AS name, coalesce(sync_state, 'unknown') AS state
     FROM pg_stat_replication ORDER BY 1`,
  );
  const oldestSnapshotMs = Math.max(0, Math.round(row!.oldest ?? 0));
  return { server: row!.server.split(" ")[0]!, standbys, oldestSnapshotMs };
}
