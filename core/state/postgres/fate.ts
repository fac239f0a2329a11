/** What an error of a transaction says of it. */
import { refusedBy, TryAgainError, UnknownOutcomeError } from "../../postgres/errors.ts";
import { isDatabaseAway } from "../../protocol/database_url.ts";

/**
 * `unknown`: it may have been kept. `again`: it was not, and may be if it is tried again. `final`:
 * it was not, and will not be.
 */
export type TransactionFate = "unknown" | "again" | "final";

/** The SQLSTATE of evs.note_commit: the row was asked for, or it is old and was removed. */
const SENT_AGAIN = "EVF02";

/** What became of the transaction that failed with this. */
export function fateOf(error: unknown): TransactionFate {
  if (error instanceof UnknownOutcomeError) return "unknown";
  if (refusedBy(error) === SENT_AGAIN) return "unknown";
  return isDatabaseAway(error) || error instanceof TryAgainError ? "again" : "final";
}
