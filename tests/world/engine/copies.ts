/**
 * SQLite's online backup runs in a thread of its own, which takes real time. In a world it takes
 * simulated time, and copies what is committed at one moment of it, as the real one does that
 * copies all pages in one step.
 */
import { DatabaseSync } from "node:sqlite";
import { sqlite } from "../../../core/store/sqlite/copy_database.ts";
import type { Random } from "../types.ts";
import { currentThread } from "./process.ts";
import { real } from "./real.ts";
import type { Scheduler } from "./scheduler.ts";

/** The longest that a copy takes before and after that moment, ms. */
const LONGEST_MS = 30;

/** Takes the place of SQLite's; returns what puts that back. */
export function simulateCopies(
  { scheduler, random }: { scheduler: Scheduler; random: Random },
): () => void {
  const { backup } = sqlite;
  const pass = () => {
    const thread = currentThread();
    return new Promise<void>((resolve) =>
      void scheduler.after(random.next() * LONGEST_MS, { kind: "disk", thread, run: resolve })
    );
  };
  sqlite.backup = async (source, to) => {
    await pass();
    copy(source.location()!, String(to));
    await pass();
    return 0; // pages that are left
  };
  return () => void (sqlite.backup = backup);
}

function copy(from: string, to: string): void {
  real.Deno.copyFileSync(from, to);
  real.Deno.chmodSync(to, 0o600);
  try {
    real.Deno.copyFileSync(`${from}-wal`, `${to}-wal`);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  const copied = new DatabaseSync(to);
  try {
    copied.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  } finally {
    copied.close();
  }
}
