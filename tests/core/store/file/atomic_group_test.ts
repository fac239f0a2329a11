/**
 * Contract row 32 for the file store: what is stored in several topics or in none is never stored
 * in some of them, wherever in an append the process is killed, the power fails or the disk is
 * full. Uses an in-memory file system that keeps any part of what was not synced.
 */
import assert from "node:assert/strict";
import { systemClock } from "../../../../core/base/clock.ts";
import { CannotStoreError } from "../../../../core/base/errors.ts";
import type { Durability } from "../../../../core/event/durability.ts";
import { FileEventStore } from "../../../../core/store/file/file_event_store.ts";
import { dose } from "../../../helpers/dose.ts";
import { randomFrom } from "../../../helpers/flip.ts";
import { MemoryDisk } from "../../../helpers/memory_disk.ts";
import { newEvent } from "../conformance.ts";

const DIR = "/data/events";
const TOPICS = ["a", "B", "c"];
const RECORD = `${DIR}/%batch`;

interface Options {
  durability: Durability;
  /** Topics above this number are taken from the checkpoint. */
  lookAtMost?: number;
}

function open(disk: MemoryDisk, { durability, lookAtMost = 100 }: Options): FileEventStore {
  return new FileEventStore(DIR, {
    disk,
    durability,
    lookAtMost,
    clock: { ...systemClock, setTimer: () => () => {} },
    // Some appends fill a segment.
    segments: { maxBytes: 6_000 },
  });
}

/** The `n`-th append: a batch of some events for each topic, between two requests of their own. */
function requestsOf(n: number) {
  const request = (topic: string, type: string, count: number) => ({
    topic,
    events: Array.from({ length: count }, (_, i) =>
      newEvent({
        ...(i % 2 === 0 ? { id: `${type}-${n}-${i}` } : {}),
        type,
        key: `${n}`,
        payload: `"${"x".repeat(300)}"`,
      })),
  });
  const batch = TOPICS.map((topic, i) => request(topic, "batch", 3 + i));
  return [request("a", "before", 1), ...batch, request("B", "after", 1)];
}

const append = (store: FileEventStore, n: number) =>
  store.append(requestsOf(n), { groups: [{ from: 1, to: 4, conditions: [] }] });

/** The numbers of the batches that are there: the same ones in every topic, each of them whole. */
function batchesIn(store: FileEventStore): string[] {
  assert.deepEqual(store.damage(), []);
  const [first, ...others] = TOPICS.map((topic, i) => {
    const { events } = store.readPage(topic, { from: 1, to: 1e9, limit: 1e6 });
    assert.deepEqual(events.map(({ seq }) => seq), events.map((_, at) => at + 1), "no hole");
    const found = events.filter(({ type }) => type === "batch").map(({ key }) => key!);
    const numbers = [...new Set(found)];
    assert.deepEqual(found, numbers.flatMap((n) => new Array<string>(3 + i).fill(n)));
    return numbers;
  });
  for (const other of others) assert.deepEqual(other, first);
  return first!;
}

/** Appends batches until the disk's `call`-th call throws `error`; returns how many were stored. */
async function appendUntil(
  disk: MemoryDisk,
  options: Options & { call: number; error: Error; batches: number },
): Promise<{ stored: number; error: unknown; store: FileEventStore }> {
  const store = open(disk, options);
  let left = options.call;
  disk.onCall = () => {
    if (left-- <= 0) throw options.error;
  };
  for (let n = 0; n < options.batches; n++) {
    try {
      await append(store, n);
    } catch (error) {
      return { stored: n, error, store };
    }
  }
  return { stored: options.batches, error: undefined, store };
}

const BATCHES = 3;

