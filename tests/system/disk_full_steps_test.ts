/**
 * Taking events away on a full disk, whatever the log of the database is like: a store on a small
 * disk is filled until it refuses, and then each topic can be cut and removed with the room that
 * was kept, and stored to again.
 */
import assert from "node:assert/strict";
import { isDiskFull } from "../../core/base/errors.ts";
import { SqliteEventStore } from "../../core/store/sqlite/sqlite_event_store.ts";
import { RESERVE, SpaceReserve } from "../../daemon/space_reserve.ts";
import { Disk } from "../helpers/disk.ts";
import { needTools } from "../helpers/shell.ts";
import { newEvent } from "../../testing/new_event.ts";

const KIB = 1024;

/** What is published until the disk is full. */
interface Shape {
  megabytes: number;
  /** Payload bytes of the n-th event. */
  size: (n: number) => number;
  /** Events that go down together. */
  batch: number;
  keys?: true;
  ids?: true;
  /** Opened anew on the full disk. */
  again?: true;
}

const SHAPES: Record<string, Shape> = {
  "small events in small batches": { megabytes: 48, size: () => 100, batch: 50 },
  "small events in large batches": { megabytes: 96, size: () => 100, batch: 20_000 },
  "events with keys and ids of their own": {
    megabytes: 48,
    size: () => 200,
    batch: 500,
    keys: true,
    ids: true,
  },
  "large events with overflow pages": { megabytes: 96, size: () => 300 * KIB, batch: 4 },
  "events that leave half of a page empty": { megabytes: 96, size: () => 9 * KIB, batch: 300 },
  "events of all sizes": { megabytes: 64, size: (n) => 2 ** (n % 20), batch: 7 },
  "a log that was begun anew": { megabytes: 48, size: () => 1000, batch: 100, again: true },
};

for (const [what, shape] of Object.entries(SHAPES)) {
  Deno.test(`SqliteEventStore.removeTopic works with the kept room when the disk is full of ${what}`, async () => {
    needTools("mkfs.ext4", "mount", "fallocate");
    await using disk = await Disk.make(shape.megabytes);
    const path = `${disk.path}/events.db`;
    const room = new SpaceReserve(`${disk.path}/reserve`, { size: RESERVE });
    room.make();
    let store = new SqliteEventStore(path, { room });
    try {
      const stored = { a: 0, b: 0 };
      let n = 0;
      const fill = () => {
        while (true) {
          assert.ok(n < 2_000_000, "the disk must be full by now");
          const topic = n % 2 === 0 ? "a" : "b";
          const events = Array.from({ length: shape.batch }, () => eventOf(shape, n++));
          try {
            store.appendSync([{ topic, events }]);
            stored[topic] += shape.batch;
          } catch (error) {
            assert.ok(isDiskFull(error), String(error));
            return;
          }
        }
      };
      fill();
      await disk.fill(0);
      for (let again = 0; again < 5; again++) fill();
      if (shape.again) {
        store.closeSync();
        room.release(); // as a daemon does that begins on a full disk
        store = new SqliteEventStore(path, { room });
        room.takeBack(RESERVE);
        fill();
      }
      const last = store.head("a").lastSeq;
      assert.equal(last, stored.a, "what was acknowledged is there, and nothing else");

      const lend = (work: () => void) => {
        store.keepRoomSync(false);
        room.release();
        work();
        store.keepRoomSync(true);
      };
      const keep = Math.max(1, last - 3);
      lend(() => assert.equal(store.truncateSync("a", keep), keep - 1));
      assert.deepEqual(store.head("a").firstSeq, keep);
      fill();
      lend(() => store.removeTopicSync("b"));
      assert.equal(store.head("b").firstSeq, stored.b + 1);
      // In the room that the deleted events had.
      const { count } = store.appendSync([{ topic: "c", events: [eventOf(shape, n++)] }])[0] as {
        count: number;
      };
      assert.equal(count, 1);
      const left = store.readPage("a", { from: 1, to: Infinity, limit: 10_000 }).events;
      assert.deepEqual(left[0]?.seq, keep);
    } finally {
      store.closeSync();
    }
  });
}

function eventOf({ size, keys, ids }: Shape, n: number) {
  return newEvent({
    payload: JSON.stringify("x".repeat(size(n))),
    ...(keys ? { key: crypto.randomUUID() } : {}),
    ...(ids ? { id: `own-${n}-${crypto.randomUUID()}`, idGiven: true } : {}),
  });
}
