/** Lease replies and settlements on the wire. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { nackParts } from "../../../core/client/open_consumer_port.ts";

Deno.test("nackParts keeps every failure in order, in requests that the daemon takes", () => {
  const item = fc.record({
    lease: fc.string({ maxLength: 20 }),
    error: fc.string(),
    // As much as a handler's stderr is kept, of what JSON escapes with six characters.
    stderr: fc.nat(8192).map((length) => "\u0001".repeat(length)),
  });
  fc.assert(
    fc.property(fc.array(item, { maxLength: 60 }), (items) => {
      const parts = nackParts(items);
      assert.deepEqual(parts.flat(), items);
      for (const part of parts) {
        assert.ok(part.length > 0);
        const bytes = new TextEncoder().encode(JSON.stringify({ deliveries: part })).length;
        assert.ok(bytes < 1024 * 1024, `${bytes} bytes`);
      }
    }),
    { numRuns: 30 },
  );
});
