/**
 * Looks up ids and keys in a PostgreSQL whose plans were made when its tables were empty, and which
 * nobody has analyzed since: by their own indexes, not by reading all events of the topic.
 */
import assert from "node:assert/strict";
import { PostgresEventStore } from "../../../core/store/postgres/postgres_event_store.ts";
import type { NewEvent } from "../../../core/event/event.ts";
import { newEvent } from "../../../testing/new_event.ts";
import { startPostgres } from "../../helpers/postgres.ts";

const EVENTS = 3000;
const LOOKUPS = 50;

/** How many scans the indexes of events have had, and how many entries the primary key's have read. */
const USED = `SELECT sum(idx_scan), sum(idx_tup_read) FILTER (WHERE indexrelname = 'events_pkey')
  FROM pg_stat_user_indexes WHERE relname = 'events'`;

Deno.test("PostgresEventStore looks up ids and keys by their indexes when plans are older than events", async () => {
  const settings = { fsync: "off", autovacuum: "off" };
  await using server = await startPostgres({ settings });
  const store = await PostgresEventStore.open(await server.database({ name: "events" }));
  const events = (count: number, of: (n: number) => Partial<NewEvent>) =>
    Array.from({ length: count }, (_, n) => ({ ...newEvent(), ...of(n) }));
  let made = 0;
  const lookUp = async () => {
    for (let n = 0; n < LOOKUPS; n++) {
      const id = `given-${++made}`;
      const own = { id, idGiven: true, key: `k${made}` };
      await store.append([{ topic: "t", events: events(1, () => own), expected: "none" }]);
      assert.equal((await store.find("t", id))?.id, id);
      assert.ok(await store.lastSeqOfKey("t", own.key) > 0);
    }
  };
  await lookUp();
  await store.append([{ topic: "t", events: events(EVENTS, () => ({})) }]);
  await lookUp();
  await store.close();
  // A session that has ended has told all.
  for (;;) {
    const [scans, read] = (await server.sql(USED, "events")).trim().split("|").map(Number);
    if (scans! < 6 * LOOKUPS) continue;
    assert.ok(read! < EVENTS, `${read} entries of the primary key were read in ${scans} scans`);
    return;
  }
});
