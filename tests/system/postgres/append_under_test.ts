/**
 * Appends to PostgreSQL of events that were checked by a topic and by schemas of which somebody else
 * changes some before they are stored.
 */
import assert from "node:assert/strict";
import { EventRefusedError } from "../../../core/base/errors.ts";
import { defaultTopicOptions } from "../../../core/event/topic_options.ts";
import { openPostgres } from "../../../core/postgres/connection.ts";
import { PostgresState } from "../../../core/state/postgres/postgres_state.ts";
import type { StateChange } from "../../../core/state/state.ts";
import { PostgresEventStore } from "../../../core/store/postgres/postgres_event_store.ts";
import type { AppendRequest, CheckedUnder, Recheck } from "../../../core/store/store.ts";
import { newEvent, stored } from "../../../testing/new_event.ts";
import { dose } from "../../helpers/dose.ts";
import { emptyDatabase, endServer, giveBack } from "./states.ts";

Deno.test.afterAll(endServer);

async function opened() {
  const url = await emptyDatabase();
  const state = await PostgresState.open(url);
  const store = await PostgresEventStore.open(url);
  return {
    url,
    state,
    store,
    async [Symbol.asyncDispose]() {
      await store.close();
      await state.close();
      await giveBack(url);
    },
  };
}

const topicPut = (rev: number, name = "t"): StateChange => ({
  op: "topic.put",
  record: { name, options: defaultTopicOptions, createdAt: 1, rev },
});
const schemas = (before: number, rev: number): StateChange => (
  { op: "schema.remove", type: "x", version: "1", revs: { before, rev } }
);
const request = (under?: CheckedUnder, topic = "t"): AppendRequest => (
  { topic, events: [newEvent()], ...(under ? { under } : {}) }
);

/** Counts what is checked again, and lets it through as of these revs. */
function rechecker(now: CheckedUnder): Recheck & { calls: AppendRequest[][] } {
  const calls: AppendRequest[][] = [];
  const recheck: Recheck = (requests) => {
    calls.push([...requests]);
    for (const one of requests) if (one.under) one.under = now;
    return Promise.resolve(requests.map(() => undefined));
  };
  return Object.assign(recheck, { calls });
}

Deno.test("append stores what was checked by what is so, and checks nothing again", async () => {
  await using test = await opened();
  await test.state.commit([topicPut(7), schemas(0, 8)]);
  const recheck = rechecker({ topic: 7 });
  const requests = [request({ topic: 7, schemas: 8 }), request({ topic: 7 }), request()];
  const outcomes = await test.store.append(requests, { recheck });
  assert.deepEqual(outcomes.map((outcome) => stored(outcome).firstSeq), [1, 2, 3]);
  assert.equal(recheck.calls.length, 0);
});

Deno.test("append has events checked again by whose check somebody else has changed something", async () => {
  await using test = await opened();
  await test.state.commit([topicPut(7), topicPut(5, "u"), schemas(0, 8)]);
  const now = { topic: 7, schemas: 8 };
  const stale: CheckedUnder[] = [
    { topic: 6, schemas: 8 },
    { topic: 7, schemas: 9 },
    { topic: -1, schemas: 8 },
  ];
  for (const [i, under] of stale.entries()) {
    const recheck = rechecker(now);
    const before = test.store.head("t").lastSeq;
    const [outcome] = await test.store.append([request(under)], { recheck });
    assert.equal(recheck.calls.length, 1, JSON.stringify(under));
    assert.equal(stored(outcome).lastSeq, before + 1, `${i}: stored once`);
  }
  const recheck = rechecker(now);
  await test.store.append([request(now), request({ topic: 7, schemas: 1 })], { recheck });
  assert.equal(recheck.calls[0]!.length, 2, "together, as one answers for both");
});

Deno.test("append refuses what is refused when it is checked again, and stores the others", async () => {
  await using test = await opened();
  await test.state.commit([topicPut(7), schemas(0, 8)]);
  const error = new EventRefusedError("event/schema-violation", "no");
  const ok = { topic: 7, schemas: 8 };
  const recheck: Recheck = (requests) => {
    for (const one of requests) one.under = ok;
    return Promise.resolve(requests.map((_, i) => i === 1 ? error : undefined));
  };
  const requests = [request(ok), request({ topic: 7, schemas: 1 }), request(ok)];
  const outcomes = await test.store.append(requests, { recheck });
  assert.deepEqual(outcomes.map((outcome) => outcome.ok), [true, false, true]);
  assert.equal(!outcomes[1]!.ok && outcomes[1]!.refused, error);
  assert.equal(test.store.head("t").lastSeq, 2);
  const all: Recheck = (requests) => Promise.resolve(requests.map(() => error));
  const [none] = await test.store.append([request({ topic: 1 })], { recheck: all });
  assert.equal(none!.ok, false);
});

Deno.test("append compares behind the lock on the topic's row: what it waited for counts", async () => {
  await using test = await opened();
  await test.state.commit([topicPut(7)]);
  await test.store.append([request({ topic: 7 })]);
  const postgres = await openPostgres(test.url);
  try {
    const recheck = rechecker({ topic: 8 });
    let appended: Promise<unknown> | undefined;
    await postgres.transaction("state", async (query) => {
      await query("SELECT 1 FROM evs.topics WHERE name = 't' FOR UPDATE");
      appended = test.store.append([request({ topic: 7 })], { recheck });
      const waiting = "SELECT count(*)::int AS n FROM pg_locks WHERE NOT granted";
      while ((await query(waiting))[0]!["n"] === 0) { /* until it waits for the lock */ }
      await test.state.commit([topicPut(8)]);
    });
    await appended;
    assert.equal(recheck.calls.length, 1);
  } finally {
    await postgres.close();
  }
});

Deno.test("append gives up when what it checks by changes each time, and goes on afterwards", async () => {
  await using test = await opened();
  await test.state.commit([topicPut(7)]);
  let calls = 0;
  const never: Recheck = (requests) => {
    calls++;
    return Promise.resolve(requests.map(() => undefined));
  };
  await assert.rejects(test.store.append([request({ topic: 1 })], { recheck: never }), {
    code: "store/unavailable",
  });
  assert.equal(calls, 5);
  const [outcome] = await test.store.append([request({ topic: 7 })]);
  assert.equal(stored(outcome).lastSeq, 1);
});

Deno.test("no event is stored that was checked by schemas whose change was answered before", async () => {
  await using test = await opened();
  await test.state.commit([topicPut(1)]);
  let rev = 0;
  for (let round = 0; round < dose(100, 1000); round++) {
    await test.state.commit([schemas(rev, rev + 1)]);
    // Sent after the answer, by what held before.
    const recheck = rechecker({ topic: 1, schemas: ++rev });
    const [outcome] = await test.store.append([request({ topic: 1, schemas: rev - 1 })], {
      recheck,
    });
    assert.equal(recheck.calls.length, 1);
    assert.ok(outcome!.ok);
  }
});
