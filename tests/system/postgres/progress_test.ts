/** How far subscriptions have got, over the parts of all nodes, as PostgreSQL and as memory say it. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { defaultSettings } from "../../../core/delivery/settings.ts";
import { EVERY_PART, maskOf } from "../../../core/event/part.ts";
import { MemoryState } from "../../../core/state/memory.ts";
import { PostgresState } from "../../../core/state/postgres/postgres_state.ts";
import type { StateChange } from "../../../core/state/state.ts";
import { dose } from "../../helpers/dose.ts";
import { assertSeeded } from "../../helpers/seed.ts";
import { progressIn } from "../../helpers/shared_catalog_state.ts";
import { emptyDatabase, endServer, giveBack } from "./states.ts";

Deno.test.afterAll(endServer);

const name = fc.constantFrom("s", "r");
const topic = fc.constantFrom("t", "u");
const seq = fc.integer({ min: 1, max: 9 });

function subscription(name: string, parts: number): StateChange {
  const record = { name, topic: "*", from: "start", paused: false, createdAt: 1, parts };
  return { op: "subscription.put", record: { ...record, settings: defaultSettings } };
}

const anyChange: fc.Arbitrary<StateChange> = fc.oneof(
  fc.record({
    subscription: name,
    topic,
    next: seq,
    parts: fc.constantFrom(EVERY_PART, maskOf([0]), maskOf([1, 2]), maskOf([3]), maskOf([0, 1, 2])),
  }).map((record): StateChange => ({ op: "cursor.put", record })),
  fc.tuple(name, topic, seq).map(([subscription, topic, seq]): StateChange => ({
    op: "retry.put",
    record: {
      ...{ subscription, topic, id: `id${seq}`, seq, type: "x", dueAt: 1, waitMs: 1 },
      ...{ nextAttempt: 2, failures: 1, attempts: [], line: new Uint8Array() },
      part: seq % 4,
    },
  })),
);

Deno.test("PostgresState knows the same progress as memory, whoever wrote which rows", () =>
  assertSeeded(
    fc.asyncProperty(
      fc.array(anyChange, { maxLength: 12 }),
      fc.constantFrom(1, 4),
      seq,
      async (changes, parts, from) => {
        const url = await emptyDatabase();
        const state = await PostgresState.open(url);
        const memory = new MemoryState();
        try {
          for (const one of [state, memory]) {
            await one.commit([subscription("s", parts), subscription("r", 1)]);
            for (const change of changes) await one.commit([change]);
          }
          for (const topic of ["t", "u"]) {
            const request = { topic, from, subscriptions: ["s", "r", "gone"] };
            const byName = (one: { subscription: string }, other: { subscription: string }) =>
              one.subscription < other.subscription ? -1 : 1;
            assert.deepEqual(
              (await state.shared.progress(request)).sort(byName),
              progressIn(memory.load(), request).sort(byName),
            );
          }
        } finally {
          await state.close();
          await giveBack(url);
        }
      },
    ),
    { numRuns: dose(20), file: "tests/system/postgres/progress_test.ts" },
  ));
