/**
 * What the tables say of all nodes, for people: who is there, who owns what, and what the server
 * promises. Nothing is decided by it.
 */
import type { NodeInfo, PartOwners } from "../../protocol/node.ts";
import type { Query } from "../../postgres/connection.ts";
import { NODE_TTL_MS } from "./node.ts";

/** Milliseconds since a time. */
const since = (time: string) => `extract(epoch FROM clock_timestamp() - ${time}) * 1000`;

/** How long a node may be silent, ms. */
export interface Silence {
  /** One that has to do with subscriptions. */
  busyMs: number;
  /** One that has nothing to do, and says so seldom. */
  idleMs: number;
}

/** After this a node counts as gone: five beats of one that is busy, two of one that is not. */
export const SILENCE: Silence = { busyMs: NODE_TTL_MS, idleMs: 130_000 };

/** All nodes that are known, the oldest first. */
export async function readNodes(query: Query, silence: Silence): Promise<NodeInfo[]> {
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
      alive: seenMs <= (busy === true ? silence.busyMs : silence.idleMs),
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

/** What the server says of itself. */
export async function serverFacts(
  query: Query,
): Promise<{ server: string; standbys: { name: string; state: string }[] }> {
  const [row] = await query<{ server: string }>(
    "SELECT current_setting('server_version') AS server",
  );
  const standbys = await query<{ name: string; state: string }>(
    `SELECT coalesce(application_name, '') AS name, coalesce(sync_state, 'unknown') AS state
     FROM pg_stat_replication ORDER BY 1`,
  );
  return { server: row!.server.split(" ")[0]!, standbys };
}
