/**
 * Questions to a daemon on a database, for a command that asks many: while the database is away, each
 * would be waited for, one after the other. From the first one that is not answered in time, or for
 * that reason, nothing more is asked.
 */
import type { Clock } from "../../core/base/clock.ts";
import { CannotStoreError } from "../../core/base/errors.ts";
import { DATABASE_AWAY, isDatabaseAway } from "../../core/protocol/database_url.ts";

/** How long one answer may take, ms: as long as the status of the daemon waits for its database. */
const LONGEST_MS = 2000;

type Ask = (path: string) => Promise<unknown>;

/** Asks as `ask` does, as long as it is answered. */
export function askInTime(ask: Ask, { clock }: { clock: Clock }): Ask {
  let isAway = false;
  return async (path) => {
    if (isAway) throw away();
    const late = Promise.withResolvers<never>();
    const cancel = clock.setTimer(() => late.reject(away()), LONGEST_MS);
    try {
      return await Promise.race([ask(path), late.promise]);
    } catch (error) {
      isAway = isDatabaseAway(error);
      throw error;
    } finally {
      cancel();
    }
  };
}

function away(): CannotStoreError {
  return new CannotStoreError(
    "the daemon has no answer, most likely because its database is away",
    {
      code: DATABASE_AWAY,
      hint: "evs status says whether it is; then ask again",
    },
  );
}
