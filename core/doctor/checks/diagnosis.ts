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
    const { hint } = error as { hint?: string };
    yield {
      check,
      level: levelOfFailure(error),
      where: check,
      what: `this check failed: ${why}`,
      hint,
    };
  }
}

/** The level of a check that failed: what cannot be looked at now is not damaged. */
export function levelOfFailure(error: unknown): Finding["level"] {
  return (error as { code?: unknown }).code === DATABASE_AWAY ? "warning" : "damage";
}
