/**
 * Dead letters that come back from outside: as they were exported, or edited. Pure: what is there
 * and what came in decide what is done; the desk does it.
 *
 * An edited event is delivered to its subscription as a copy with an id of its own and
 * `originalEventId` in its metadata; nothing is appended to the topic. The dead letter that it was
 * made from stays, linked, until a copy succeeds. A copy that fails is a dead letter with the
 * attempts of both; editing it again replaces it, and the first one stays.
 */
import { type NewEvent, toWireLine } from "../event/event.ts";
import type { DeadLetterRecord } from "../state/state.ts";
import { splitDeadLetterName } from "../state/dead_letter_name.ts";
import { canonicalJson } from "../json/json_object.ts";

/** An entry as it came in: what `dlq export` printed, or what somebody made of it. */
export interface ImportedDeadLetter extends Omit<DeadLetterRecord, "line" | "type" | "key" | "id"> {
  event: NewEvent;
}

/** The record of an entry as it came in. */
export function recordOfImport(entry: ImportedDeadLetter): DeadLetterRecord {
  const { event, ...about } = entry;
  const { id, type, key } = event;
  return {
    ...about,
    id,
    type,
    ...(key === undefined ? {} : { key }),
    line: toWireLine({ ...event, topic: entry.topic, seq: entry.seq }),
  };
}

const decoder = new TextDecoder();

/** Whether the event of an entry is what it was, however it is printed. */
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
 * The copy that is delivered. `first`: the dead letter that all copies come from. `before`: the
 * latest of them that is there, whose attempts the copy carries on.
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
