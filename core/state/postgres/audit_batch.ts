/**
 * Acts that are recorded together. Their numbers come from a counter whose row is locked until the
 * commit, so that they become visible in their order, and are never given again.
 */
import { AUDIT_AGE, AUDIT_LEAST, AUDIT_MOST } from "../audited.ts";
import type { ChangeOf } from "../state.ts";
import type { Batch, BoundStatement } from "./batches.ts";
import { listed, lists } from "./table_lists.ts";
import { AUDIT } from "./tables.ts";

type Act = ChangeOf<"audit.put">["record"];

const OLD = { place: "bigint", since: "time" } as const;
/** The last number, when the acts are there. */
const LAST = "(SELECT value FROM evs.counters WHERE name = 'audit')";

/** Acts in the order in which they were recorded. */
export class AuditBatch implements Batch {
  readonly #acts: Act[] = [];

  add(act: Act): void {
    this.#acts.push(act);
  }

  /** Adds them, and forgets those beyond what is kept, as after each of them. */
  statements(): BoundStatement[] {
    const { number: _number, ...columns } = AUDIT.columns;
    const rows = this.#acts.map((act) => ({
      at: act.at,
      act: act.act,
      topic: act.topic ?? null,
      subscription: act.subscription ?? null,
      record: JSON.stringify(act),
    }));
    const count = rows.length;
    return [
      {
        text: `WITH given AS (UPDATE evs.counters SET value = value + $6, rev = rev + 1
            WHERE name = 'audit' RETURNING value - $6 AS base)
          INSERT INTO evs.audit (number, ${Object.keys(columns).join(", ")})
          SELECT base + place, asked.at, asked.act, asked.topic, asked.subscription, asked.record
          FROM given, ${listed(columns, "asked", "place")}`,
        values: [...lists(columns, rows), count],
      },
      {
        text: `DELETE FROM evs.audit USING ${listed(OLD, "old")}
          WHERE audit.at < old.since AND number <= ${LAST} - $3::bigint + place - $4::bigint`,
        values: [...lists(OLD, this.#bounds()), count, AUDIT_LEAST],
      },
      {
        text: `DELETE FROM evs.audit WHERE number <= ${LAST} - $1::bigint`,
        values: [AUDIT_MOST],
      },
    ];
  }

  /** What each act makes too old, without those that a later act makes too old, too. */
  #bounds(): { place: number; since: number }[] {
    const bounds: { place: number; since: number }[] = [];
    let newest = -Infinity;
    for (let n = this.#acts.length - 1; n >= 0; n--) {
      const since = this.#acts[n]!.at - AUDIT_AGE;
      if (since > newest) bounds.push({ place: n + 1, since });
      newest = Math.max(newest, since);
    }
    return bounds;
  }
}
