/**
 * The fences of a transaction: they hold until its end, or it fails. Those with a `rev` lock the row
 * of this node among the members of the subscription (evs.hold_claims_2); those without one lock the
 * claims, as an earlier version did.
 */
import { type Fence, FencedError } from "../fences.ts";
import type { Row } from "../rows.ts";
import type { BoundStatement, Columns } from "./batches.ts";
import { listed, lists } from "./table_lists.ts";
import type { Table } from "./tables.ts";
import { listType, plainRow } from "./values.ts";
import type { Query } from "../../postgres/connection.ts";

const EPOCH = { subscription: "text", part: "bigint", epoch: "bigint" } as const;
const FENCE = { ...EPOCH, rev: "bigint" } as const;
const typed = (columns: Table["columns"]) =>
  Object.values(columns).map((type, n) => `$${n + 1}${listType(type)}`).join(", ");
const HOLD = `SELECT evs.hold_claims(${typed(EPOCH)})`;
const HOLD_2 = `SELECT evs.hold_claims_2($5, ${typed(FENCE)})`;
/** The fences that do not hold; a node without a row among the members owns nothing. */
const BROKEN = `
  SELECT asked.subscription, asked.part, asked.epoch, asked.rev,
    claims.epoch IS DISTINCT FROM asked.epoch OR (asked.rev IS NOT NULL AND NOT EXISTS (
      SELECT 1 FROM evs.members
      WHERE members.subscription = asked.subscription AND members.node = $5)) AS is_over,
    claims.rev <> asked.rev AS is_changed
  FROM ${listed(FENCE, "asked")} LEFT JOIN evs.claims USING (subscription, part)`;

/** The statements that hold fences. */
export function holdFences(fences: readonly Fence[], node: string): BoundStatement[] {
  const all = onceEach(fences);
  const plain = all.filter(({ rev }) => rev === undefined);
  const whole = all.filter(({ rev }) => rev !== undefined);
  return [
    ...(whole.length === 0 ? [] : [{ text: HOLD_2, values: [...lists(FENCE, whole), node] }]),
    ...(plain.length === 0 ? [] : [{ text: HOLD, values: lists(EPOCH, plain) }]),
  ];
}

/** Says which of these fences do not hold. */
export async function fencedError(
  query: Query,
  { fences, node }: { fences: readonly Fence[]; node: string },
): Promise<FencedError> {
  const rows = await query(BROKEN, [...lists(FENCE, onceEach(fences)), node]);
  const broken = rows.flatMap((row) => brokenIn(plainRow(row)));
  return new FencedError(
    broken.filter(({ isOver }) => isOver).map(({ fence }) => fence),
    broken.filter(({ isOver }) => !isOver).map(({ fence }) => fence),
  );
}

/** What a row of {@link BROKEN} says of a fence; nothing if it holds. */
function brokenIn(row: Row): { fence: Fence; isOver: boolean }[] {
  const { subscription, part, epoch, rev } = row as unknown as Fence & { rev: number | null };
  const fence = { subscription, part, epoch, ...(rev === null ? {} : { rev }) };
  if (row["is_over"] === 1) return [{ fence, isOver: true }];
  return row["is_changed"] === 1 ? [{ fence, isOver: false }] : [];
}

function onceEach(fences: readonly Fence[]): (Fence & Columns)[] {
  const all = new Map<string, Fence & Columns>();
  for (const { subscription, part, epoch, rev } of fences) {
    const fence = { subscription, part, epoch, ...(rev === undefined ? {} : { rev }) };
    all.set([subscription, part, epoch, rev].join("\n"), fence);
  }
  return [...all.values()];
}
