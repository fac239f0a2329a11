/**
 * Replaces the content of one event in the database. Its old bytes are then in no row; scrub.ts
 * removes them from the files.
 */
import { fromWireLine } from "../../event/event.ts";
import { redactedEvent, redactedLine } from "../../event/redaction.ts";
import type { RedactRequest } from "../store.ts";
import { readBlock, rebuildBlock, writeBlock } from "./blocks.ts";
import type { SqliteKeyCounts } from "./key_counts.ts";
import type { LogRow } from "./checked_rows.ts";
import { blockOf, position } from "./position.ts";
import { holdsLine, rowSum, typeTag } from "./row_checksum.ts";
import type { Prepare } from "./statements.ts";
import type { TopicRow } from "./topics.ts";

/**
 * Replaces the content in the row; within a transaction. Returns the topic as it is then; undefined,
 * and nothing is changed, if there is no such event.
 */
export function redactRow(
  { prepare, keyCounts }: { prepare: Prepare; keyCounts: SqliteKeyCounts },
  topic: TopicRow,
  { seq, id, ...content }: RedactRequest,
): TopicRow | undefined {
  const pos = position(topic.id, seq);
  const row = prepare("SELECT pos, type, head, sum, line FROM log WHERE pos = ?").get(
    pos,
  ) as unknown as LogRow | undefined;
  if (!row || !holdsLine(row.sum, row)) return undefined;
  const before = fromWireLine(row.line, row.head);
  if (before.id !== id) return undefined;
  const event = redactedEvent(before, content);
  const { line, head } = redactedLine(event);
  const { type, key = null } = event;
  if (before.key !== undefined && before.key !== key) keyCounts.keepOf(topic, before.key);
  prepare("UPDATE log SET type = ?, key = ?, head = ?, sum = ?, line = ? WHERE pos = ?").run(
    type,
    key,
    head,
    rowSum(line, { pos, head, tag: typeTag(type) }),
    line,
    pos,
  );
  const place = { topic: topic.id, block: blockOf(seq) };
  const block = readBlock(place, prepare);
  const rebuilt = rebuildBlock(prepare, place)!;
  const { first, last } = block ?? rebuilt;
  writeBlock({ ...rebuilt, first, last }, prepare);
  const { bytes } = prepare("SELECT sum(bytes) AS bytes FROM blocks WHERE topic = ?")
    .get(topic.id) as { bytes: number };
  return { ...topic, bytes };
}
