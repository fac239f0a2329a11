/** Runs one check of the doctor, whatever it looks at. */
import { DATABASE_AWAY } from "../../protocol/database_url.ts";
import type { Finding } from "./check.ts";

/** A finding, and the check that made it. */
export type Diagnosis = Finding & { check: string };

/** What a check finds. One that fails becomes a finding itself, so that others continue. */
export async function* diagnosesOf(
  check: string,
  look: () => Iterable<Finding> | AsyncIterable<Finding>,
): AsyncGenerator<Diagnosis, void, undefined> {
  try {
    for await (const finding of look()) yield { check, ...finding };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const { hint, code } = error as { hint?: string; code?: string };
    // What cannot be looked at now is not damaged.
    const level = code === DATABASE_AWAY ? "warning" : "damage";
    yield { check, level, where: check, what: `this check failed: ${why}`, hint };
  }
}
