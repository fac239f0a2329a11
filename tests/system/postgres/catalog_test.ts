/**
 * Changes of the catalog by several nodes on one PostgreSQL: what was decided from a record that
 * somebody else has changed is not kept, and a topic goes together with its events.
 */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { defaultSettings } from "../../../core/delivery/settings.ts";
import { defaultTopicOptions } from "../../../core/event/topic_options.ts";
import { PostgresState } from "../../../core/state/postgres/postgres_state.ts";
import { type BeforeRev, newRev, StaleError } from "../../../core/state/stale.ts";
import type { State, StateChange } from "../../../core/state/state.ts";
import { PostgresEventStore } from "../../../core/store/postgres/postgres_event_store.ts";
import { newEvent, stored } from "../../../testing/new_event.ts";
import { dose } from "../../helpers/dose.ts";
import { assertSeeded } from "../../helpers/seed.ts";
import { SharedMemory } from "../../helpers/shared_catalog_state.ts";
import { emptyDatabase, endServer, giveBack, theServer } from "./states.ts";

const FILE = "tests/system/postgres/catalog_test.ts";

Deno.test.afterAll(endServer);

/** Nodes on one database that is emptied afterwards. */
async function nodes(count = 2) {
  const url = await emptyDatabase();
  const states = await Promise.all(Array.from({ length: count }, () => PostgresState.open(url)));
  return {
    url,
    states,
    here: states[0]!,
    there: states[1]!,
    async [Symbol.asyncDispose]() {
      for (const state of states) await state.close();
      await giveBack(url);
    },
  };
}

function topicPut(rev: number, before?: BeforeRev, name = "t"): StateChange {
  const record = { name, options: defaultTopicOptions, createdAt: 1, rev };
  return { op: "topic.put", record, ...(before === undefined ? {} : { before }) };
}

function subscriptionPut(rev: number, before?: BeforeRev): StateChange {
  const named = { name: "s", topic: "t", from: "start", paused: false, createdAt: 1 };
  const record = { ...named, settings: defaultSettings, rev };
  return { op: "subscription.put", record, ...(before === undefined ? {} : { before }) };
}

const databaseOf = (url: string) => new URL(url).pathname.slice(1);

/** True if it was kept. */
const isKept = (state: State, ...changes: StateChange[]) =>
  state.commit(changes).then(() => true, (error) => {
    assert.ok(error instanceof StaleError, String(error));
    return false;
  });

const REVS = [1, 2, 3];
const rev = fc.constantFrom(...REVS);
const before = fc.constantFrom<BeforeRev | undefined>(...REVS, "none", undefined);
const anyChange: fc.Arbitrary<StateChange> = fc.oneof(
  fc.tuple(rev, before, fc.constantFrom("t", "u")).map((args) => topicPut(...args)),
  fc.tuple(rev, before).map((args) => subscriptionPut(...args)),
  fc.tuple(before, fc.constantFrom("t", "u")).map(([before, name]): StateChange => (
    { op: "topic.remove", name, ...(before === undefined ? {} : { before }) }
  )),
  before.map((before): StateChange => (
    { op: "subscription.remove", name: "s", ...(before === undefined ? {} : { before }) }
  )),
  fc.tuple(fc.constantFrom(0, ...REVS), rev).map(([before, rev]): StateChange => (
    { op: "schema.remove", type: "x", version: "1", revs: { before, rev } }
  )),
);

Deno.test("PostgresState keeps the changes of a catalog that are of what is there, and no others", () =>
  assertSeeded(
    fc.asyncProperty(
      fc.array(fc.array(anyChange, { minLength: 1, maxLength: 4 }), { maxLength: 12 }),
      async (commits) => {
        await using test = await nodes();
        const model = new SharedMemory();
        model.turns = () => 0;
        const state = model.node();
        for (const [i, changes] of commits.entries()) {
          const kept = await isKept(test.states[i % 2]!, ...changes);
          assert.equal(kept, await isKept(state, ...changes), JSON.stringify(changes));
        }
        await test.here.refresh();
        const { topics, subscriptions } = test.here.load();
        const byName = (one: { name: string }, other: { name: string }) =>
          one.name < other.name ? -1 : 1;
        assert.deepEqual(topics.sort(byName), model.catalog().topics.sort(byName));
        assert.deepEqual(subscriptions, model.catalog().subscriptions);
      },
    ),
    { numRuns: dose(25), file: FILE },
  ));

Deno.test("of changes of one record at the same moment, one is kept", async () => {
  await using test = await nodes(4);
  for (let round = 0; round < 5; round++) {
    let before: BeforeRev = "none";
    for (const _ of [1, 2, 3]) {
      const revs = test.states.map(newRev);
      const kept = await Promise.all(
        test.states.map((state, i) => isKept(state, topicPut(revs[i]!, before, `t${round}`))),
      );
      assert.equal(kept.filter((one) => one).length, 1);
      before = revs[kept.indexOf(true)]!;
    }
  }
});

Deno.test("a stale change takes no other commit with it that shares its transaction", async () => {
  await using test = await nodes();
  await test.there.commit([topicPut(1, "none")]);
  const kept = await Promise.all([
    isKept(test.here, topicPut(2, 9)),
    isKept(test.here, subscriptionPut(1, "none"), { op: "generation.next" }),
    isKept(test.here, subscriptionPut(2, 1)),
  ]);
  assert.deepEqual(kept, [false, true, true]);
});

Deno.test("a topic goes with all events that were acknowledged before, and with no later one", async () => {
  for (let round = 0; round < dose(5); round++) {
    await using test = await nodes();
    const store = await PostgresEventStore.open(test.url);
    try {
      await test.here.commit([topicPut(1, "none")]);
      const acked: number[] = [];
      let isRemoved = false;
      const publishing = (async () => {
        for (let after = 0; after < 3;) {
          const isLate = isRemoved;
          const [outcome] = await store.append([{ topic: "t", events: [newEvent()] }]);
          acked.push(stored(outcome).lastSeq);
          if (isLate) after++;
        }
      })();
      while (acked.length < 3) await new Promise((go) => setTimeout(go, 0));
      await test.here.commit([{ op: "topic.remove", name: "t", before: 1, events: true }]);
      isRemoved = true;
      await publishing;
      await store.refresh(["t"]);
      const { firstSeq, lastSeq } = store.head("t");
      assert.deepEqual(acked, Array.from({ length: lastSeq }, (_, i) => i + 1), "all are counted");
      assert.ok(firstSeq > 3 && firstSeq <= lastSeq - 2, `${firstSeq} of ${lastSeq}`);
      const { events } = await store.readPage("t", { from: 1, to: lastSeq, limit: 1000 });
      assert.deepEqual(events.map(({ seq }) => seq), acked.slice(firstSeq - 1));
      const rows = async () =>
        Number(
          await (await theServer()).sql("SELECT min(seq) FROM evs.events", databaseOf(test.url)),
        );
      assert.equal(await rows(), 1, "the rows are left to the store");
      await store.removedElsewhere("t");
      while (await rows() < firstSeq) await new Promise((go) => setTimeout(go, 5));
    } finally {
      await store.close();
    }
  }
});
