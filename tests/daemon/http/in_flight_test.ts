/** Contract row 15: what publishers have in flight is limited, individually and in total. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { mustWait } from "../../../daemon/routes/publish_lines.ts";

const MIB = 1024 * 1024;
/** How much a connection passes on at once. */
const STEP = MIB;

Deno.test("mustWait lets one connection go on during a sync, and holds many to their share", () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 500 }), (connections) => {
    const own = new Array<number>(connections).fill(0);
    let all = 0;
    // Everybody sends as fast as they are read, and nothing becomes durable.
    for (let moved = true; moved;) {
      moved = false;
      own.forEach((bytes, i) => {
        if (mustWait(bytes, all)) return;
        own[i] = bytes + STEP;
        all += STEP;
        moved = true;
      });
    }
    if (connections === 1) assert.ok(all >= 6 * MIB);
    assert.ok(own.every((bytes) => bytes >= STEP && bytes <= 7 * MIB));
    assert.ok(
      all <= Math.max(connections * STEP, 24 * MIB + STEP),
      `${all} bytes of ${connections}`,
    );
  }));
});
