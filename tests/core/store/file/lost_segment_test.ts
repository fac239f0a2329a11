/**
 * The file store after whole files, or lines in the middle of one, were removed: what is gone is
 * reported by topic and seq, both sides of the gap are served, and no number is reused.
 */
import assert from "node:assert/strict";
import { FileEventStore } from "../../../../core/store/file/file_event_store.ts";
import { segmentFile } from "../../../../core/store/file/layout.ts";
import { verifyFileStore } from "../../../../core/store/file/verify.ts";
import { MemoryDisk } from "../../../helpers/memory_disk.ts";
import { newEvent } from "../conformance.ts";

const DIR = "/events";
const LF = 0x0a;
const decoder = new TextDecoder();

function open(disk: MemoryDisk, maxBytes = 2000): FileEventStore {
  return new FileEventStore(DIR, { disk, segments: { maxBytes } });
}

/** Five segments of 20 events each, and one that is open. */
async function filled(disk: MemoryDisk): Promise<Map<number, string>> {
  const store = open(disk);
  for (let n = 0; n < 6; n++) {
    await store.append([{ topic: "t", events: Array.from({ length: 20 }, () => newEvent()) }]);
  }
  const lines = linesOf(store);
  await store.close();
  return lines;
}

function linesOf(store: FileEventStore): Map<number, string> {
  const lines = new Map<number, string>();
  const { firstSeq, lastSeq } = store.head("t");
  for (let from = firstSeq; from <= lastSeq;) {
    const page = store.readLines("t", { from, to: lastSeq, limit: 50 });
    for (const line of decoder.decode(page.bytes).split("\n").slice(0, -1)) {
      lines.set(JSON.parse(line).seq, line);
    }
    from = page.next;
  }
  return lines;
}

function removeSegment(disk: MemoryDisk, firstSeq: number): void {
  for (const kind of ["ndjson", "index", "lookup"] as const) {
    const path = `${DIR}/t/${segmentFile(firstSeq, kind)}`;
    if (disk.files().includes(path)) disk.remove(path);
  }
}

function lostOf(damage: readonly { firstSeq: number; lastSeq: number; lost: boolean }[]) {
  return damage.filter(({ lost }) => lost).map(({ firstSeq, lastSeq }) => [firstSeq, lastSeq]);
}

for (
  const [which, firstSeq] of [["first", 1], ["second", 21], ["middle", 61], ["last", 101]] as const
) {
  Deno.test(`FileEventStore names the events of a ${which} segment that is gone and serves the rest`, async () => {
    const disk = new MemoryDisk();
    const lines = await filled(disk);
    removeSegment(disk, firstSeq);
    // Of the last one only its beginning is known: how far it went stood in it alone.
    const lastSeq = firstSeq === 101 ? 101 : firstSeq + 19;
    const verdict = verifyFileStore(DIR, { disk }).topics[0]!;
    assert.deepEqual(lostOf(verdict.damage), [[firstSeq, lastSeq]]);
    assert.equal(verdict.intact, 100);
    for (const opened of ["at once", "opened again"]) {
      const store = open(disk);
      assert.deepEqual(lostOf(store.damage()), [[firstSeq, lastSeq]], opened);
      const left = linesOf(store);
      for (const [seq, line] of left) if (seq <= 120) assert.equal(line, lines.get(seq), opened);
      const expected = [...lines.keys()].filter((seq) => seq < firstSeq || seq >= firstSeq + 20);
      assert.deepEqual([...left.keys()].filter((seq) => seq <= lastSeq || seq <= 120), expected);
      const [outcome] = await store.append([{ topic: "t", events: [newEvent()] }]);
      assert.ok(outcome?.ok && outcome.firstSeq > Math.max(...expected, lastSeq), opened);
      await store.close();
      if (firstSeq === 101) break; // what is stored now has numbers of the lost ones
    }
    const store = open(disk);
    store.acceptDamage();
    await store.close();
    const again = open(disk);
    assert.ok(again.damage().every(({ accepted }) => accepted), "accepted it is no news");
    await again.close();
  });
}

