/**
 * Events by parts, on a PostgreSQL that is really there: each event is in the pages of one part, and
 * that is the part that everybody computes.
 */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { assertSeeded } from "../../helpers/seed.ts";
import { allParts, eventSlot, isInParts, MOST_PARTS } from "../../../core/event/part.ts";
import type { NewEvent, StoredEvent } from "../../../core/event/event.ts";
import type { PageQuery } from "../../../core/store/store.ts";
import { PostgresEventStore } from "../../../core/store/postgres/postgres_event_store.ts";
import { newEvent } from "../../../testing/new_event.ts";
import { startPostgres } from "../../helpers/postgres.ts";

const FILE = "tests/system/postgres/parts_test.ts";
const EVENTS = 1500;
const TYPES = ["a", "b", "c"];

/** Some without a key, in runs that share a slot and across their ends; some with one of many. */
function events(): NewEvent[] {
  return Array.from({ length: EVENTS }, (_, n) =>
    newEvent({
      type: TYPES[n % TYPES.length]!,
      ...(n % 5 < 2 ? {} : { key: `order-${n % 97}` }),
    }));
}

/** Reads on from page to page until the end of the query. */
async function readAll(store: PostgresEventStore, query: PageQuery): Promise<StoredEvent[]> {
  const all: StoredEvent[] = [];
  for (let from = query.from; from <= query.to;) {
    const { events, next } = await store.readPage("t", { ...query, from });
    assert.ok(next > from, "it goes on");
    all.push(...events);
    from = next;
  }
  return all;
}

Deno.test("PostgresEventStore reads the events of parts", async (t) => {
  await using server = await startPostgres({ settings: { fsync: "off" } });
  const store = await PostgresEventStore.open(server.url);
  // In several appends, of which one has a single key for all of its events.
  const all = events();
  for (let at = 0; at < EVENTS; at += 400) {
    await store.append([{ topic: "t", events: all.slice(at, at + 400) }]);
  }
  await store.append([{
    topic: "t",
    events: [newEvent({ key: "one" }), newEvent({ key: "one" })],
  }]);
  const whole = { from: 1, to: EVENTS + 2, limit: 1000 };
  const stored = await readAll(store, whole);
  assert.equal(stored.length, EVENTS + 2);

  await t.step("of which each has the slot that eventSlot says", async () => {
    const rows = await server.sql("SELECT seq, slot FROM evs.events ORDER BY seq");
    const slots = stored.map((event) => `${event.seq}|${eventSlot(event)}`);
    assert.deepEqual(rows.trim().split("\n"), slots);
  });

  await t.step("that readPage is asked for, and no others, in order", () =>
    assertSeeded(
      fc.asyncProperty(
        fc.integer({ min: 1, max: MOST_PARTS }).chain((count) =>
          fc.record({ count: fc.constant(count), mask: fc.nat(allParts(count)) })
        ),
        fc.integer({ min: 1, max: EVENTS }),
        fc.integer({ min: 100, max: 1000 }),
        fc.option(fc.subarray(TYPES, { minLength: 1 }), { nil: undefined }),
        async (parts, from, limit, types) => {
          const query = { from, to: EVENTS + 2, limit, parts, ...(types ? { types } : {}) };
          const seqs = (await readAll(store, query)).map(({ seq }) => seq);
          const expected = stored.filter((event) =>
            event.seq >= from && isInParts(event, parts) && (types?.includes(event.type) ?? true)
          );
          assert.deepEqual(seqs, expected.map(({ seq }) => seq));
        },
      ),
      { numRuns: 20, file: FILE },
    ));

  await t.step("without taking those of other parts for missing", async () => {
    const parts = { count: 16, mask: 1 };
    const { events, next } = await store.readPage("t", { ...whole, parts });
    assert.ok(events.length < 1000 && next === 1001, "the page ends where any page would");
    assert.deepEqual(store.damage(), []);
  });
  await store.close();
});
