/** Reads a whole state database and reports what is wrong with it. Changes nothing. */
import { schemaFaults, structureFaults } from "../store/sqlite/integrity.ts";
import { migrateState, openStateDatabase, STATE_FORMAT } from "./migrations.ts";
import { pragma } from "../store/sqlite/own_database.ts";
import { SqliteState } from "./sqlite.ts";
import type { CursorRecord, StateSnapshot } from "./state.ts";

/** The result. */
export interface StateVerdict {
  format: number;
  topics: number;
  subscriptions: number;
  deadLetters: number;
  cursors: CursorRecord[];
  /** Descriptions of what is wrong. */
  faults: string[];
  /** Everything except the dead letters, if it could be read. */
  snapshot?: StateSnapshot;
}

/** Reads the database at `path`. Throws `DataDirError` if it cannot be opened at all. */
export function verifyStateDatabase(
  path: string,
  { quick }: { quick: boolean } = { quick: false },
): StateVerdict {
  const database = openStateDatabase(path, { readOnly: true, asFound: true });
  const faults: string[] = [];
  let format: number;
  try {
    format = pragma(database, "user_version");
    if (format === STATE_FORMAT) faults.push(...schemaFaults(database, migrateState));
    if (!quick) faults.push(...structureFaults(database));
  } finally {
    database.close();
  }
  const empty = { topics: 0, subscriptions: 0, deadLetters: 0, cursors: [] };
  if (faults.length > 0 || format < STATE_FORMAT) return { format, ...empty, faults };
  const state = new SqliteState(path, { readOnly: true, asFound: true });
  try {
    const snapshot: StateSnapshot = state.load();
    const dead = quick ? { count: state.countDeadLetters({}), faults: [] } : readDeadLetters(state);
    return {
      format,
      topics: snapshot.topics.length,
      subscriptions: snapshot.subscriptions.length,
      deadLetters: dead.count,
      cursors: snapshot.cursors,
      faults: [...dead.faults, ...quick ? [] : scheduledFaults(state, snapshot)],
      snapshot,
    };
  } catch (error) {
    // Corrupt JSON, or a value of the wrong type.
    if (error instanceof SyntaxError || error instanceof TypeError) {
      return { format, ...empty, faults: [`a row cannot be read: ${error.message}`] };
    }
    throw error;
  } finally {
    state.closeSync();
  }
}

function readDeadLetters(state: SqliteState): { count: number; faults: string[] } {
  const faults: string[] = [];
  let count = 0;
  let after: string | undefined;
  do {
    const page = state.deadLetters({}, { limit: 500, after });
    for (const { id, topic, line } of page.records) {
      count++;
      if (!isLineOf(line, id)) {
        faults.push(`the event of the dead letter ${id} of ${topic} is damaged`);
      }
    }
    after = page.next;
  } while (after !== undefined);
  return { count, faults };
}

function scheduledFaults(state: SqliteState, { scheduled }: StateSnapshot): string[] {
  return scheduled
    .filter(({ number, id }) => !isLineOf(state.scheduledLine(number) ?? new Uint8Array(), id))
    .map(({ id, topic }) => `the scheduled event ${id} of ${topic} is damaged`);
}

function isLineOf(line: Uint8Array, id: string): boolean {
  try {
    const event = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(line));
    return event.id === id;
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return false;
    throw error;
  }
}
