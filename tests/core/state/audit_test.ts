/** The audit log: what is recorded, and what every state keeps of it. */
import assert from "node:assert/strict";
import { audited, auditedSubscription } from "../../../core/state/audited.ts";
import { testAudit } from "./audit_conformance.ts";
import { memoryState, sqliteState } from "./subjects.ts";

const NOW = 1_700_000_000_000;

testAudit("MemoryState", memoryState);
testAudit("SqliteState", sqliteState);

Deno.test("nothing is recorded without an origin, nor of a subscription that has no name of its own", () => {
  assert.deepEqual(audited(undefined, { act: "topic.create" }), []);
  const act = { way: "library" as const, at: NOW };
  const of = (name: string) =>
    auditedSubscription("subscription.create", { name, topic: "t" }, { act });
  assert.deepEqual([of("unnamed-7").length, of("mailer").length], [0, 1]);
});