for (const durability of ["always", "os"] as const) {
  for (const lookAtMost of [100, 0]) {
    const how = lookAtMost === 0 ? "from its checkpoint" : "by a look at every topic";
    Deno.test(`FileEventStore started ${how} has no part of a batch, wherever a crash comes, with durability ${durability}`, async () => {
      const random = randomFrom(Number(Deno.env.get("EVS_SEED") ?? 43));
      const options = { durability, lookAtMost, batches: BATCHES, error: new Error("down") };
      let crashes = 0;
      let completed = 0;
      for (let call = 0;; call++) {
        const disk = new MemoryDisk();
        const { stored, error } = await appendUntil(disk, { ...options, call });
        if (error === undefined) break;
        disk.onCall = undefined;
        const cuts = Array.from({ length: dose(2) }, () => () => random(1_000_000) / 1_000_000);
        const left = [...cuts.map((cut) => disk.powerCut(cut)), disk.kill()];
        for (const after of left) {
          crashes++;
          const reopened = open(after, options);
          const there = batchesIn(reopened).length;
          assert.ok(there >= stored && there <= stored + 1, `${there} of ${stored}`);
          completed += there - stored;
          await append(reopened, BATCHES);
          assert.equal(batchesIn(reopened).length, there + 1);
          await reopened.close();
          const again = open(after, options);
          assert.equal(batchesIn(again).length, there + 1);
          await again.close();
        }
      }
      assert.ok(crashes > 100, `${crashes} crashes`);
      assert.ok(completed > 0, "some batches were completed at the start");
    });
  }
}

Deno.test("FileEventStore does not store a batch after all that a full disk has refused", async () => {
  const error = Object.assign(new Error("No space left (os error 28)"), { code: "ENOSPC" });
  let refused = 0;
  for (let write = 0;; write++) {
    const disk = new MemoryDisk();
    const store = open(disk, { durability: "always" });
    await append(store, 0);
    let left = write;
    disk.onCall = ({ op, grows }) => {
      if (op === "write" && grows && left-- <= 0) throw error;
    };
    try {
      await append(store, 1);
      break;
    } catch (caught) {
      assert.ok(caught instanceof CannotStoreError, String(caught));
    }
    refused++;
    const after = disk.powerCut(() => 0.999);
    const reopened = open(after, { durability: "always" });
    assert.equal(batchesIn(reopened).length, 1);
    await reopened.close();
  }
  assert.ok(refused >= 4, `${refused} refusals`);
});

Deno.test("FileEventStore says at its start which events of an interrupted batch it added", async () => {
  const disk = new MemoryDisk();
  const store = open(disk, { durability: "always" });
  let isDown = false;
  disk.onCall = ({ op, path }) => {
    isDown ||= op === "write" && path.endsWith(".ndjson");
    if (isDown) throw new Error("down");
  };
  await assert.rejects(append(store, 0));
  const after = disk.kill();
  assert.ok(after.bytes(RECORD).length > 0);
  const reopened = open(after, { durability: "always" });
  assert.deepEqual(
    reopened.found.notes.filter((note) => note.includes("batch")).map((note) =>
      note.replace(/: .*: /, ": ")
    ),
    [
      "topic a: added its events 1 to 4",
      "topic B: added its events 1 to 5",
      "topic c: added its events 1 to 5",
    ],
  );
  const [first] = await reopened.append([{ topic: "a", events: [newEvent({ id: "batch-0-0" })] }]);
  assert.ok(first!.ok && first!.duplicates[0]?.seq === 2, "a given id is known");
  assert.equal(after.bytes(RECORD).length, 0, "there is nothing left to add");
  await reopened.close();
});

Deno.test("FileEventStore writes no record for a batch that has events of one topic only", async () => {
  const disk = new MemoryDisk();
  const store = open(disk, { durability: "always" });
  const requests = [1, 2].map(() => ({ topic: "a", events: [newEvent({ id: "x" })] }));
  const groups = [{ from: 0, to: 2, conditions: [] }];
  await store.append(requests, { groups });
  await store.append([...requests, { topic: "c", events: [newEvent()] }], {
    groups: [{ from: 0, to: 3, conditions: [] }],
  });
  assert.equal(disk.size(RECORD), undefined);
  await store.close();
});
