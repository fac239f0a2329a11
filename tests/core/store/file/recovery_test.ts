/**
 * What a start makes of a segment that a kill or a power cut left: what was acknowledged stays, even
 * if it is damaged; what was not is taken back whole. One state of the files each, made by hand;
 * random ones: model_test.ts.
 */
import assert from "node:assert/strict";
import { SLOT } from "../../../../core/store/file/block.ts";
import { FileEventStore } from "../../../../core/store/file/file_event_store.ts";
import type { Durability } from "../../../../core/event/durability.ts";
import { MemoryDisk } from "../../../helpers/memory_disk.ts";
import { newEvent } from "../conformance.ts";

const DIR = "/events";
const LINES = `${DIR}/t/0000000000000001.ndjson`;
const INDEX = `${DIR}/t/0000000000000001.index`;
const SECTOR = 512;

/** The files of a store to which these numbers of events were appended, after each of them. */
async function states(
  counts: readonly number[],
  { durability = "always", close = false }: { durability?: Durability; close?: boolean } = {},
) {
  const disk = new MemoryDisk();
  const store = new FileEventStore(DIR, { disk, durability });
  const made: { lines: Uint8Array; index: Uint8Array }[] = [];
  for (const count of counts) {
    await store.append([{ topic: "t", events: Array.from({ length: count }, () => newEvent()) }]);
    made.push({ lines: disk.bytes(LINES).slice(), index: disk.bytes(INDEX).slice() });
  }
  if (close) await store.close();
  const killed = disk.kill();
  /** The store as it starts on these bytes, and the calls of its start. */
  const start = (lines: Uint8Array, index: Uint8Array) => {
    const copy = killed.kill();
    copy.put(LINES, lines);
    copy.put(INDEX, index);
    const calls: string[] = [];
    copy.onCall = ({ op, path }) => void calls.push(`${op} ${path}`);
    const store = new FileEventStore(DIR, { disk: copy });
    copy.onCall = undefined;
    const seqs = store.readPage("t", { from: 1, to: 1e6, limit: 1e6 }).events.map(({ seq }) => seq);
    const { lastSeq } = store.head("t");
    const lost = store.damage().filter((damage) => damage.lost);
    return { store, seqs, lastSeq, lost, calls, length: copy.bytes(LINES).length };
  };
  return { made, start, last: { lines: killed.bytes(LINES), index: killed.bytes(INDEX) } };
}

const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1);

Deno.test("FileEventStore takes an append back of which a sector never reached the disk", async () => {
  const { made: [before, after], start } = await states([5, 20]);
  // Its slot did.
  const torn = after!.lines.slice();
  const sector = Math.ceil(before!.lines.length / SECTOR) * SECTOR;
  torn.fill(0, sector, sector + SECTOR);
  const { seqs, lastSeq, lost, length } = start(torn, after!.index);
  assert.deepEqual([seqs, lastSeq, lost], [upTo(5), 5, []]);
  assert.equal(length, before!.lines.length);
});

Deno.test("FileEventStore keeps what was acknowledged when a sector of it is zero, and names it", async () => {
  const { made: [before], start, last } = await states([5, 20], { close: true });
  const damaged = last.lines.slice();
  const sector = Math.ceil(before!.lines.length / SECTOR) * SECTOR;
  damaged.fill(0, sector, sector + SECTOR);
  // The last slot says that everything is synced: it was closed.
  const { seqs, lastSeq, lost, length } = start(damaged, last.index);
  assert.deepEqual([lastSeq, length], [25, last.lines.length]);
  assert.ok(lost.length > 0 && !seqs.includes(10));
});

Deno.test("FileEventStore takes an append back of which a slot never reached the disk", async () => {
  const { made: [before, after], start } = await states([1, 400]);
  const used = (index: Uint8Array) => {
    let end = 0;
    for (let at = 0; at < index.length; at += SLOT) if (index[at + 4] !== 0) end = at + SLOT;
    return end;
  };
  const slots = (used(after!.index) - used(before!.index)) / SLOT;
  assert.ok(slots >= 3, "the append has several blocks");
  for (let written = 0; written < slots; written++) {
    const index = after!.index.slice();
    index.fill(0, used(before!.index) + written * SLOT);
    const { seqs, lastSeq, length } = start(after!.lines, index);
    assert.deepEqual([seqs, lastSeq], [[1], 1], `${written} of ${slots}`);
    assert.equal(length, before!.lines.length);
  }
  assert.equal(start(after!.lines, after!.index).lastSeq, 401, "all of them");
});

Deno.test("FileEventStore takes lines back that have no slot, whole or cut anywhere", async () => {
  const { made: [before, after], start } = await states([5, 3]);
  for (let end = before!.lines.length; end <= after!.lines.length; end += 7) {
    const { seqs, lastSeq, length } = start(after!.lines.slice(0, end), before!.index);
    assert.deepEqual([seqs, lastSeq], [upTo(5), 5], `cut at ${end}`);
    assert.equal(length, before!.lines.length, `cut at ${end}`);
  }
});

Deno.test("FileEventStore syncs at its start what a kill left unsynced, before anybody reads it", async () => {
  const { made, start } = await states([5], { durability: "os" });
  const { lines, index } = made[0]!;
  const { calls, seqs } = start(lines, index);
  assert.deepEqual(seqs, upTo(5));
  const synced = calls.indexOf(`sync ${LINES}`);
  const known = calls.indexOf(`rename ${INDEX}`);
  assert.ok(0 <= synced && synced < known, calls.join(", "));
});

Deno.test("FileEventStore gives the numbers of what it took back to the next events", async () => {
  const { made: [before, after], start } = await states([5, 3]);
  const { store } = start(after!.lines, before!.index);
  const [outcome] = await store.append([{ topic: "t", events: [newEvent(), newEvent()] }]);
  assert.deepEqual(outcome!.ok && [outcome!.firstSeq, outcome!.lastSeq], [6, 7]);
  await store.close();
});
