/** What `evs completions names` offers, asked as often as a busy daemon needs. */
import assert from "node:assert/strict";
import { evs, type EvsResult } from "./evs.ts";

const ATTEMPTS = 20;

/**
 * The names that a Tab would offer. It waits 800 ms for the daemon and then offers nothing, so on a
 * busy machine it is pressed again.
 */
export async function completedNames(
  query: readonly string[],
  at: { socket: string; dataDir: string },
): Promise<string[]> {
  return await completedBy((args) => evs(args, { at }), query);
}

/** The same where `run` runs `evs`. */
export async function completedBy(
  run: (args: string[]) => Promise<EvsResult>,
  query: readonly string[],
): Promise<string[]> {
  for (let attempt = 1;; attempt++) {
    const { code, stdout, stderr } = await run(["completions", "names", ...query]);
    assert.deepEqual([code, stderr], [0, ""]);
    if (stdout !== "" || attempt === ATTEMPTS) return stdout.split("\n").slice(0, -1);
  }
}
