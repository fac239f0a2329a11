/** The rows of a query on PostgreSQL, some at a time, whatever their number. */
import type { Query } from "../../postgres/connection.ts";
import { plainRow } from "../../state/postgres/values.ts";
import type { Row } from "../../state/rows.ts";

/** Rows of a batch: one may have an event of the largest size in it. */
const AT_ONCE = 64;
/** Rows of a batch that have no more than numbers and names. */
export const SMALL = 5000;

/** The rows in batches; within a transaction. `text` has no parameters. */
export async function* rowsOf(
  query: Query,
  text: string,
  atOnce: number = AT_ONCE,
): AsyncGenerator<Row[]> {
  await query(`DECLARE evs_copy NO SCROLL CURSOR FOR ${text}`);
  try {
    while (true) {
      const rows = await query(`FETCH ${atOnce} FROM evs_copy`);
      if (rows.length > 0) yield rows.map(plainRow);
      if (rows.length < atOnce) return;
    }
  } finally {
    await query("CLOSE evs_copy");
  }
}
