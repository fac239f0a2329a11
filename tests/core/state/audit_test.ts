/** The audit log in both states: what is found in it, and how much of it is kept. */
import assert from "node:assert/strict";
import type { AuditAct } from "../../../core/event/audit.ts";
import {
  AUDIT_AGE,
  AUDIT_LEAST,
  AUDIT_MOST,
  audited,
  auditedSubscription,
} from "../../../core/state/audited.ts";
import { MemoryState } from "../../../core/state/memory.ts";
import { SqliteState } from "../../../core/state/sqlite.ts";
import type { State } from "../../../core/state/state.ts";
import { testFolder } from "../../helpers/folder.ts";

const NOW = 1_700_000_000_000;

function put(act: AuditAct, about: { topic?: string; subscription?: string; at?: number } = {}) {
  const { at = NOW, ...facts } = about;
  return audited({ way: "cli", by: { user: "anna" }, at }, { act, ...facts });
}

async function withStates(test: (state: State) => Promise<void>): Promise<void> {
  await test(new MemoryState());
  const folder = await testFolder("test");
  const state = new SqliteState(`${folder}/state.db`);
  try {
    await test(state);
  } finally {
    await state.close();
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("State.audit finds acts by what, on what and when, the newest first, by pages", async () => {
  await withStates(async (state) => {
    assert.deepEqual(state.audit({ limit: 10 }), []);
    await state.commit(put("topic.create", { topic: "t", at: NOW - 5000 }));
    await state.commit([
      ...put("subscription.create", { topic: "t", subscription: "s", at: NOW - 3000 }),
      ...put("subscription.pause", { topic: "t", subscription: "s" }),
      ...put("subscription.pause", { topic: "u", subscription: "r" }),
    ]);
    const found = (query: Parameters<State["audit"]>[0]) =>
      state.audit(query).map(({ number }) => number);
    assert.deepEqual(found({ limit: 10 }), [4, 3, 2, 1]);
    assert.deepEqual(found({ limit: 2 }), [4, 3]);
    assert.deepEqual(found({ limit: 2, before: 3 }), [2, 1]);
    assert.deepEqual(found({ limit: 10, act: "subscription.pause" }), [4, 3]);
    assert.deepEqual(found({ limit: 10, topic: "t", since: NOW - 4000 }), [3, 2]);
    assert.deepEqual(found({ limit: 10, subscription: "r" }), [4]);
    assert.deepEqual(state.audit({ limit: 1 }), [{
      number: 4,
      at: NOW,
      act: "subscription.pause",
      way: "cli",
      by: { user: "anna" },
      topic: "u",
      subscription: "r",
    }]);
  });
});

Deno.test("nothing is recorded without an origin, nor of a subscription that has no name of its own", () => {
  assert.deepEqual(audited(undefined, { act: "topic.create" }), []);
  const act = { way: "library" as const, at: NOW };
  const of = (name: string) =>
    auditedSubscription("subscription.create", { name, topic: "t" }, { act });
  assert.deepEqual([of("unnamed-7").length, of("mailer").length], [0, 1]);
});

Deno.test("State keeps the last ten thousand acts, of old ones the last thousand", async () => {
  await withStates(async (state) => {
    const old = NOW - AUDIT_AGE - 1;
    const many = Array.from({ length: AUDIT_MOST + 5 }, () => put("topic.create", { at: old }));
    for (let i = 0; i < many.length; i += 1000) {
      await state.commit(many.slice(i, i + 1000).flat());
    }
    const all = () => state.audit({ limit: 2 * AUDIT_MOST });
    assert.deepEqual([all().length, all().at(-1)!.number], [AUDIT_MOST, 6]);
    await state.commit(put("topic.remove"));
    assert.equal(all().length, AUDIT_LEAST);
    assert.equal(all()[0]!.act, "topic.remove");
    // A clock that is a century ahead deletes no more than that.
    await state.commit(put("topic.remove", { at: NOW + 40 * AUDIT_AGE }));
    assert.equal(all().length, AUDIT_LEAST);
  });
});
