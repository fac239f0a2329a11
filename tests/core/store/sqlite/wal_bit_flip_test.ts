/**
 * Contract row 9 for the write-ahead log of a killed daemon: no flipped bit makes SQLite silently
 * drop a commit, none alters what is returned, and each one that would have is reported and kept.
 */
import assert from "node:assert/strict";
import { SqliteEventStore } from "../../../../core/store/sqlite/sqlite_event_store.ts";
import { walFault } from "../../../../core/store/sqlite/salvage/repair_wal.ts";
import { readQuarantine } from "../../../../core/store/quarantine.ts";
import { readWal } from "../../../../core/store/sqlite/salvage/wal_frames.ts";
import { dose } from "../../../helpers/dose.ts";
import { flipBit, randomFrom } from "../../../helpers/flip.ts";
import { inFolder } from "../../../helpers/start.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const EVENTS = 400;
/** Bytes of a frame: its head and its page. */
const FRAME = 24 + 16384;

function event(n: number) {
  return {
    id: `01a20ef5-54ef-7000-9f31-${String(n).padStart(12, "0")}`,
    idGiven: false,
    type: "t",
    timestamp: 1_700_000_000_000 + n,
    schemaVersion: "1.0",
    metadata: "{}",
    payload: encoder.encode(JSON.stringify({ n, text: "x".repeat(n % 90) })),
  };
}

/** What a killed process leaves: a database whose log holds all commits. */
async function makeKilled(folder: string, count = EVENTS): Promise<void> {
  await Deno.mkdir(`${folder}/live`);
  await Deno.mkdir(`${folder}/killed`);
  const store = new SqliteEventStore(`${folder}/live/events.db`, { durability: "os" });
  for (let n = 1; n <= count; n += 10) {
    const events = Array.from({ length: 10 }, (_, i) => event(n + i));
    await store.append([{ topic: "t", events }]);
  }
  for (const suffix of ["", "-wal"]) {
    await Deno.copyFile(`${folder}/live/events.db${suffix}`, `${folder}/killed/events.db${suffix}`);
  }
  await store.close();
}

function lines(store: SqliteEventStore): string[] {
  const { bytes } = store.readLines("t", { from: 1, to: EVENTS, limit: 1024 });
  return decoder.decode(bytes).split("\n").slice(0, -1);
}

Deno.test("SqliteEventStore loses no commit and names the damage when a bit of its log flips", async () => {
  await inFolder(async (folder) => {
    await makeKilled(folder);
    const size = Deno.statSync(`${folder}/killed/events.db-wal`).size;
    const random = randomFrom(7);
    const path = `${folder}/try/events.db`;
    let named = 0;
    for (let round = 0; round < dose(100); round++) {
      const frames = (size - 32) / (16384 + 24);
      const inHeader = 32 + random(frames) * (16384 + 24) + random(24);
      const flip = {
        byte: [random(32), inHeader, random(size), random(size)][round % 4]!,
        bit: random(8),
      };
      const where = `byte ${flip.byte}, bit ${flip.bit}`;
      await Deno.mkdir(`${folder}/try`);
      for (const suffix of ["", "-wal"]) {
        await Deno.copyFile(`${folder}/killed/events.db${suffix}`, path + suffix);
      }
      flipBit(`${path}-wal`, flip);
      const store = new SqliteEventStore(path, { durability: "os" });
      const [entry] = readQuarantine(`${folder}/try/quarantine`);
      assert.ok(entry, `${where}: it is named`);
      const copy = await Deno.readFile(`${folder}/try/quarantine/${entry.copy}`);
      assert.equal(copy.length, size, "and the log is kept as it was");
      assert.equal(store.head("t").lastSeq, EVENTS, `${where}: ${entry.what}`);
      const found = lines(store);
      for (const line of found) {
        const { seq, payload } = JSON.parse(line);
        assert.equal(payload.n, seq, where);
        assert.equal(payload.text, "x".repeat(seq % 90), where);
      }
      if (found.length < EVENTS) {
        named++;
        assert.ok(store.damage().length > 0, `${where}: what is missing is named`);
      }
      await store.close();
      await Deno.remove(`${folder}/try`, { recursive: true });
    }
    assert.ok(named < dose(100) / 4, `most flips cost nothing: ${named}`);
  });
});

Deno.test("SqliteEventStore takes a log that was cut at any byte of its last three records for a torn tail", async () => {
  await inFolder(async (folder) => {
    await makeKilled(folder);
    const size = Deno.statSync(`${folder}/killed/events.db-wal`).size;
    const path = `${folder}/try/events.db`;
    const last = 3 * (16384 + 24);
    const step = Math.max(1, Math.floor(last / dose(60, last)));
    for (let cut = 1; cut <= last; cut += step) {
      await Deno.mkdir(`${folder}/try`);
      for (const suffix of ["", "-wal"]) {
        await Deno.copyFile(`${folder}/killed/events.db${suffix}`, path + suffix);
      }
      await Deno.truncate(`${path}-wal`, size - cut);
      const store = new SqliteEventStore(path, { durability: "os" });
      const { lastSeq } = store.head("t");
      assert.ok(lastSeq < EVENTS && lastSeq > EVENTS - 50, `cut by ${cut}: ${lastSeq}`);
      assert.equal(lines(store).length, lastSeq, "what is before the tail is whole");
      assert.deepEqual(store.damage(), []);
      assert.deepEqual(readQuarantine(`${folder}/try/quarantine`), []);
      const [outcome] = await store.append([{ topic: "t", events: [event(1)] }]);
      assert.equal(outcome?.ok && outcome.firstSeq, lastSeq + 1, "and it goes on behind it");
      await store.close();
      await Deno.remove(`${folder}/try`, { recursive: true });
    }
  });
});

Deno.test("a log that was cut at every byte of its last three commits is a torn tail, and nothing in it is repaired", async () => {
  await inFolder(async (folder) => {
    await makeKilled(folder, 50);
    const log = await Deno.readFile(`${folder}/killed/events.db-wal`);
    const view = new DataView(log.buffer);
    const frames = (log.length - 32) / FRAME;
    const commits = Array.from({ length: frames }, (_, i) => i + 1)
      .filter((frame) => view.getUint32(32 + (frame - 1) * FRAME + 4) !== 0);
    const step = dose(1) >= 10 ? 1 : 97;
    for (let length = 32 + commits.at(-4)! * FRAME; length < log.length; length += step) {
      const cut = log.slice(0, length);
      assert.equal(walFault(cut), undefined, `${length} of ${log.length} bytes`);
      const report = readWal(cut)!;
      const whole = Math.floor((length - 32) / FRAME);
      assert.deepEqual([report.frames, report.readable, report.dropped], [whole, whole, 0]);
      assert.equal(report.torn, length - 32 - whole * FRAME);
    }
  });
});
