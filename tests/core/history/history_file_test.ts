/** The history's file: rows come back as they were, bounded in space, and damage is found. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import {
  blockOffset,
  COLUMNS,
  decodeHead,
  decodeName,
  encodeHead,
  encodeName,
  encodeRow,
  HEAD_SIZE,
  headSum,
  LARGEST_FILE,
  MINUTES,
  MOST_KEPT,
  newHead,
  rowNumber,
  SHAPES,
  WINDOWS,
} from "../../../core/history/layout.ts";
import { verifyHistory } from "../../../core/history/verify.ts";
import { flipBit, randomFrom } from "../../helpers/flip.ts";
import { testFolder } from "../../helpers/folder.ts";
import { countsIn, historyAt, MINUTE, minuteRow, sum, T0 } from "../../helpers/history_rows.ts";

async function inFolder(work: (path: string) => void | Promise<void>): Promise<void> {
  const folder = await testFolder("test");
  try {
    await work(`${folder}/history`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("HistoryFile returns what was stored, for those that are there, whoever reads it", async () => {
  const names = ["a", "b", "c", "d"];
  const minute = fc.record({
    count: fc.nat(1000),
    counts: fc.dictionary(fc.constantFrom(...names), fc.nat(1000)),
    reopened: fc.boolean(),
  });
  const all = fc.array(minute, { maxLength: MINUTES, size: "max" });
  await inFolder((path) => {
    fc.assert(
      fc.property(all, (minutes) => {
        let { file } = historyAt(path);
        const expected = new Map(names.map((name) => [name, [] as (number | null)[]]));
        for (const [n, { count, counts, reopened }] of minutes.entries()) {
          if (reopened) file = historyAt(path).file;
          file.append(minuteRow(n, count, { subscriptions: counts }));
          for (const [name, column] of expected) {
            // What was removed has no history any more, even if it comes back.
            if (counts[name] === undefined) column.fill(null);
            column.push(counts[name] ?? null);
          }
        }
        const seen = { minutes: minutes.length };
        assert.deepEqual(countsIn(file, seen), minutes.map(({ count }) => count));
        for (const [name, column] of expected) {
          assert.deepEqual(countsIn(file, { ...seen, kind: "subscriptions", name }), column, name);
        }
        assert.deepEqual(verifyHistory(path)?.damaged ?? 0, 0);
        if (minutes.length > 0) Deno.removeSync(path);
      }),
      { numRuns: 15 },
    );
  });
});

Deno.test("HistoryFile keeps 72 hours by ten minutes, loses no count of them, and does not grow", async () => {
  await inFolder((path) => {
    const { file } = historyAt(path);
    const total = WINDOWS * 10 + 500;
    let size = 0;
    for (let n = 0; n < total; n++) {
      file.append(minuteRow(n, n, { topics: { t: n }, subscriptions: { s: 2 * n } }));
      if (n === 0) size = Deno.statSync(path).size;
    }
    assert.equal(Deno.statSync(path).size, size);
    // The oldest whole hours of the 72, and the last three, which are there by minutes.
    const first = total - WINDOWS * 10;
    for (const [kind, name, factor] of [["topics", "t", 1], ["subscriptions", "s", 2]] as const) {
      const hours = countsIn(file, { minutes: total, step: 10 * MINUTE, kind, name });
      for (let window = Math.ceil(first / 10) + 1; window < total / 10; window++) {
        const [begin, end] = [window * 10, window * 10 + 9];
        assert.equal(hours[window], factor * 5 * (begin + end), `window ${window}`);
      }
      const minutes = countsIn(file, { minutes: total, kind, name });
      for (let n = total - MINUTES + 10; n < total; n++) assert.equal(minutes[n], factor * n);
    }
    assert.deepEqual(historyAt(path).damage, []);
  });
});

Deno.test("HistoryFile shows what stayed after ten minutes, not the greatest of them, while nothing happens", async () => {
  await inFolder((path) => {
    const { file } = historyAt(path);
    const row = (n: number, pending: number, known = MINUTE) => {
      const sample = minuteRow(n, 1);
      sample.daemon[6] = pending;
      return { ...sample, stamp: { ...sample.stamp, known } };
    };
    file.append(row(0, 5000));
    file.append(row(1, 7));
    file.append(row(50, 9, 49 * MINUTE));
    // So many that the first ones are only there by ten minutes.
    for (let n = 60; n < 60 + MINUTES; n++) file.append(row(n, 1));
    const { daemon, stamps } = file.read([], { first: () => 0 });
    const shown = stamps.map(({ at }, i) => [(at - T0) / MINUTE, daemon[i]![6]]);
    assert.deepEqual(shown.slice(0, 3), [[2, 5000], [2, 7], [51, 9]]);
  });
});

Deno.test("HistoryFile gives columns to the first thousand, and uses those of what was removed", async () => {
  await inFolder((path) => {
    const { file } = historyAt(path);
    const counts = (from: number, to: number) =>
      Object.fromEntries(Array.from({ length: to - from }, (_, i) => [`n${from + i}`, 1]));
    file.append(
      minuteRow(0, 1, { topics: counts(0, MOST_KEPT + 9), subscriptions: counts(0, 40) }),
    );
    const full = Deno.statSync(path).size;
    const names = Object.keys(counts(0, MOST_KEPT + 9));
    assert.deepEqual([...file.select("topics", names)], names.slice(0, MOST_KEPT));
    // One of the first is gone: one of the others has its place.
    const rest = names.slice(1);
    assert.equal([...file.select("topics", rest)].at(-1), `n${MOST_KEPT}`);
    file.append(minuteRow(1, 1, { topics: counts(1, MOST_KEPT + 9), subscriptions: {} }));
    file.append(minuteRow(2, 1, { topics: counts(1, MOST_KEPT), subscriptions: counts(5, 45) }));
    assert.equal(Deno.statSync(path).size, full);
    const last = countsIn(file, { minutes: 3, kind: "subscriptions", name: "n20" });
    assert.deepEqual(last, [null, null, 1]);
    file.append(minuteRow(3, 1, { subscriptions: counts(0, MOST_KEPT), topics: counts(0, 1) }));
    assert.equal(Deno.statSync(path).size, LARGEST_FILE);
    assert.ok(LARGEST_FILE < 40 * 1024 * 1024, `${LARGEST_FILE}`);
  });
});

Deno.test("a history finds every flipped bit of its head, a name, a row, and what is not used", () => {
  const found = (
    bytes: Uint8Array<ArrayBuffer>,
    isIntact: (bytes: Uint8Array<ArrayBuffer>) => boolean,
  ) => {
    assert.ok(isIntact(bytes));
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      bytes[bit >> 3]! ^= 1 << (bit & 7);
      assert.ok(!isIntact(bytes), `bit ${bit}`);
      bytes[bit >> 3]! ^= 1 << (bit & 7);
    }
  };
  found(encodeHead(newHead()), (bytes) => typeof decodeHead(bytes) !== "string");
  for (const name of [{ name: "orders", since: 7 }, undefined]) {
    found(encodeName(name), (bytes) => decodeName(bytes) !== "damaged");
  }
  for (const shape of Object.values(SHAPES)) {
    const cells = [Array.from(shape.fields, (_, i) => i)];
    const row = encodeRow(shape, { block: 2, number: 9, cells });
    found(row, (bytes) => rowNumber(bytes, 2) === 9);
    assert.equal(rowNumber(row, 1), undefined, "the row of another block");
  }
  found(new Uint8Array(SHAPES.daemon.rowSize), (bytes) => rowNumber(bytes, 0) === 0);
});

Deno.test("verifyHistory finds a flipped bit anywhere in the file, and HistoryFile leaves out what it hit", async () => {
  await inFolder((path) => {
    const { file } = historyAt(path);
    const count = 2 * MINUTES;
    for (let n = 0; n < count; n++) {
      file.append(minuteRow(n, 1, { topics: { t: 1 }, subscriptions: { s: 1 } }));
    }
    const { size } = Deno.statSync(path);
    const random = randomFrom(61);
    for (let i = 0; i < 100; i++) {
      const place = { byte: random(size), bit: random(8) };
      flipBit(path, place);
      assert.ok(verifyHistory(path)!.damaged > 0, `bit ${place.bit} of byte ${place.byte}`);
      if (place.byte >= HEAD_SIZE) {
        const damaged = historyAt(path);
        const minutes = countsIn(damaged.file, { minutes: count, kind: "topics", name: "t" });
        assert.ok(minutes.every((one) => one === null || one <= 10), String(minutes));
      }
      flipBit(path, place);
    }
    assert.equal(verifyHistory(path)!.damaged, 0);
  });
});

Deno.test("HistoryFile goes on with the next row, whatever of the last one a power cut has left", async () => {
  await inFolder((path) => {
    const { file } = historyAt(path);
    for (let n = 0; n < 5; n++) file.append(minuteRow(n, 1, { topics: { t: 1 } }));
    const { fields: _, rowSize } = SHAPES.daemon;
    const last = blockOffset(["daemon"], 0) + 5 * rowSize;
    for (let byte = 0; byte < rowSize; byte += 7) {
      Deno.copyFileSync(path, `${path}.torn`);
      flipBit(`${path}.torn`, { byte: last + byte, bit: 3 });
      const torn = historyAt(`${path}.torn`);
      torn.file.append(minuteRow(5, 1, { topics: { t: 1 } }));
      assert.deepEqual(countsIn(torn.file, { minutes: 6 }), [1, 1, 1, 1, null, 1]);
      assert.deepEqual(countsIn(torn.file, { minutes: 6, kind: "topics", name: "t" }), [
        1,
        1,
        1,
        1,
        null,
        1,
      ]);
      assert.equal(torn.damage.length, 1, torn.damage.join("\n"));
      assert.equal(verifyHistory(`${path}.torn`)!.damaged, 0, "it is written over");
    }
  });
});

Deno.test("HistoryFile uses what is left of a file that was cut anywhere, and says so", async () => {
  await inFolder((path) => {
    const { file } = historyAt(path);
    for (let n = 0; n < 5; n++) {
      file.append(minuteRow(n, 1, { topics: { t: 1 }, subscriptions: { s: 1 } }));
    }
    const { size } = Deno.statSync(path);
    const random = randomFrom(18);
    const cuts = [1, HEAD_SIZE - 1, HEAD_SIZE, HEAD_SIZE + 1, size - 1];
    for (const cut of [...cuts, ...Array.from({ length: 40 }, () => random(size))]) {
      Deno.copyFileSync(path, `${path}.cut`);
      Deno.truncateSync(`${path}.cut`, cut);
      const { file, damage } = historyAt(`${path}.cut`);
      file.append(minuteRow(5, 1, { topics: { t: 1 }, subscriptions: { s: 1 } }));
      if (cut > 0) assert.ok(damage.length > 0, `cut to ${cut} of ${size}`);
      for (const kind of ["topics", "subscriptions"] as const) {
        const counts = countsIn(file, { minutes: 6, kind, name: kind === "topics" ? "t" : "s" });
        assert.equal(counts.at(-1), 1, `cut to ${cut}: ${kind} ${counts}`);
        assert.ok(counts.every((count) => count === null || count === 1));
      }
      assert.equal(Deno.statSync(`${path}.cut`).size, size);
    }
  });
});

Deno.test("HistoryFile leaves a history of a later version alone", async () => {
  await inFolder((path) => {
    historyAt(path).file.append(minuteRow(0, 1));
    const bytes = Deno.readFileSync(path);
    const head = bytes.slice(0, HEAD_SIZE);
    new DataView(head.buffer).setUint32(8, 2);
    // The checksum is that of the later version.
    bytes.set(resealed(head), 0);
    Deno.writeFileSync(path, bytes);
    const { file, damage } = historyAt(path);
    file.append(minuteRow(1, 1));
    assert.deepEqual(countsIn(file, { minutes: 2 }), [null, null]);
    assert.ok(file.isNewer);
    assert.deepEqual(damage, []);
    assert.deepEqual(verifyHistory(path), { rows: 0, damaged: 0, isNewer: true });
    assert.deepEqual(Deno.readFileSync(path), bytes);
  });
});

Deno.test("HistoryFile begins anew if its file was removed, emptied, or is something else", async () => {
  await inFolder((path) => {
    const { file, damage } = historyAt(path);
    file.append(minuteRow(0, 1));
    Deno.removeSync(path);
    file.append(minuteRow(1, 1));
    assert.deepEqual(countsIn(file, { minutes: 2 }), [null, 1]);
    assert.equal((Deno.statSync(path).mode ?? 0) & 0o777, 0o600);
    Deno.truncateSync(path, 0);
    file.append(minuteRow(2, 1));
    assert.deepEqual(countsIn(file, { minutes: 3 }), [null, null, 1]);
    assert.deepEqual(damage, []);
    Deno.writeTextFileSync(path, "something else\n".repeat(100));
    file.append(minuteRow(3, 1));
    assert.deepEqual(countsIn(file, { minutes: 4 }), [null, null, null, 1]);
    assert.equal(damage.length, 1);
  });
});

Deno.test("the history of 100 topics and 100 subscriptions takes less than 5 MB", async () => {
  await inFolder((path) => {
    const counts = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`n${i}`, 1]));
    historyAt(path).file.append(minuteRow(0, 1, { topics: counts, subscriptions: counts }));
    const { size } = Deno.statSync(path);
    const blocks = Math.ceil(100 / COLUMNS);
    assert.equal(
      size,
      HEAD_SIZE + SHAPES.daemon.size + blocks * (SHAPES.topics.size + SHAPES.subscriptions.size),
    );
    assert.ok(size < 5_000_000, `${size}`);
    assert.equal(sum(countsIn(historyAt(path).file, { minutes: 1 })), 1);
  });
});

/** With the checksum that its content has. */
function resealed(head: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const view = new DataView(head.buffer);
  view.setUint32(32, headSum(head));
  return head;
}
