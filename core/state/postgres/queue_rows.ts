/**
 * Reads what a subscription has of some parts, together with their claims: who has claimed a part
 * reads what the one before has kept.
 */
import type { Query } from "../../postgres/connection.ts";
import type { OwnedPart, PartRows } from "../coordinator.ts";
import { EVERY, rowsOfParts } from "../part_rows.ts";
import {
  begunOf,
  cursorOf,
  expiredRecordOf,
  linkOf,
  markOf,
  missedRecordOf,
  type Row,
  unansweredRecordOf,
  waitingOf,
} from "../rows.ts";
import { listText, listType, plainRow } from "./values.ts";

const OF_PARTS = `WHERE subscription = $1 AND part = ANY($2${listType("bigint")})`;
const CLAIMS = `SELECT part, epoch, rev FROM evs.claims ${OF_PARTS} ORDER BY part`;
const CURSORS = `SELECT subscription, topic, part, next FROM evs.cursors WHERE subscription = $1
  AND (part = ${EVERY} OR part = ANY($2${listType("bigint")})) ORDER BY topic COLLATE "C"`;
const DONE = `SELECT subscription, topic, part, seq FROM evs.done ${OF_PARTS}
  ORDER BY topic COLLATE "C", part, seq`;
const MISSED = `SELECT subscription, topic, part, first, last, count FROM evs.missed ${OF_PARTS}`;
const EXPIRED = `SELECT subscription, topic, part, count FROM evs.expired ${OF_PARTS}`;
const RETRIES = `SELECT subscription, topic, id, seq, key, type, due_at, wait_ms, next_attempt,
  failures, edited_from, part FROM evs.retries ${OF_PARTS} ORDER BY number`;
const UNANSWERED =
  `SELECT subscription, topic, id, part, seq, count FROM evs.unanswered ${OF_PARTS}`;
const BEGUN = "SELECT subscription, consumer, events FROM evs.begun WHERE subscription = $1";
const COUNT = "SELECT parts FROM evs.subscriptions WHERE name = $1";

/**
 * Reads the rows of these parts; absent: of all. `query` is of a transaction that sees one moment.
 * The claims are those that are there, whoever's they are.
 */
export async function readQueue(
  query: Query,
  { subscription, parts }: { subscription: string; parts?: readonly number[] | undefined },
): Promise<PartRows> {
  const asked = parts ?? await allPartsOf(query, subscription);
  const of = [subscription, listText(asked)];
  const all = async (text: string, values = of): Promise<Row[]> =>
    (await query(text, values)).map(plainRow);
  const owned = await all(CLAIMS) as unknown as OwnedPart[];
  const rows = {
    cursors: (await all(CURSORS)).map(cursorOf),
    done: (await all(DONE)).map(markOf),
    missed: (await all(MISSED)).map(missedRecordOf),
    expired: (await all(EXPIRED)).map(expiredRecordOf),
    retries: (await all(RETRIES)).map((row) => ({ ...waitingOf(row), ...linkOf(row) })),
    unanswered: (await all(UNANSWERED)).map(unansweredRecordOf),
    begun: (await all(BEGUN, [subscription])).map(begunOf),
  };
  return { parts: owned, ...rowsOfParts(rows, { subscription, parts: asked }) };
}

async function allPartsOf(query: Query, subscription: string): Promise<number[]> {
  const [row] = (await query(COUNT, [subscription])).map(plainRow);
  return Array.from({ length: (row?.["parts"] ?? 0) as number }, (_, part) => part);
}
