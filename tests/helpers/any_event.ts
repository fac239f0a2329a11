/** Events of every kind, for properties. */
import fc from "../packages/fast_check.ts";
import { defined } from "../../core/base/defined.ts";
import type { NewEvent } from "../../core/event/event.ts";

/** New events with the given payloads; half of them have a key, half of them expire. */
export function anyEvent(payload: fc.Arbitrary<Uint8Array>): fc.Arbitrary<NewEvent> {
  return fc.record({
    id: fc.stringMatching(/^[!-~]{1,20}$/),
    idGiven: fc.boolean(),
    type: fc.constantFrom("a", "b", "ü"),
    timestamp: fc.constantFrom(1, 2, 1_800_000_000_000),
    schemaVersion: fc.constantFrom("1.0", "2.0"),
    key: fc.option(fc.string(), { nil: undefined, freq: 1 }),
    expiresAt: fc.option(fc.integer({ min: 0, max: 2e15 }), { nil: undefined, freq: 1 }),
    metadata: fc.constantFrom("{}", '{"a":1}', '{"a":"ü"}'),
    payload,
  }).map((event): NewEvent => defined(event));
}
