/**
 * Applies the redactions that a data dir knows to a backup that takes its place: the backup may be
 * older than they are.
 */
import { exists } from "../base/if_there.ts";
import { defined } from "../base/defined.ts";
import { type StoredEvent, toWireLine } from "../event/event.ts";
import { redactedEvent, redactedKey, redactedMetadata } from "../event/redaction.ts";
import { redactSpooled } from "../spool/redact.ts";
import { SPOOL_FOLDER } from "../spool/spool_folder.ts";
import { ALL_OF_ID, RedactedEvents } from "../state/redactions.ts";
import { SqliteState } from "../state/sqlite.ts";
import type { RedactionRecord } from "../state/state.ts";
import { verifyStateDatabase } from "../state/verify.ts";
import { FileEventStore } from "../store/file/file_event_store.ts";
import { storedOfLine } from "../store/file/lines.ts";
import { SqliteEventStore } from "../store/sqlite/sqlite_event_store.ts";
import type { JournalStore } from "../store/store.ts";

/** The redactions that the data dir knows; none if it has no state that can be read. */
export function knownRedactions(dataDir: string): RedactionRecord[] {
  const path = `${dataDir}/state.db`;
  if (!exists(path) || Deno.statSync(path).size === 0) return [];
  return verifyStateDatabase(path, { quick: true }).snapshot?.redactions ?? [];
}

/**
 * Applies them to the unpacked backup in `folder`, which nobody else uses yet. Returns how many of
 * these events the backup had.
 */
export async function redactRestored(
  folder: string,
  records: readonly RedactionRecord[],
): Promise<number> {
  if (records.length === 0) return 0;
  const statePath = `${folder}/state.db`;
  if (!exists(statePath)) {
    Deno.openSync(statePath, { write: true, createNew: true, mode: 0o600 }).close();
  }
  const state = new SqliteState(statePath, { lock: false });
  const stores = openStores(folder);
  try {
    let count = 0;
    const before = new RedactedEvents(state.load().redactions);
    for (const record of records) {
      // The backup is younger than the redaction: what it has under this id came later.
      const known = before.get(record);
      if (known?.done && known.at === record.at) continue;
      // It must not be taken in as it was.
      const spooled = redactSpooled(`${folder}/${SPOOL_FOLDER}`, record);
      if (await redactOne(record, { state, stores }) || spooled > 0) count++;
    }
    state.commitSync(records.map((record) => ({
      op: "redaction.put",
      record: { ...record, done: true },
    })));
    state.scrubSync();
    return count;
  } finally {
    for (const store of stores) await store.close();
    state.closeSync();
  }
}

function openStores(folder: string): JournalStore[] {
  const stores: JournalStore[] = [];
  if (exists(`${folder}/events.db`)) {
    stores.push(new SqliteEventStore(`${folder}/events.db`, { lock: false }));
  }
  if (exists(`${folder}/events/format`)) stores.push(new FileEventStore(`${folder}/events`));
  return stores;
}

/** True if the backup had the event: in a topic, a dead letter, a retry, or scheduled. */
async function redactOne(
  record: RedactionRecord,
  { state, stores }: { state: SqliteState; stores: readonly JournalStore[] },
): Promise<boolean> {
  const { topic, seq, id } = record;
  const metadata = redactedMetadata(record);
  let found = copyIn(state, record);
  for (const store of stores) {
    const { events: [stored] } = await store.readPage(topic, { from: seq, to: seq, limit: 1 });
    if (stored?.id !== id) continue;
    found = stored;
    if (stored.metadata === metadata) continue;
    await store.redact!(topic, { seq, id, ...await contentOf(stored, metadata) });
  }
  const wasScheduled = await redactScheduled(record, state);
  if (!found) return wasScheduled;
  const event = redactedEvent(found, await contentOf(found, metadata));
  const { key } = event;
  state.commitSync([{ op: "event.redact", topic, seq, id, key, line: toWireLine(event) }]);
  return true;
}

/** True if the event waited when the backup was made. */
async function redactScheduled(record: RedactionRecord, state: SqliteState): Promise<boolean> {
  const { topic, seq, id } = record;
  const waiting = state.load().scheduled.find((one) => one.topic === topic && one.id === id);
  // Else the redacted event is an earlier one with this id.
  if (!waiting || (seq !== 0 && seq <= waiting.afterSeq)) return false;
  const { number } = waiting;
  const content = storedOfLine(state.scheduledLine(number)!);
  const event = redactedEvent(content, await contentOf(content, redactedMetadata(record)));
  const { key } = event;
  state.commitSync([
    { op: "scheduled.redact", number, key, line: toWireLine(event) },
    { op: "redaction.put", record: { ...record, seq: 0, done: true } },
  ]);
  return true;
}

async function contentOf({ topic, key }: StoredEvent, metadata: string) {
  return { metadata, ...defined({ key: key && await redactedKey(topic, key) }) };
}

/** The event of a dead letter or a retry. */
function copyIn(
  state: SqliteState,
  { topic, seq, id }: RedactionRecord,
): StoredEvent | undefined {
  const { records } = state.deadLetters({ ids: [id], topic }, { limit: ALL_OF_ID });
  const { retries } = state.load();
  const rows = retries.filter((one) => one.topic === topic && one.id === id)
    .map(({ subscription }) => state.retry(subscription, topic, id));
  const events = [...records, ...rows].flatMap((row) => row ? storedOfLine(row.line) : []);
  return events.find((event) => event.id === id && event.seq === seq);
}
