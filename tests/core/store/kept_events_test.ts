/**
 * What a store tells of its events for a backup that goes elsewhere, and a copy that is made of it:
 * numbers, ids, the time that each was stored, and what is lost.
 */
import assert from "node:assert/strict";
import { FileEventStore } from "../../../core/store/file/file_event_store.ts";
import { keptInFiles } from "../../../core/store/file/kept_events.ts";
import type { KeptEvents } from "../../../core/store/kept_events.ts";
import { EventCopy } from "../../../core/store/sqlite/event_copy.ts";
import { openKeptDatabase } from "../../../core/store/sqlite/kept_events.ts";
import { SqliteEventStore } from "../../../core/store/sqlite/sqlite_event_store.ts";
import { verifyEventDatabase } from "../../../core/store/sqlite/verify.ts";
import type { JournalStore } from "../../../core/store/store.ts";
import { newEvent, stored } from "../../../testing/new_event.ts";
import { FakeClock } from "../../helpers/fake_clock.ts";
import { testFolder } from "../../helpers/folder.ts";

const HOUR = 3_600_000;

interface Place {
  store: JournalStore;
  /** What it has, once it is closed; read with this clock. */
  kept(): Promise<KeptEvents>;
  knowsDeletedIds: boolean;
}

const STORES: Record<string, (folder: string, clock: FakeClock) => Place> = {
  sqlite(folder, clock) {
    const path = `${folder}/events.db`;
    const store = new SqliteEventStore(path, { clock });
    const kept = async () => {
      await store.close();
      return openKeptDatabase(path, clock);
    };
    return { store, kept, knowsDeletedIds: true };
  },
  file(folder, clock) {
    const store = new FileEventStore(`${folder}/events`, { clock });
    return {
      store,
      kept: () => Promise.resolve(keptInFiles(store.kept())),
      knowsDeletedIds: false,
    };
  },
};

for (const [name, open] of Object.entries(STORES)) {
  Deno.test(`${name} tells of each event when it was stored, and whose id was given`, async () => {
    const folder = await testFolder("test");
    const clock = new FakeClock();
    const { store, kept: close, knowsDeletedIds } = open(folder, clock);
    const began = clock.now();
    const put = (id?: string) =>
      store.append([{
        topic: "t",
        events: [newEvent({ key: "k", ...id === undefined ? {} : { id, idGiven: true } })],
      }]);
    await put("a");
    await put("b");
    await clock.pass(HOUR);
    await put();
    await clock.pass(HOUR);
    await put("c");
    await store.truncate("t", 2);
    await store.append([{ topic: "gone", events: [newEvent(), newEvent()] }]);
    await store.removeTopic("gone");

    const kept = await close();
    const topics = kept.topics().sort((a, b) => a.name < b.name ? -1 : 1);
    assert.deepEqual(topics, [
      { name: "gone", firstSeq: 3, lastSeq: 2 },
      { name: "t", firstSeq: 2, lastSeq: 4 },
    ]);
    const all = [...kept.pages("t")].flat();
    assert.deepEqual(
      all.map(({ event, given }) => [event.seq, event.keySeq, given]),
      [[2, 2, true], [3, 3, false], [4, 4, true]],
    );
    // At most a second later than it was.
    const late = all.map(({ storedAt }, n) => storedAt - began - n * HOUR);
    assert.ok(late.every((ms) => ms >= 0 && ms < 1000), late.join());
    assert.deepEqual([...kept.pages("gone")], []);
    const ids = [...kept.ids("t")].map(({ id, seq }) => [id, seq]);
    assert.deepEqual(ids, knowsDeletedIds ? [["a", 1]] : []);
    assert.equal(kept.lastOfKey("t", "k"), 4);
    await kept.close();
    if (name === "file") await store.close();
    await Deno.remove(folder, { recursive: true });
  });

  Deno.test(`${name} tells the last number of a key whose event was redacted`, async () => {
    const folder = await testFolder("test");
    const { store, kept: close } = open(folder, new FakeClock());
    const events = [1, 2, 3].map((n) => newEvent({ id: `e-${n}`, key: "k" }));
    await store.append([{ topic: "t", events }]);
    await store.redact!("t", { seq: 3, id: "e-3", key: "digest", metadata: "{}" });
    const kept = await close();
    assert.ok(kept.countsApart("t"));
    assert.equal(kept.lastOfKey("t", "k"), 3);
    await kept.close();
    if (name === "file") await store.close();
    await Deno.remove(folder, { recursive: true });
  });
}

