/**
 * Contract row 9: of the bytes after the last event, only an append that was cut short is removed;
 * everything else stays.
 */
import assert from "node:assert/strict";
import { FileEventStore } from "../../../../core/store/file/file_event_store.ts";
import { isUnfinishedAppend } from "../../../../core/store/file/surplus.ts";
import { verifyFileStore } from "../../../../core/store/file/verify.ts";
import { MemoryDisk } from "../../../helpers/memory_disk.ts";
import { newEvent } from "../conformance.ts";

const DIR = "/events";
const LINES = `${DIR}/t/0000000000000001.ndjson`;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

const open = (disk: MemoryDisk) => new FileEventStore(DIR, { disk });

async function append(store: FileEventStore, count: number): Promise<void> {
  const events = Array.from({ length: count }, () => newEvent());
  const [outcome] = await store.append([{ topic: "t", events }]);
  assert.ok(outcome?.ok);
}

function seqsOf(store: FileEventStore): number[] {
  const { lastSeq } = store.head("t");
  const { bytes } = store.readLines("t", { from: 1, to: lastSeq, limit: 1000 });
  return decoder.decode(bytes).split("\n").filter(Boolean).map((line) => JSON.parse(line).seq);
}

const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1);

/** A store of five events, and what three more would add to its file. */
async function setUp({ close }: { close: boolean }) {
  const disk = new MemoryDisk();
  const store = open(disk);
  await append(store, 5);
  if (close) await store.close();
  const before = disk.bytes(LINES).slice();
  const sound = disk.kill();
  return { sound, before, next: await nextLines(sound.kill(), before.length) };
}

/** The lines of three more events. */
async function nextLines(disk: MemoryDisk, from: number): Promise<Uint8Array> {
  const store = open(disk);
  await append(store, 3);
  return disk.bytes(LINES).slice(from);
}

const join = (...parts: Uint8Array[]) => Uint8Array.from(parts.flatMap((part) => [...part]));

for (const close of [true, false]) {
  const how = close ? "closed" : "killed";

  Deno.test(`FileEventStore keeps what somebody else put behind the events of a ${how} segment, and goes on behind it`, async () => {
    const { sound, before, next } = await setUp({ close });
    const first = next.subarray(0, next.indexOf(0x0a) + 1);
    const elsewhere = encoder.encode(decoder.decode(first).replace('"topic":"t"', '"topic":"u"'));
    const foreign: [string, Uint8Array][] = [
      ["a line", encoder.encode("hello\n")],
      ["a piece of a line", encoder.encode("hello")],
      ["the last event once more", before.subarray(before.lastIndexOf(0x0a, -2) + 1)],
      ["an event of another topic", elsewhere],
      ["an event too far on", next.subarray(first.length)],
      ["an append cut short, and a line", join(next, encoder.encode("hello\n"))],
      ["a line and an append", join(encoder.encode("hello\n"), next)],
      ["bytes", Uint8Array.from({ length: 3000 }, (_, i) => 128 + i % 100)],
    ];
    for (const [what, bytes] of foreign) {
      const disk = sound.kill();
      const found = join(before, bytes);
      disk.put(LINES, found);
      assert.match(notesOf(disk), /are not events of t: kept/, `${what}: evs doctor says so`);
      const store = open(disk);
      assert.deepEqual(seqsOf(store), upTo(5), what);
      assert.match(store.found.notes.join(), new RegExp(`last ${bytes.length} bytes.*kept`), what);
      assert.deepEqual(disk.bytes(LINES).subarray(0, found.length), found, `${what}: it stays`);
      await append(store, 2);
      assert.deepEqual(seqsOf(store), upTo(7), what);
      assert.deepEqual(disk.bytes(LINES).subarray(0, found.length), found, `${what}: it stays`);
      const [damage, ...more] = store.damage();
      assert.deepEqual(more, []);
      assert.match(damage!.what, /are not events: kept, but not delivered/);
      assert.equal(damage!.lost, false);
      const text = decoder.decode(disk.bytes(LINES).subarray(found.length)).trim();
      assert.deepEqual(text.split("\n").map((line) => JSON.parse(line).seq), [6, 7], "own lines");
      await store.close();
      const again = open(disk);
      assert.deepEqual(seqsOf(again), upTo(7), what);
      assert.deepEqual(again.found.notes, [], `${what}: once repaired it stays repaired`);
      await again.close();
    }
  });

  Deno.test(`FileEventStore cuts an append that was cut short behind the events of a ${how} segment`, async () => {
    const { sound, before, next } = await setUp({ close });
    const zeros = next.slice();
    zeros.fill(0, 100, 300);
    const torn: Uint8Array[] = [
      zeros,
      new Uint8Array(700),
      next.map((byte, i) => i < 90 ? 0 : byte),
    ];
    for (let length = 1; length <= next.length; length++) torn.push(next.subarray(0, length));
    for (const bytes of torn) {
      const disk = sound.kill();
      disk.put(LINES, join(before, bytes));
      const store = open(disk);
      assert.deepEqual(seqsOf(store), upTo(5));
      assert.match(store.found.notes.join(), /cut \d+ bytes of an unfinished write/);
      assert.deepEqual(disk.bytes(LINES), before);
      await append(store, 1);
      assert.deepEqual([seqsOf(store), store.damage()], [upTo(6), []]);
      await store.close();
    }
  });
}

function notesOf(disk: MemoryDisk): string {
  return verifyFileStore(DIR, { disk }).topics.flatMap(({ notes }) => notes).join();
}

Deno.test("FileEventStore keeps what somebody else put into a segment of no events", async () => {
  const disk = new MemoryDisk();
  const store = open(disk);
  await append(store, 1);
  await store.close();
  const empty = disk.kill();
  empty.put(LINES, encoder.encode("hello"));
  empty.remove(LINES.replace("ndjson", "index"));
  const opened = open(empty);
  await append(opened, 2);
  assert.match(decoder.decode(empty.bytes(LINES)), /^hello\n\{"seq":1,/);
  await opened.close();
  assert.deepEqual(seqsOf(open(empty)), [1, 2]);
});

Deno.test("isUnfinishedAppend tells the next events of a topic from all else", () => {
  const line = (seq: number) =>
    `{"seq":${seq},"id":"i","type":"x","topic":"t","timestamp":1,"schemaVersion":"1.0","metadata":{},"payload":1}\n`;
  const cases: [string, boolean][] = [
    ["", true],
    [line(6), true],
    [line(6) + line(7), true],
    [line(6) + '{"seq":7,"id', true],
    ['{"s', true],
    ["\0\0\0", true],
    [`{"se\0\0\0\n${line(8)}`, true],
    [line(7), false],
    [line(5), false],
    [line(6) + line(6), false],
    [`{"se\0\0\0\n${line(5)}`, false],
    ["\n", false],
    ["{}", false],
    [line(6) + "{}\n", false],
    [line(6) + "x", false],
  ];
  for (const [text, expected] of cases) {
    const found = isUnfinishedAppend(encoder.encode(text), { topic: "t", nextSeq: 6 });
    assert.equal(found, expected, JSON.stringify(text));
  }
});
