/** The audit log of every state: what is found in it, and how much of it is kept. */
import assert from "node:assert/strict";
import type { AuditAct } from "../../../core/event/audit.ts";
import { AUDIT_AGE, AUDIT_LEAST, AUDIT_MOST, audited } from "../../../core/state/audited.ts";
import type { State } from "../../../core/state/state.ts";
import type { StateUnderTest } from "./conformance.ts";

const NOW = 1_700_000_000_000;

function put(act: AuditAct, about: { topic?: string; subscription?: string; at?: number } = {}) {
  const { at = NOW, ...facts } = about;
  return audited({ way: "cli", by: { user: "anna" }, at }, { act, ...facts });
}

/** Registers the suite for one kind of state. */
export function testAudit(name: string, open: () => Promise<StateUnderTest>): void {
  const test = (what: string, body: (state: State) => Promise<void>) =>
    Deno.test(`${name}${what}`, async () => {
      const under = await open();
      try {
        await body(under.state);
      } finally {
        await under.dispose();
      }
    });

  test(".audit finds acts by what, on what and when, the newest first, by pages", async (state) => {
    assert.deepEqual(await state.audit({ limit: 10 }), []);
    await state.commit(put("topic.create", { topic: "t", at: NOW - 5000 }));
    await state.commit([
      ...put("subscription.create", { topic: "t", subscription: "s", at: NOW - 3000 }),
      ...put("subscription.pause", { topic: "t", subscription: "s" }),
      ...put("subscription.pause", { topic: "u", subscription: "r" }),
    ]);
    const found = async (query: Parameters<State["audit"]>[0]) =>
      (await state.audit(query)).map(({ number }) => number);
    assert.deepEqual(await found({ limit: 10 }), [4, 3, 2, 1]);
    assert.deepEqual(await found({ limit: 2 }), [4, 3]);
    assert.deepEqual(await found({ limit: 2, before: 3 }), [2, 1]);
    assert.deepEqual(await found({ limit: 10, act: "subscription.pause" }), [4, 3]);
    assert.deepEqual(await found({ limit: 10, topic: "t", since: NOW - 4000 }), [3, 2]);
    assert.deepEqual(await found({ limit: 10, subscription: "r" }), [4]);
    assert.deepEqual(await state.audit({ limit: 1 }), [{
      number: 4,
      at: NOW,
      act: "subscription.pause",
      way: "cli",
      by: { user: "anna" },
      topic: "u",
      subscription: "r",
    }]);
  });

  test(" keeps the last ten thousand acts, of old ones the last thousand", async (state) => {
    const old = NOW - AUDIT_AGE - 1;
    const many = Array.from({ length: AUDIT_MOST + 5 }, () => put("topic.create", { at: old }));
    for (let i = 0; i < many.length; i += 1000) {
      await state.commit(many.slice(i, i + 1000).flat());
    }
    const all = () => state.audit({ limit: 2 * AUDIT_MOST });
    const there = await all();
    assert.deepEqual([there.length, there.at(-1)!.number], [AUDIT_MOST, 6]);
    await state.commit(put("topic.remove"));
    assert.equal((await all()).length, AUDIT_LEAST);
    assert.equal((await all())[0]!.act, "topic.remove");
    // A clock that is a century ahead deletes no more than that.
    await state.commit(put("topic.remove", { at: NOW + 40 * AUDIT_AGE }));
    assert.equal((await all()).length, AUDIT_LEAST);
  });
}
