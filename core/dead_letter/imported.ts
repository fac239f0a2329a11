/**
 * Dead letters that are imported: unchanged since their export, or edited. Decides only, from what
 * is stored and what is imported; importer.ts applies it.
 *
 * An edited event is delivered to its subscription as a copy with its own id and `originalEventId`
 * in its metadata; nothing is appended to the topic. The original dead letter stays, linked, until
 * a copy succeeds. A copy that fails becomes a dead letter with the attempts of both; editing that
 * one replaces it, and the original stays.
 */
import { defined } from "../base/defined.ts";
import { type NewEvent, toWireLine } from "../event/event.ts";
import type { DeadLetterRecord } from "../state/state.ts";
import { splitDeadLetterName } from "../state/dead_letter_name.ts";
import { canonicalJson } from "../json/json_object.ts";

/** An imported entry: as printed by `dlq export`, or edited. */
export interface ImportedDeadLetter extends Omit<DeadLetterRecord, "line" | "type" | "key" | "id"> {
  event: NewEvent;
}

/** The record of an imported entry. */
export function recordOfImport(entry: ImportedDeadLetter): DeadLetterRecord {
  const { event, ...about } = entry;
  const { id, type, key } = event;
  return {
    ...about,
    id,
    type,
    ...defined({ key }),
    line: toWireLine({ ...event, topic: entry.topic, seq: entry.seq }),
  };
}

const decoder = new TextDecoder();

/** True if the event of an entry is unchanged, regardless of its formatting. */
export function isUnchanged(before: DeadLetterRecord, now: DeadLetterRecord): boolean {
  if (before.line.length === now.line.length && before.line.every((b, i) => b === now.line[i])) {
    return true;
  }
  const [a, b] = [before, now].map(({ line }) => {
    const { schemaVersion: _version, ...event } = JSON.parse(decoder.decode(line));
    return canonicalJson(event);
  });
  return a === b;
}

/**
 * The copy to deliver. `first`: the original dead letter of all copies. `before`: the latest
 * existing one of them, whose attempts the copy continues.
 */
export function editedCopy(
  entry: ImportedDeadLetter,
  options: { first: string; before: DeadLetterRecord | undefined; id: string },
): DeadLetterRecord {
  const { first, before, id } = options;
  const { event } = entry;
  const metadata = {
    ...JSON.parse(event.metadata),
    originalEventId: splitDeadLetterName(first).id,
  };
  return {
    ...recordOfImport({
      ...entry,
      attempts: before?.attempts ?? entry.attempts,
      event: { ...event, id, metadata: JSON.stringify(metadata) },
    }),
    editedFrom: first,
  };
}
