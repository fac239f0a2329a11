/**
 * Contract row 9 for the file store: a torn tail is cut off, damage is never cut off and never
 * returned, and intact events are served. Uses an in-memory file system, so that every byte can be
 * tested.
 */
import { defined } from "../../../../core/base/defined.ts";
import assert from "node:assert/strict";
import { systemClock } from "../../../../core/base/clock.ts";
import { EvsError } from "../../../../core/base/errors.ts";
import { FileEventStore } from "../../../../core/store/file/file_event_store.ts";
import { BLOCK_BYTES } from "../../../../core/store/file/block.ts";
import { dose } from "../../../helpers/dose.ts";
import { randomFrom } from "../../../helpers/flip.ts";
import { MemoryDisk } from "../../../helpers/memory_disk.ts";
import { newEvent } from "../conformance.ts";

const DIR = "/events";
const LINES = `${DIR}/t/0000000000000001.ndjson`;
const INDEX = `${DIR}/t/0000000000000001.index`;
const LF = 0x0a;
const decoder = new TextDecoder();

function open(disk: MemoryDisk, maxBytes?: number): FileEventStore {
  return new FileEventStore(DIR, { disk, segments: defined({ maxBytes }) });
}

/** Every line of a topic by its seq, read in every way there is. */
function linesOf(store: FileEventStore, topic: string): Map<number, string> {
  const lines = new Map<number, string>();
  const { lastSeq } = store.head(topic);
  for (let from = 1; from <= lastSeq;) {
    const page = store.readLines(topic, { from, to: lastSeq, limit: 40 });
    for (const line of decoder.decode(page.bytes).split("\n").slice(0, -1)) {
      lines.set(Number(/^\{"seq":(\d+)/.exec(line)?.[1]), line);
    }
    from = page.next;
  }
  for (let from = 1; from <= lastSeq;) {
    const page = store.readPage(topic, { from, to: lastSeq, limit: 33 });
    for (const { seq, line } of page.events) {
      assert.equal(decoder.decode(line), lines.get(seq), "both ways of reading agree");
    }
    from = page.next;
  }
  return lines;
}

/** What was appended and acknowledged: where each append ends, and every line. */
async function filled(disk: MemoryDisk, options: { close: boolean }) {
  const store = open(disk);
  const ends: number[] = [];
  for (const count of [150, 1, 3, 1]) {
    await store.append([{ topic: "t", events: Array.from({ length: count }, () => newEvent()) }]);
    ends.push(disk.bytes(LINES).length);
  }
  const lines = linesOf(store, "t");
  if (options.close) await store.close();
  return { lines, ends };
}

for (const close of [true, false]) {
  const how = close ? "closed" : "killed";
  Deno.test(`FileEventStore serves what is whole when a ${how} segment is cut at any byte of its last records`, async () => {
    const sound = new MemoryDisk();
    const { lines, ends } = await filled(sound, { close });
    const bytes = sound.bytes(LINES).slice();
    // The last three events and the appends around them.
    const from = bytes.length - 5 * 150;
    for (let length = from; length < bytes.length; length++) {
      const disk = sound.kill();
      disk.put(LINES, bytes.subarray(0, length));
      const store = open(disk);
      const left = linesOf(store, "t");
      for (const [seq, line] of left) assert.equal(line, lines.get(seq), `cut at ${length}`);
      // Every append is there whole or not at all: a part of one may as well have lost bytes out of
      // its middle. Of the last one of a killed store it is not known whether it was acknowledged.
      const whole = ends.findLast((end) => end <= length)!;
      const certain = bytes.subarray(0, whole).filter((byte) => byte === LF).length;
      assert.equal(left.size, certain, `cut at ${length}`);
      assert.ok(store.found.notes.length > 0, "and it is told");
      assert.ok([undefined, LF].includes(disk.bytes(LINES).at(-1)), "no piece of a line is left");
      const { lastSeq } = store.head("t");
      const [outcome] = await store.append([{ topic: "t", events: [newEvent()] }]);
      assert.ok(outcome?.ok);
      assert.equal(outcome.firstSeq, lastSeq + 1);
      // A number that somebody may have seen is not used again.
      if (close || length < ends[2]!) assert.ok(lastSeq >= (close ? 155 : 154), `${lastSeq}`);
      assert.equal(linesOf(store, "t").size, left.size + 1);
      await store.close();
      const again = open(disk);
      assert.equal(linesOf(again, "t").size, left.size + 1);
      assert.deepEqual(again.found.notes, [], "once repaired it stays repaired");
    }
  });
}

/** A store with segments full and open, retention, keys and given ids. */
async function varied(disk: MemoryDisk): Promise<void> {
  const store = open(disk, 30_000);
  for (let n = 0; n < 12; n++) {
    const events = Array.from(
      { length: 30 },
      (_, i) => newEvent(i % 3 === 0 ? { id: `given-${n}-${i}`, key: `k${i}` } : {}),
    );
    await store.append([{ topic: "t", events }, { topic: "Other", events: [newEvent()] }]);
  }
  await store.truncate("t", 50);
  await store.close();
}

Deno.test("FileEventStore hands out no altered event and misses none in silence when a bit flips anywhere", async () => {
  const sound = new MemoryDisk();
  await varied(sound);
  const reference = open(sound.kill());
  const expected = new Map(["t", "Other"].map((topic) => [topic, linesOf(reference, topic)]));
  const files = sound.files();
  const sizes = files.map((path) => sound.bytes(path).length);
  const total = sizes.reduce((a, b) => a + b, 0);
  const random = randomFrom(3);
  const counts = { harmless: 0, named: 0, refused: 0 };
  for (let round = 0; round < dose(200, 20_000); round++) {
    const disk = sound.kill();
    let at = random(total);
    const file = sizes.findIndex((size) => at < size || (at -= size, false));
    const bytes = disk.bytes(files[file]!).slice();
    bytes[at]! ^= 1 << random(8);
    disk.put(files[file]!, bytes);
    const where = `${files[file]}, byte ${at}`;
    let store: FileEventStore;
    try {
      store = open(disk);
    } catch (error) {
      if (!(error instanceof EvsError)) throw error;
      counts.refused++;
      continue;
    }
    let missing = 0;
    for (const [topic, lines] of expected) {
      const found = linesOf(store, topic);
      for (const [seq, line] of found) {
        // Retention may be forgotten, never an event.
        if (lines.has(seq)) assert.equal(line, lines.get(seq), where);
        else assert.ok(seq < 50 && topic === "t", `${where}: seq ${seq}`);
      }
      for (const seq of lines.keys()) if (!found.has(seq)) missing++;
    }
    const told = store.damage().length + store.found.notes.length > 0;
    assert.ok(
      told || missing === 0,
      `${where}: ${missing} events are missing, and nothing is said`,
    );
    // One block at most is lost to one bit.
    assert.ok(missing <= 120, `${where}: ${missing} events are missing`);
    counts[told ? "named" : "harmless"]++;
    await store.close();
  }
  assert.ok(counts.named > 0 && counts.refused < counts.named, JSON.stringify(counts));
});

Deno.test("FileEventStore makes a lost index again from the lines", async () => {
  const disk = new MemoryDisk();
  const { lines } = await filled(disk, { close: true });
  disk.remove(INDEX);
  const store = open(disk);
  assert.deepEqual(linesOf(store, "t"), lines);
  assert.match(store.found.notes.join(), /index was lost/);
  await store.close();
  assert.deepEqual(open(disk.kill()).found.notes, []);
});

Deno.test("FileEventStore keeps a damaged block where it is, names it, and goes on behind it", async () => {
  const disk = new MemoryDisk();
  const { lines } = await filled(disk, { close: true });
  const bytes = disk.bytes(LINES).slice();
  bytes[100]! ^= 4;
  disk.put(LINES, bytes);
  const store = open(disk);
  const left = linesOf(store, "t");
  const [damage] = store.damage();
  assert.ok(damage && damage.firstSeq === 1 && damage.lost);
  assert.match(damage.what, /0000000000000001\.ndjson at bytes 0 to/);
  assert.equal(left.size, lines.size - damage.lastSeq);
  await store.append([{ topic: "t", events: [newEvent()] }]);
  assert.deepEqual(disk.bytes(LINES).subarray(0, bytes.length), bytes, "nothing of it was cut");
  await store.close();
});

Deno.test("FileEventStore knows a given id after retention took its segment, until the window has passed", async () => {
  const disk = new MemoryDisk();
  let now = 1_800_000_000_000;
  const clock = { ...systemClock, now: () => now, monotonic: () => now };
  const make = () => new FileEventStore(DIR, { disk, clock, segments: { maxBytes: 4000 } });
  let store = make();
  for (let n = 0; n < 5; n++) {
    const events = Array.from({ length: 20 }, (_, i) => newEvent({ id: `given-${n}-${i}` }));
    await store.append([{ topic: "t", events }]);
  }
  await store.truncate("t", 81);
  for (const opened of ["at once", "opened again"]) {
    const [again] = await store.append([{ topic: "t", events: [newEvent({ id: "given-0-7" })] }]);
    assert.ok(again?.ok);
    assert.deepEqual(again.duplicates, [{ index: 0, seq: 8 }], opened);
    await store.close();
    store = make();
  }
  now += 86_400_001;
  const [later] = await store.append([{ topic: "t", events: [newEvent({ id: "given-0-7" })] }]);
  assert.ok(later?.ok && later.count === 1);
  await store.truncate("t", 101);
  const tables = disk.files().filter((path) => path.endsWith(".lookup"));
  assert.ok(tables.length <= 1, `tables that nobody looks at are removed: ${tables}`);
  await store.close();
});

Deno.test("FileEventStore hands out no line that lost bytes out of its middle", async () => {
  const sound = new MemoryDisk();
  const { lines } = await filled(sound, { close: true });
  const bytes = sound.bytes(LINES).slice();
  // Of the last append's three lines: a digit of one, and a piece that goes over a line's end,
  // which leaves a line that reads well.
  const last = bytes.length - 3 * 160;
  for (let at = last; at < bytes.length; at += 5) {
    for (const count of [1, 2, 172, 173, 174, 175]) {
      const disk = sound.kill();
      disk.put(LINES, Uint8Array.from([...bytes.subarray(0, at), ...bytes.subarray(at + count)]));
      const store = open(disk);
      for (const [seq, line] of linesOf(store, "t")) {
        assert.equal(line, lines.get(seq), `${count} bytes at ${at}`);
      }
      assert.ok(
        store.found.notes.length + store.damage().length > 0,
        `${count} bytes at ${at} are told`,
      );
      await store.close();
    }
  }
});

for (const close of [true, false]) {
  const how = close ? "closed" : "killed";
  Deno.test(`FileEventStore hands out no line that is made of two when a ${how} segment lost a piece of its middle and its end`, async () => {
    const sound = new MemoryDisk();
    const { lines, ends } = await filled(sound, { close });
    const bytes = sound.bytes(LINES).slice();
    const starts = [0, ...Array.from(bytes, (byte, i) => byte === LF ? i + 1 : 0).filter(Boolean)];
    for (const n of [150, 151]) {
      // From somewhere in the line behind the first n to the same place in the next one: what is
      // left reads well.
      const [first, second] = starts.slice(n, n + 2) as [number, number];
      assert.ok(ends.includes(first));
      for (let at = first + 1; at < second; at += 7) {
        for (const end of [1, 2, 60, 175, 176, 177]) {
          const joined = [...bytes.subarray(0, at), ...bytes.subarray(at + second - first)];
          const left = Uint8Array.from(joined).subarray(0, joined.length - end);
          const disk = sound.kill();
          disk.put(LINES, left);
          const where = `${second - first} bytes at ${at}, and the last ${end}`;
          const store = open(disk);
          const found = linesOf(store, "t");
          for (const [seq, line] of found) assert.equal(line, lines.get(seq), where);
          assert.equal(found.size, n, `${where}: what was appended before is there`);
          assert.ok(store.found.notes.length > 0, `${where}: is told`);
          // Nothing but a piece of a line at the end is cut away: somebody can look at the rest.
          assert.deepEqual(disk.bytes(LINES), left.subarray(0, left.lastIndexOf(LF) + 1), where);
          const { lastSeq } = store.head("t");
          const [outcome] = await store.append([{ topic: "t", events: [newEvent()] }]);
          assert.ok(outcome?.ok && outcome.firstSeq === lastSeq + 1, where);
          await store.close();
          const again = open(disk);
          assert.equal(linesOf(again, "t").size, n + 1, where);
          assert.deepEqual(again.found.notes, [], "once repaired it stays repaired");
        }
      }
    }
  });
}

Deno.test("FileEventStore loses at most a block and a line where a segment of one large append is cut", async () => {
  const sound = new MemoryDisk();
  const store = open(sound);
  await store.append([{ topic: "t", events: Array.from({ length: 400 }, () => newEvent()) }]);
  const lines = linesOf(store, "t");
  await store.close();
  const bytes = sound.bytes(LINES).slice();
  const longest = Math.max(...[...lines.values()].map((line) => line.length + 1));
  for (let length = 0; length < bytes.length; length += 501) {
    const disk = sound.kill();
    disk.put(LINES, bytes.subarray(0, length));
    const left = linesOf(open(disk), "t");
    for (const [seq, line] of left) assert.equal(line, lines.get(seq), `cut at ${length}`);
    const kept = [...left.values()].reduce((sum, line) => sum + line.length + 1, 0);
    assert.ok(kept > length - BLOCK_BYTES - longest, `cut at ${length}: ${kept} bytes`);
  }
});
