/**
 * Appends of any shape to PostgreSQL: they get the outcomes that the store in memory gives, every row
 * is as its checksum says, and the sums of topics and blocks are those of their events. Of several
 * topics, too, numbers are given once.
 */
import assert from "node:assert/strict";
import { systemClock } from "../../../core/base/clock.ts";
import type { NewEvent } from "../../../core/event/event.ts";
import { MemoryEventStore } from "../../../core/store/memory.ts";
import { PostgresEventStore } from "../../../core/store/postgres/postgres_event_store.ts";
import type { AppendRequest, Expected } from "../../../core/store/store.ts";
import { newEvent, stored } from "../../../testing/new_event.ts";
import fc from "../../packages/fast_check.ts";
import { dose } from "../../helpers/dose.ts";
import { type PostgresServer, startPostgres } from "../../helpers/postgres.ts";
import { assertSeeded } from "../../helpers/seed.ts";

const FILE = "tests/system/postgres/append_model_test.ts";
const NOW = 1_700_000_000_000;
const TOPICS = ["a", "b"];

/** How the events of a request differ from each other; false: all have the same. */
interface Shape {
  topic: string;
  count: number;
  keys: number;
  ids: number;
  types: boolean;
  times: boolean;
  metadata: boolean;
  expires: boolean;
  expected: Expected;
}

const shape: fc.Arbitrary<Shape> = fc.record({
  topic: fc.constantFrom(...TOPICS),
  count: fc.oneof(fc.integer({ min: 0, max: 6 }), fc.constantFrom(100, 2500)),
  keys: fc.constantFrom(0, 1, 3),
  ids: fc.constantFrom(0, 0, 4, 1000),
  types: fc.boolean(),
  times: fc.boolean(),
  metadata: fc.boolean(),
  expires: fc.boolean(),
  expected: fc.constantFrom<Expected>("any", "any", "any", "exists", "none"),
});

/** Given ids repeat within a request, and from one to the next. */
function eventsOf({ count, keys, ids, types, times, metadata, expires }: Shape): NewEvent[] {
  return Array.from({ length: count }, (_, n) =>
    newEvent({
      ...(keys > 0 && n % 4 < keys ? { key: `k${n % keys}` } : {}),
      ...(ids > 0 && n % 3 > 0 ? { id: `id-${n % ids}` } : {}),
      type: types ? `t${n % 3}` : "t",
      timestamp: times ? NOW + n * 7 % 5 : NOW,
      metadata: metadata ? JSON.stringify({ n: "ä".repeat(n % 3) }) : "{}",
      ...(expires && n % 2 === 0 ? { expiresAt: NOW + 2 ** 40 + n } : {}),
      payload: JSON.stringify("€".repeat(n % 4)),
    }));
}

/** Topics and blocks whose sums are not those of their events, as text. */
const WRONG_SUMS = `WITH e AS (
    SELECT topic_id, seq, (seq - 1) / 4096 AS block, ts,
      octet_length(payload) + octet_length(metadata) AS size FROM evs.events
  )
  SELECT 'topic', t.name, t.last_seq::text, t.bytes::text FROM evs.heads AS t
  WHERE (t.last_seq, t.bytes) IS DISTINCT FROM (
    SELECT (count(*), coalesce(sum(size), 0)) FROM e WHERE e.topic_id = t.topic_id)
  UNION ALL (
    SELECT 'block', topic_id::text, block::text, max(ts) || ' ' || sum(size) FROM e GROUP BY 2, 3
    EXCEPT SELECT 'block', topic_id::text, block::text, max_ts || ' ' || bytes FROM evs.blocks)`;

async function assertSameAsInMemory(
  server: PostgresServer,
  appends: readonly (readonly Shape[])[],
): Promise<void> {
  const url = await server.database();
  const clock = { ...systemClock, now: () => NOW };
  const memory = new MemoryEventStore({ clock });
  const store = await PostgresEventStore.open({ url, clock });
  try {
    for (const shapes of appends) {
      const requests: AppendRequest[] = shapes.map((one) => ({
        topic: one.topic,
        expected: one.expected,
        events: eventsOf(one),
      }));
      assert.deepEqual(await store.append(requests), await memory.append(requests));
    }
    const name = new URL(url).pathname.slice(1);
    assert.equal((await server.sql(WRONG_SUMS, name)).trim(), "");
    for (const topic of TOPICS) {
      const query = { from: 1, to: 1e6, limit: 1e6 };
      const [here, there] = [await store.readPage(topic, query), memory.readPage(topic, query)];
      assert.deepEqual(here.events, there.events);
    }
    assert.deepEqual(store.damage(), []);
  } finally {
    await store.close();
  }
}

const PLAIN: Shape = {
  topic: "a",
  count: 100,
  keys: 0,
  ids: 0,
  types: false,
  times: false,
  metadata: false,
  expires: false,
  expected: "any",
};
const VARIED: Shape = {
  ...PLAIN,
  keys: 3,
  types: true,
  times: true,
  metadata: true,
  expires: true,
};

Deno.test("append stores in PostgreSQL what it stores in memory when", async (t) => {
  await using server = await startPostgres({ settings: { fsync: "off" } });
  const step = (name: string, appends: Shape[][]) =>
    t.step(name, () => assertSameAsInMemory(server, appends));
  await step("one request is all of it", [[PLAIN], [VARIED], [{ ...PLAIN, count: 1 }]]);
  await step("it crosses a block", [[{ ...PLAIN, count: 4000 }], [VARIED], [{
    ...VARIED,
    keys: 1,
  }]]);
  await step("ids repeat", [[{ ...VARIED, ids: 60 }], [{ ...VARIED, ids: 80 }]]);
  await step("topics share it", [[PLAIN, { ...VARIED, topic: "b" }, VARIED]]);
  await step("something is expected", [[{ ...PLAIN, expected: "none" }], [
    { ...VARIED, expected: "exists" },
    { ...VARIED, expected: "none" },
  ]]);
  const appends = fc.array(fc.array(shape, { minLength: 1, maxLength: 3 }), { maxLength: 8 });
  await t.step("requests have any shape", () =>
    assertSeeded(
      fc.asyncProperty(appends, (given) => assertSameAsInMemory(server, given)),
      { file: FILE, numRuns: dose(5) },
    ));
});

Deno.test("append gives each number once when two stores append to several topics at once, some of them new", async () => {
  await using server = await startPostgres({ settings: { fsync: "off" } });
  const url = await server.database();
  const stores = [await PostgresEventStore.open(url), await PostgresEventStore.open(url)];
  const given = new Map<string, number[]>();
  const appends = async (store: PostgresEventStore, order: number) => {
    for (let n = 0; n < 200; n++) {
      // Whoever makes a topic waits for who makes it, too: not each time.
      const topics = n % 10 === 0 ? ["a", "b", `new-${n}`] : ["a", "b"];
      if (order === 1) topics.reverse();
      const requests = topics.map((topic) => ({ topic, events: [newEvent()] }));
      for (const [i, outcome] of (await store.append(requests)).entries()) {
        const topic = topics[i]!;
        given.set(topic, [...given.get(topic) ?? [], stored(outcome).firstSeq]);
      }
    }
  };
  await Promise.all(stores.map(appends));
  for (const store of stores) await store.close();
  assert.equal(given.size, 22);
  for (const [topic, seqs] of given) {
    const sorted = seqs.toSorted((a, b) => a - b);
    assert.deepEqual(sorted, Array.from(sorted, (_, i) => i + 1), topic);
  }
});
