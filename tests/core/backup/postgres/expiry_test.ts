/**
 * What is left to live of the events of a backup that goes into a database: as much as in a process
 * that starts on it, whatever steps the clock of the process made that wrote it.
 */
import assert from "node:assert/strict";
import { expirySkewOf, keptWithout, lineWithout } from "../../../../core/backup/postgres/expiry.ts";
import { EventBroker } from "../../../../core/broker/event_broker.ts";
import { expiryOfLine } from "../../../../core/delivery/wire_event.ts";
import { type StoredEvent, toWireLine } from "../../../../core/event/event.ts";
import { SqliteState } from "../../../../core/state/sqlite.ts";
import { StateTables } from "../../../../core/state/state_tables.ts";
import { MemoryEventStore } from "../../../../core/store/memory.ts";
import { FakeClock } from "../../../helpers/fake_clock.ts";
import { inFolder } from "../../../helpers/start.ts";

const [MINUTE, DAY] = [60_000, 24 * 60 * 60_000];

/** Each: what the wall clock does while a process runs, and from its end to the restoring. */
const LIVES: [string, jump: number, after: number][] = [
  ["made no step", 0, 5 * MINUTE],
  ["was set forward", DAY, 5 * MINUTE],
  ["was set back", -DAY, 5 * MINUTE],
  ["was set back after the end", 0, -DAY],
];

for (const [clock, jump, after] of LIVES) {
  Deno.test(`expirySkewOf tells what a process that starts on a backup finds, whose clock ${clock}`, () =>
    inFolder(async (folder) => {
      const path = `${folder}/state.db`;
      const eventStore = new MemoryEventStore();
      const first = new FakeClock();
      const broker = new EventBroker({ clock: first, eventStore, state: new SqliteState(path) });
      await broker.publish("t", "x", 1, { ttlMs: DAY });
      first.jump(jump);
      await first.pass(2 * MINUTE);
      await broker.publish("t", "x", 2, { ttlMs: DAY });
      await broker.close();

      const now = first.now() + after;
      const tables = new StateTables(path);
      const skew = expirySkewOf(tables, now);
      tables.close();
      const next = new EventBroker({
        clock: new FakeClock(now),
        eventStore: new MemoryEventStore(),
        state: new SqliteState(path),
      });
      assert.equal(next.expiry.now() - now, skew);
      await next.close();
    }));
}

Deno.test("expirySkewOf is 0 where no event was ever to expire", () =>
  inFolder((folder) => {
    const tables = new StateTables(`${folder}/state.db`);
    assert.equal(expirySkewOf(tables, Date.now()), 0);
    tables.close();
    return Promise.resolve();
  }));

const event: StoredEvent = {
  ...{ seq: 3, topic: "t", id: "i", type: "x", timestamp: 5, schemaVersion: "1.0" },
  ...{ key: "k", keySeq: 2, expiresAt: 1000, metadata: `{"a":1}` },
  payload: new TextEncoder().encode(`{"n":1.0}`),
};

Deno.test("keptWithout and lineWithout move the expiry, and nothing else", () => {
  const kept = { event: { ...event, line: toWireLine(event).subarray(0, -1) }, given: true };
  const moved = keptWithout(300, { ...kept, storedAt: 7 });
  assert.deepEqual(moved, { event: { ...event, expiresAt: 700 }, given: true, storedAt: 7 });
  const line = new Uint8Array(toWireLine(event));
  assert.equal(expiryOfLine(lineWithout(-300, line)), 1300);
  assert.deepEqual(lineWithout(-300, line), toWireLine({ ...event, expiresAt: 1300 }));
});

Deno.test("keptWithout and lineWithout leave alone what never expires, or is of no such clock", () => {
  const { expiresAt: _expiresAt, ...unending } = event;
  const line = new Uint8Array(toWireLine(unending));
  assert.equal(lineWithout(300, line), line);
  const kept = { event: unending, given: false, storedAt: 7 };
  assert.equal(keptWithout(300, kept), kept);
  const ending = { event, given: false, storedAt: 7 };
  assert.equal(keptWithout(0, ending), ending);
});
