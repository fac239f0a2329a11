/**
 * Who owns which part of a subscription, as pure SQL: every decision is one statement, by the
 * database's clock. A claim has an epoch that ascends with each owner. It is over when it was given
 * back, or when its node was not seen for longer than the TTL; it is not taken away from a node
 * before somebody else claims it. What a former owner commits is fenced off by the epoch
 * (core/state/postgres/commits.ts).
 */
import { listed, lists } from "./table_lists.ts";
import type { Query } from "../../postgres/connection.ts";
import { listText, listType, plainRow } from "./values.ts";

/** A part of a subscription that a node owns. */
export interface Claim {
  subscription: string;
  part: number;
  /** Ascends with each owner. */
  epoch: number;
  /** Ascends with each change that the owner must reload. */
  rev: number;
}

const RETURNED = "subscription, part::int AS part, epoch, rev";
const NAMED = { subscription: "text", part: "bigint", epoch: "bigint" } as const;

/** True of a claim whose node is gone: `claimed_at`, because a node claims before it is seen. */
const isOver = (claim: string, ttlMs: string) =>
  `(${claim}.node IS NULL OR greatest(${claim}.claimed_at,
    (SELECT seen FROM evs.nodes WHERE nodes.node = ${claim}.node))
    < clock_timestamp() - make_interval(secs => ${ttlMs}::text::double precision / 1000))`;

/** Claims those of the parts that nobody owns; returns them, each with its new epoch. */
export async function claimParts(
  query: Query,
  { node, subscription, parts, ttlMs }: {
    node: string;
    subscription: string;
    parts: readonly number[];
    ttlMs: number;
  },
): Promise<Claim[]> {
  const rows = await query(
    `INSERT INTO evs.claims AS one (subscription, part, node, epoch, rev, claimed_at)
     SELECT $1::text, part, $2::text, 1, 0, clock_timestamp()
     FROM unnest($3${listType("bigint")}) AS asked(part) ORDER BY part
     ON CONFLICT (subscription, part) DO UPDATE SET node = excluded.node, epoch = one.epoch + 1,
       claimed_at = clock_timestamp()
     WHERE ${isOver("one", "$4")}
     RETURNING ${RETURNED}`,
    [subscription, node, listText([...new Set(parts)]), String(ttlMs)],
  );
  return rows.map(claimOf);
}

/** Says that a node is there; returns what it owns, as that may have changed. */
export async function nodeHeartbeat(query: Query, { node }: { node: string }): Promise<Claim[]> {
  await query(
    `INSERT INTO evs.nodes VALUES ($1, clock_timestamp())
     ON CONFLICT (node) DO UPDATE SET seen = excluded.seen`,
    [node],
  );
  const rows = await query(
    `SELECT ${RETURNED} FROM evs.claims WHERE node = $1 ORDER BY subscription, claims.part`,
    [node],
  );
  return rows.map(claimOf);
}

/** Gives claims back, unless they are another's by now; returns those that were given back. */
export async function releaseClaims(
  query: Query,
  { node, claims }: { node: string; claims: readonly Omit<Claim, "rev">[] },
): Promise<Claim[]> {
  const named = listed(NAMED, "asked");
  const values = lists(
    NAMED,
    claims.map(({ subscription, part, epoch }) => ({ subscription, part, epoch })),
  );
  const rows = await query(
    `UPDATE evs.claims AS one SET node = NULL FROM ${named}
     WHERE one.subscription = asked.subscription AND one.part = asked.part
       AND one.epoch = asked.epoch AND one.node = $4
     RETURNING one.subscription, one.part::int AS part, one.epoch, one.rev`,
    [...values, node],
  );
  return rows.map(claimOf);
}

/** The claims of a subscription that are over, and may be claimed. */
export async function claimsOver(
  query: Query,
  { subscription, ttlMs }: { subscription: string; ttlMs: number },
): Promise<Claim[]> {
  const rows = await query(
    `SELECT ${RETURNED} FROM evs.claims WHERE subscription = $1 AND ${isOver("claims", "$2")}
     ORDER BY claims.part`,
    [subscription, String(ttlMs)],
  );
  return rows.map(claimOf);
}

/** Has the owners of a subscription reload what somebody else changed. */
export async function bumpRev(query: Query, subscription: string): Promise<void> {
  await query("UPDATE evs.claims SET rev = rev + 1 WHERE subscription = $1", [subscription]);
}

/** Fences off the owners of a subscription: what they decide from what was there is not kept. */
export async function bumpEpoch(query: Query, subscription: string): Promise<void> {
  await query(
    "UPDATE evs.claims SET epoch = epoch + 1, rev = rev + 1 WHERE subscription = $1",
    [subscription],
  );
}

/** Forgets nodes that were not seen for this long and own nothing. */
export async function forgetNodes(query: Query, { olderMs }: { olderMs: number }): Promise<void> {
  await query(
    `DELETE FROM evs.nodes
     WHERE seen < clock_timestamp() - make_interval(secs => $1::text::double precision / 1000)
       AND NOT EXISTS (SELECT 1 FROM evs.claims WHERE claims.node = nodes.node)`,
    [String(olderMs)],
  );
}

function claimOf(row: Record<string, unknown>): Claim {
  const { subscription, part, epoch, rev } = plainRow(row);
  return { subscription, part, epoch, rev } as unknown as Claim;
}