Deno.test("EventCopy makes a whole database of what another store has, and knows what is lost", async () => {
  const folder = await testFolder("test");
  const clock = new FakeClock();
  const store = new SqliteEventStore(`${folder}/from.db`, { clock });
  const events = Array.from(
    { length: 5000 },
    (_, n) =>
      newEvent({ key: `k-${n % 7}`, ...n % 3 === 0 ? { id: `id-${n}`, idGiven: true } : {} }),
  );
  for (let at = 0; at < events.length; at += 1000) {
    await store.append([{ topic: "t", events: events.slice(at, at + 1000) }]);
    await clock.pass(HOUR);
  }
  await store.truncate("t", 1500);
  await store.close();
  const from = openKeptDatabase(`${folder}/from.db`, clock);
  const [topic] = from.topics();
  const all = [...from.pages("t")].flat();
  const lost = (seq: number) => seq >= 2000 && seq < 4200;
  const copy = new EventCopy(`${folder}/to.db`, clock);
  copy.begin(topic!);
  copy.addIds([...from.ids("t")]);
  for (let at = 0; at < all.length; at += 900) {
    copy.add(all.slice(at, at + 900).filter(({ event }) => !lost(event.seq)));
  }
  copy.end();
  copy.close();
  from.close();

  const verdict = verifyEventDatabase(`${folder}/to.db`);
  assert.deepEqual([verdict.faults, verdict.found.filter(({ lost }) => !lost)], [[], []]);
  const { firstSeq, lastSeq, intact } = verdict.topics[0]!;
  assert.deepEqual([firstSeq, lastSeq, intact], [1500, 5000, 3501 - 2200]);
  assert.deepEqual(verdict.known.map((one) => [one.firstSeq, one.lastSeq, one.lost]), [[
    2000,
    4199,
    true,
  ]]);
  const there = openKeptDatabase(`${folder}/to.db`, clock);
  const rest = [...there.pages("t")].flat();
  const plain = (kept: typeof all) =>
    kept.map(({ event: { line: _, ...event }, given }) => ({ event, given }));
  const expected = all.filter(({ event }) => !lost(event.seq));
  assert.deepEqual(plain(rest), plain(expected));
  // Never earlier than it was, and not much later: what is known is when a second began.
  const later = rest.map(({ storedAt }, n) => storedAt - expected[n]!.storedAt);
  assert.ok(later.every((ms) => ms >= 0 && ms < 1000), later.join());
  there.close();
  // Whoever opens it goes on behind the last one, and knows the ids of those that are gone.
  const next = new SqliteEventStore(`${folder}/to.db`, { clock });
  const [again, other] = await next.append(["id-0", "id-4998"].map((id) => ({
    topic: "t",
    events: [newEvent({ id, idGiven: true })],
  })));
  const known = [again, other].map((outcome) => stored(outcome).duplicates[0]?.seq);
  assert.deepEqual(known, [1, 4999]);
  const [appended] = await next.append([{ topic: "t", events: [newEvent({ key: "k-1" })] }]);
  const { firstSeq: after, keySeqs } = stored(appended);
  assert.deepEqual([after, keySeqs], [5001, [716]]);
  await next.close();
  await Deno.remove(folder, { recursive: true });
});
