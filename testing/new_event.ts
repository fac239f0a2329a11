/** Events for tests. */
import type { NewEvent } from "../core/event/event.ts";
import type { AppendOutcome, JournalStore } from "../core/store/store.ts";
import assert from "node:assert/strict";

const encoder = new TextEncoder();
let made = 0;

/** A unique event with default values. An id that is passed in counts as given by the publisher. */
export function newEvent(
  fields: Partial<Omit<NewEvent, "payload">> & { payload?: string } = {},
): NewEvent {
  const n = ++made;
  return {
    id: fields.id ?? `0190aaaa-0000-7000-8000-${String(n).padStart(12, "0")}`,
    idGiven: fields.id !== undefined,
    type: "user.created",
    timestamp: 1_700_000_000_000 + n,
    schemaVersion: "1.0",
    metadata: "{}",
    ...fields,
    payload: encoder.encode(fields.payload ?? `{"n":${n}}`),
  };
}

/** The outcome of a successful append. */
export function stored(outcome: AppendOutcome | undefined): Extract<AppendOutcome, { ok: true }> {
  assert.ok(outcome?.ok, `the append was refused: ${JSON.stringify(outcome)}`);
  return outcome;
}

/** Appends `count` events. */
export async function fill(store: JournalStore, topic: string, count: number): Promise<void> {
  await store.append([{ topic, events: Array.from({ length: count }, () => newEvent()) }]);
}

/** The seqs currently stored. */
export async function seqs(store: JournalStore, topic: string): Promise<number[]> {
  const { events } = await store.readPage(topic, { from: 1, to: 1e9, limit: 1e6 });
  return events.map((event) => event.seq);
}
