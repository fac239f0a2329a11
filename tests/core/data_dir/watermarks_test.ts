/** What a data dir records of itself, so that a start notices what is gone. */
import assert from "node:assert/strict";
import {
  parseWatermarks,
  readWatermarks,
  WatermarkKeeper,
  WATERMARKS_FILE,
  writeWatermarks,
} from "../../../core/data_dir/watermarks.ts";
import { FakeClock } from "../../helpers/fake_clock.ts";
import { inFolder, modeOf } from "../../helpers/start.ts";

const FILES = ["events.db", "state.db"];

/** A keeper of a new data dir, and what is recorded of it. */
function keep(dataDir: string, ends: [string, number][] = []) {
  const clock = new FakeClock();
  const errors: unknown[] = [];
  const keeper = new WatermarkKeeper(dataDir, {
    clock,
    generation: 3,
    ends,
    files: () => FILES,
    onError: (error) => errors.push(error),
  });
  const marks = () => readWatermarks(dataDir)!;
  return { clock, errors, keeper, marks, ends: () => Object.fromEntries(marks().ends) };
}

Deno.test("WatermarkKeeper records a topic's end a second after its event, and never a lower one", () =>
  inFolder(async (dataDir) => {
    const { clock, errors, keeper, marks, ends } = keep(dataDir, [["old", 7]]);
    assert.deepEqual([marks().phase, marks().generation, marks().files], ["open", 3, FILES]);
    assert.deepEqual(ends(), { old: 7 });
    assert.equal(modeOf(`${dataDir}/${WATERMARKS_FILE}`), "600");
    keeper.note("a", 1);
    keeper.note("a", 2);
    keeper.note("old", 5);
    await clock.pass(999);
    assert.deepEqual(ends(), { old: 7 });
    await clock.pass(1);
    assert.deepEqual(ends(), { old: 7, a: 2 });
    keeper.note("a", 1);
    assert.equal(clock.timers, 0, "nothing new was told");
    keeper.note("old", 8);
    keeper.note("b", 1);
    await clock.pass(1000);
    assert.deepEqual(ends(), { old: 8, a: 2, b: 1 });
    assert.deepEqual(errors, []);
    keeper.closed([], { counted: false });
  }));

Deno.test("WatermarkKeeper says what became of the daemon: open, closing, closed with all ends", () =>
  inFolder(async (dataDir) => {
    const { clock, keeper, marks, ends } = keep(dataDir);
    keeper.note("a", 4);
    keeper.closing();
    assert.deepEqual([marks().phase, ends()], ["closing", { a: 4 }]);
    keeper.closed([["a", 5], ["b", 2]], { counted: true });
    assert.deepEqual([marks().phase, marks().generation], ["closed", 4]);
    assert.deepEqual(ends(), { a: 5, b: 2 });
    await clock.pass(5000);
    assert.equal(marks().phase, "closed");
  }));

Deno.test("WatermarkKeeper does not count a closing that the state has not counted", () =>
  inFolder((dataDir) => {
    const { keeper, marks } = keep(dataDir);
    keeper.closed([], { counted: false });
    assert.equal(marks().generation, 3);
  }));

Deno.test("WatermarkKeeper keeps its file small, and every end, when it has written a lot", () =>
  inFolder(async (dataDir) => {
    const { clock, keeper, ends } = keep(dataDir);
    const names = Array.from({ length: 500 }, (_, i) => `topic-${i}-${"x".repeat(90)}`);
    for (let round = 1; round <= 25; round++) {
      for (const name of names) keeper.note(name, round);
      await clock.pass(1000);
      assert.ok(Object.values(ends()).every((end) => end === round));
    }
    assert.ok(Deno.statSync(`${dataDir}/${WATERMARKS_FILE}`).size < 1.3 * 1024 * 1024);
    keeper.closed([], { counted: false });
  }));

Deno.test("WatermarkKeeper tells of a write that failed, and writes again with the next event", () =>
  inFolder(async (dataDir) => {
    const { clock, errors, keeper, ends } = keep(dataDir);
    keeper.note("a", 1);
    await clock.pass(1000);
    const many = Array.from({ length: 12_000 }, (_, i) => `t${i}${"x".repeat(60)}`);
    // So much that the file is written anew, which a folder in its place prevents.
    for (const name of many) keeper.note(name, 1);
    Deno.mkdirSync(`${dataDir}/${WATERMARKS_FILE}.new/x`, { recursive: true });
    await clock.pass(1000);
    assert.equal(errors.length, 1);
    assert.deepEqual(ends(), { a: 1 }, "what is there is not wrong");
    Deno.removeSync(`${dataDir}/${WATERMARKS_FILE}.new`, { recursive: true });
    keeper.note("a", 2);
    await clock.pass(1000);
    assert.equal(errors.length, 1);
    assert.deepEqual([ends()["a"], Object.keys(ends()).length], [2, many.length + 1]);
    keeper.closed([], { counted: false });
  }));

Deno.test("WatermarkKeeper writes with the next event what found room for a part only", () =>
  inFolder(async (dataDir) => {
    const { clock, errors, keeper, ends } = keep(dataDir);
    const write = Deno.FsFile.prototype.writeSync;
    let room = 10;
    Deno.FsFile.prototype.writeSync = function (bytes: Uint8Array): number {
      if (room === 0) throw Object.assign(new Error("No space left"), { code: "ENOSPC" });
      const count = write.call(this, bytes.subarray(0, room));
      room -= count;
      return count;
    };
    try {
      keeper.note("a", 1);
      await clock.pass(1000);
    } finally {
      Deno.FsFile.prototype.writeSync = write;
    }
    assert.deepEqual([errors.length, ends()], [1, {}]);
    keeper.note("b", 1);
    await clock.pass(1000);
    assert.deepEqual([errors.length, ends()], [1, { a: 1, b: 1 }]);
    keeper.closed([], { counted: false });
  }));

Deno.test("parseWatermarks leaves out damaged lines, and refuses a damaged first one", () =>
  inFolder((dataDir) => {
    const ends = new Map([["a", 41], ["b", 52]]);
    writeWatermarks(dataDir, { phase: "open", generation: 2, files: FILES, ends });
    const text = Deno.readTextFileSync(`${dataDir}/${WATERMARKS_FILE}`);
    assert.deepEqual(parseWatermarks(text, 5), {
      phase: "open",
      generation: 2,
      files: FILES,
      ends,
      writtenAt: 5,
    });
    assert.deepEqual(parseWatermarks(text.replace("41", "91"), 5)?.ends, new Map([["b", 52]]));
    assert.deepEqual(parseWatermarks(text.slice(0, -4), 5)?.ends, new Map([["a", 41]]));
    assert.equal(parseWatermarks(text.replace('"generation":2', '"generation":9'), 5), undefined);
    assert.equal(parseWatermarks("", 5), undefined);
    assert.equal(readWatermarks(`${dataDir}/nothing`), undefined);
  }));
