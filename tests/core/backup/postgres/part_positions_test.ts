/**
 * Positions of parts become one position with marks: what some part has settled is settled, and
 * nothing else is.
 */
import assert from "node:assert/strict";
import fc from "../../../packages/fast_check.ts";
import { PartPositions } from "../../../../core/backup/postgres/part_positions.ts";
import { eventSlot, partOf } from "../../../../core/event/part.ts";
import { assertSeeded } from "../../../helpers/seed.ts";

const FILE = "tests/core/backup/postgres/part_positions_test.ts";

/** A number of parts, and the rows of some of them. */
const positions = fc.integer({ min: 1, max: 16 }).chain((parts) =>
  fc.record({
    parts: fc.constant(parts),
    rows: fc.uniqueArray(
      fc.tuple(fc.integer({ min: -1, max: parts - 1 }), fc.integer({ min: 1, max: 3000 })),
      { selector: ([part]) => part },
    ),
  })
);

Deno.test("PartPositions has settled an event when its part is beyond it", async () => {
  await assertSeeded(
    fc.asyncProperty(
      positions,
      fc.integer({ min: 1, max: 3000 }),
      fc.option(fc.string()),
      async (of, seq, key) => {
        await Promise.resolve();
        const { parts } = of;
        const rows = new Map(of.rows);
        const all = new PartPositions(parts, rows);
        const event = key === null ? { seq } : { seq, key };
        const own = rows.get(partOf(event, parts)) ?? rows.get(-1) ?? 1;
        assert.equal(all.hasSettled(seq, eventSlot(event)), seq < own);
        assert.equal(all.lowest <= own && own <= all.highest, true);
        if (seq < all.lowest) assert.ok(all.hasSettled(seq, eventSlot(event)));
        if (seq >= all.highest) assert.ok(!all.hasSettled(seq, eventSlot(event)));
      },
    ),
    { numRuns: 300, file: FILE },
  );
});

Deno.test("PartPositions counts what no part has passed as if it had no key", async () => {
  await assertSeeded(
    fc.asyncProperty(
      positions,
      fc.integer({ min: 1, max: 3000 }),
      async ({ parts, rows }, firstSeq) => {
        await Promise.resolve();
        const all = new PartPositions(parts, new Map(rows));
        let missed = 0;
        for (let seq = 1; seq < firstSeq; seq++) {
          if (!all.hasSettled(seq, eventSlot({ seq }))) missed++;
        }
        assert.equal(all.missedBelow(firstSeq), missed);
      },
    ),
    { numRuns: 200, file: FILE },
  );
});