Deno.test("FileEventStore misses no segment that retention took", async () => {
  const disk = new MemoryDisk();
  await filled(disk);
  const store = open(disk);
  await store.truncate("t", 47);
  await store.close();
  const again = open(disk);
  assert.deepEqual(again.damage(), []);
  assert.equal(again.head("t").firstSeq, 47);
  await again.truncate("t", 121);
  await again.append([{ topic: "t", events: [newEvent()] }]);
  await again.close();
  assert.deepEqual(verifyFileStore(DIR, { disk }).topics[0]!.damage, []);
  assert.deepEqual(open(disk.kill()).damage(), []);
});

Deno.test("FileEventStore keeps numbers that are known to have been given apart from new ones", async () => {
  const disk = new MemoryDisk();
  const store = open(disk);
  await store.raise("gone", 400);
  assert.deepEqual(store.head("gone"), { firstSeq: 401, lastSeq: 400, bytes: 0 });
  await store.append([{ topic: "t", events: [newEvent(), newEvent()] }]);
  await store.raise("t", 9);
  await store.raise("t", 5);
  for (const opened of ["at once", "killed"]) {
    const there = opened === "at once" ? store : open(disk.kill());
    assert.deepEqual(lostOf(there.damage()), [[3, 9]], opened);
    const [one] = await there.append([{ topic: "gone", events: [newEvent()] }]);
    const next = opened === "at once" ? 0 : 1;
    assert.ok(one?.ok && one.firstSeq === 401 + next, opened);
    const [two] = await there.append([{ topic: "t", events: [newEvent()] }]);
    assert.ok(two?.ok && two.firstSeq === 10 + next, opened);
    assert.deepEqual([...linesOf(there).keys()], [1, 2, 10, 11].slice(0, 3 + next));
  }
});

Deno.test("FileEventStore expects numbers that are known to have been given, after a request that stored nothing", async () => {
  const store = open(new MemoryDisk());
  await store.append([{ topic: "t", events: [newEvent()] }]);
  await store.append([{ topic: "t", events: [newEvent()], expected: "none" }]);
  await store.raise("t", 9);
  const requests = ["t", "u"].map((topic) => ({ topic, events: [newEvent()] }));
  const groups = [{ from: 0, to: 2, conditions: [{ topic: "t", expected: 9 }] }];
  const [outcome] = await store.append(requests, { groups });
  assert.equal(outcome?.ok && outcome.firstSeq, 10);
  await store.close();
});

for (const sealed of [true, false]) {
  const how = sealed ? "full" : "open";
  Deno.test(`FileEventStore serves every intact block of a ${how} segment that lost or got a line`, async () => {
    const disk = new MemoryDisk();
    const store = open(disk, sealed ? 100_000 : 10_000_000);
    await store.append([{ topic: "t", events: Array.from({ length: 800 }, () => newEvent()) }]);
    if (sealed) await store.append([{ topic: "t", events: [newEvent()] }]);
    const lines = linesOf(store);
    await store.close();
    const path = `${DIR}/t/${segmentFile(1, "ndjson")}`;
    const bytes = disk.bytes(path).slice();
    const starts = [0, ...Array.from(bytes, (byte, i) => byte === LF ? i + 1 : 0).filter(Boolean)];
    for (const n of [0, 1, 5, 300, 301, 797, 798]) {
      for (const change of ["cut", "doubled"]) {
        const copy = disk.kill();
        const [from, to] = [starts[n]!, starts[n + 1]!];
        copy.put(
          path,
          change === "cut"
            ? Uint8Array.from([...bytes.subarray(0, from), ...bytes.subarray(to)])
            : Uint8Array.from([...bytes.subarray(0, to), ...bytes.subarray(from)]),
        );
        for (const opened of ["at once", "opened again"]) {
          const where = `line ${n + 1} ${change}, ${opened}`;
          const there = open(copy, sealed ? 100_000 : 10_000_000);
          const left = linesOf(there);
          for (const [seq, line] of left) assert.equal(line, lines.get(seq), where);
          // A block of 16 KiB and a line on each side of it at the most.
          assert.ok(left.size > lines.size - 130, `${where}: ${left.size} of ${lines.size}`);
          const gone = [...lines.keys()].filter((seq) => !left.has(seq));
          assert.ok(
            gone.every((seq) => there.damage().some((d) => d.firstSeq <= seq && seq <= d.lastSeq)),
            `${where}: every event that is not served is named`,
          );
          if (change === "cut") assert.ok(there.damage().some(({ lost }) => lost), where);
          await there.close();
        }
      }
    }
  });
}
