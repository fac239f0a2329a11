/**
 * Who owns which part of a subscription, as SQL: every decision is one statement or one function
 * (core/state/postgres/migrations.ts), by the database's clock. A claim has an epoch that ascends with
 * each owner. It is over when it was given back, or when its node was not seen for longer than the
 * TTL; it is not taken away from a node before somebody else claims it. What a former owner commits is
 * fenced off by the epoch (core/state/postgres/commits.ts).
 *
 * Whoever changes claims first locks the rows of all nodes in `evs.members`, and a commit locks that
 * of its own node: so a node that claims waits for commits under way, and then reads what they have
 * kept. A node's own row is there before, in a transaction of its own: two that lock at once have one
 * row in common.
 */
import type { Query } from "../../postgres/connection.ts";
import type { OwnedPart } from "../coordinator.ts";
import type { Row } from "../rows.ts";
import { listed, lists } from "./table_lists.ts";
import { listText, listType, plainRow } from "./values.ts";

/** A part of a subscription that a node owns. */
export interface Claim extends OwnedPart {
  subscription: string;
}

/** A claim as every node sees it. */
export interface SeenClaim extends Claim {
  /** Undefined: it was given back. */
  node: string | undefined;
  /** Anybody may claim it. */
  over: boolean;
}

/** A node that has to do with a subscription. */
export interface SeenMember {
  subscription: string;
  node: string;
  /** It has consumers that wait, or had when it said so. */
  wants: boolean;
  /** It was seen within the TTL, and is not to give all back. */
  there: boolean;
}

const NAMED = { subscription: "text", part: "bigint", epoch: "bigint" } as const;

/** A parameter in milliseconds as an interval. */
const interval = (parameter: string) =>
  `make_interval(secs => ${parameter}::text::double precision / 1000)`;

const OVER = `evs.is_over(claims.node, claims.claimed_at, ${interval("$2")})`;

/** Says that a node has to do with a subscription; `wants`: it has consumers that wait. */
export async function joinMembers(
  query: Query,
  { node, subscription, wants }: { node: string; subscription: string; wants: boolean },
): Promise<void> {
  await query(
    `INSERT INTO evs.members AS one (subscription, node, wants) VALUES ($1, $2, $3)
     ON CONFLICT (subscription, node) DO UPDATE SET wants = excluded.wants`,
    [subscription, node, wants],
  );
}

/** Says that a node has nothing to do with a subscription any more. */
export async function leaveMembers(
  query: Query,
  { node, subscription }: { node: string; subscription: string },
): Promise<void> {
  const sql = "DELETE FROM evs.members WHERE subscription = $1 AND node = $2";
  await query(sql, [subscription, node]);
}

/**
 * Claims those of the parts that nobody owns; returns them, each with its new epoch. Without a TTL
 * only those that were given back. `madeAt`: only of the subscription that was made then, because
 * a node may not have heard yet that it was removed, or made again with other settings.
 */
export async function claimParts(
  query: Query,
  { node, subscription, parts, ttlMs, madeAt }: {
    node: string;
    subscription: string;
    parts: readonly number[];
    ttlMs: number | undefined;
    madeAt?: number;
  },
): Promise<Claim[]> {
  const rows = await query(
    `SELECT part, epoch, rev FROM evs.claim_parts($1, $2, $3${listType("bigint")}, ${
      interval("$4")
    }, $5::text::double precision)`,
    [
      node,
      subscription,
      listText([...new Set(parts)]),
      ttlMs === undefined ? null : String(ttlMs),
      madeAt === undefined ? null : String(madeAt),
    ],
  );
  return rows.map((row) => ({ subscription, ...plainRow(row) as unknown as OwnedPart }));
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
    `UPDATE evs.claims AS one SET node = NULL, info = NULL FROM ${named}
     WHERE one.subscription = asked.subscription AND one.part = asked.part
       AND one.epoch = asked.epoch AND one.node = $4
     RETURNING one.subscription, one.part, one.epoch, one.rev`,
    [...values, node],
  );
  return rows.map((row) => plainRow(row) as unknown as Claim);
}

/** The claims of these subscriptions. */
export async function readClaims(
  query: Query,
  { subscriptions, ttlMs }: { subscriptions: readonly string[]; ttlMs: number },
): Promise<SeenClaim[]> {
  const rows = await query(
    `SELECT subscription, part, node, epoch, rev, ${OVER} AS is_over FROM evs.claims
     WHERE subscription = ANY($1${listType("text")}) ORDER BY subscription, part`,
    [listText(subscriptions), String(ttlMs)],
  );
  return rows.map((row) => seenClaimOf(plainRow(row)));
}

/** The nodes that have to do with these subscriptions. */
export async function readClaimMembers(
  query: Query,
  { subscriptions, ttlMs }: { subscriptions: readonly string[]; ttlMs: number },
): Promise<SeenMember[]> {
  const rows = await query(
    `SELECT subscription, members.node, wants, NOT draining AND
       seen >= clock_timestamp() - ${interval("$2")} AS there
     FROM evs.members LEFT JOIN evs.nodes ON nodes.node = members.node
     WHERE subscription = ANY($1${listType("text")}) ORDER BY subscription, members.node`,
    [listText(subscriptions), String(ttlMs)],
  );
  return rows.map(plainRow).map(({ subscription, node, wants, there }) => ({
    subscription: subscription as string,
    node: node as string,
    wants: wants === 1,
    there: there === 1,
  }));
}

/** What a node says of itself, and of what it has to do in each subscription, as JSON. */
export interface Beat {
  node: string;
  version: string;
  infos: ReadonlyMap<string, string>;
}

/** Says that a node is there; returns whether it is to give all back, and the database's time. */
export async function beat(
  query: Query,
  { node, version, infos }: Beat,
): Promise<{ draining: boolean; now: number }> {
  const [row] = await query(
    `SELECT draining, now FROM evs.beat($1, $2, $3${listType("text")}, $4${listType("text")})`,
    [node, version, listText([...infos.keys()]), listText([...infos.values()])],
  );
  const { draining, now } = plainRow(row!);
  return { draining: draining === 1, now: now as number };
}

/** A node gives back all that it owns, and is gone. */
export async function forgetNode(query: Query, node: string): Promise<string[]> {
  const rows = await query(
    "UPDATE evs.claims SET node = NULL, info = NULL WHERE node = $1 RETURNING subscription",
    [node],
  );
  await query("DELETE FROM evs.members WHERE node = $1", [node]);
  await query("DELETE FROM evs.nodes WHERE node = $1", [node]);
  return [...new Set(rows.map(({ subscription }) => subscription as string))];
}

/** Forgets nodes that were not seen for this long; what they owned is nobody's. */
export async function forgetNodes(query: Query, { olderMs }: { olderMs: number }): Promise<void> {
  const old = `SELECT node FROM evs.nodes WHERE seen < clock_timestamp() - ${interval("$1")}`;
  const values = [String(olderMs)];
  await query(`DELETE FROM evs.members WHERE node IN (${old})`, values);
  await query(`UPDATE evs.claims SET node = NULL, info = NULL WHERE node IN (${old})`, values);
  await query(`DELETE FROM evs.nodes WHERE node IN (${old})`, values);
}

function seenClaimOf(row: Row): SeenClaim {
  return {
    subscription: row["subscription"] as string,
    part: row["part"] as number,
    node: row["node"] as string | null ?? undefined,
    epoch: row["epoch"] as number,
    rev: row["rev"] as number,
    over: row["is_over"] === 1,
  };
}
