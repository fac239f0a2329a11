/** Points of charts: rows are placed in time, joined and divided into steps without losing counts. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import {
  DAEMON_FIELDS,
  type Stamp,
  SUBSCRIPTION_FIELDS,
  type Values,
} from "../../../core/history/layout.ts";
import {
  coverage,
  gridColumns,
  gridOf,
  joinCells,
  joinStamps,
  placed,
  remainder,
} from "../../../core/history/points.ts";

const MINUTE = 60_000;
const T0 = 1_700_000_040_000; // a whole minute
const [ACKNOWLEDGED, PENDING, AGE] = [0, 3, 7];

function stamp(at: number, known: number, width = Math.min(known, MINUTE)): Stamp {
  return { at, known, width, through: 0 };
}

/** A cell of a subscription. */
function cell(acknowledged: number, pending: number, age = 0): Values {
  return [acknowledged, 0, 0, pending, 0, 0, 0, age];
}

/** Rows without steps of the clock: how long each is about, how much of it anything happened. */
const anyRows = fc.array(
  fc.record({
    gap: fc.oneof(fc.constant(0), fc.integer({ min: 2000, max: 3_600_000 })),
    known: fc.integer({ min: 1, max: 3_600_000 }),
    share: fc.double({ min: 0, max: 1, noNaN: true }),
    cell: fc.tuple(fc.nat(100_000), fc.nat(1000)).map(([a, b]) => cell(a, b)),
  }),
  { minLength: 1, maxLength: 40 },
).map((rows) => {
  let at = T0;
  const stamps = rows.map(({ gap, known, share }, i) => {
    at += gap + known;
    // A start is a change: what a first row says was so since then.
    const isFirst = i === 0 || gap > 0;
    return stamp(at, known, isFirst ? known : Math.round(known * share));
  });
  return { stamps, cells: rows.map(({ cell }) => cell), end: at };
});

Deno.test("placed leaves times alone as long as the clock only goes forward", () => {
  fc.assert(fc.property(anyRows, ({ stamps, end }) => {
    assert.deepEqual(placed(stamps, end), stamps.map(({ at }) => at));
  }));
});

Deno.test("placed keeps the order and the distances of rows, however the clock was set", () => {
  const steps = fc.array(
    fc.record({
      known: fc.integer({ min: 1, max: MINUTE }),
      jump: fc.oneof(fc.constant(0), fc.integer({ min: -86_400_000, max: 86_400_000 })),
    }),
    { minLength: 1, maxLength: 40 },
  );
  fc.assert(fc.property(steps, (rows) => {
    let now = T0;
    const stamps = rows.map(({ known, jump }) => stamp(now += known + jump, known));
    const times = placed(stamps, now);
    assert.equal(times.at(-1), now);
    for (let i = 1; i < times.length; i++) {
      assert.ok(times[i]! >= times[i - 1]!);
      const wasSetBack = stamps[i]!.at < stamps[i - 1]!.at;
      if (wasSetBack) assert.equal(times[i]! - times[i - 1]!, stamps[i]!.known);
    }
  }));
});

Deno.test("placed puts what a clock an hour ahead has stamped where it belongs", () => {
  const hour = 60 * MINUTE;
  // Before, ten minutes an hour ahead, and set right again.
  const stamps = [-2, -1, 61, 62, 3, 4].map((minute) => stamp(T0 + minute * MINUTE, MINUTE));
  const times = placed(stamps, T0 + 4 * MINUTE).map((time) => (time - T0) / MINUTE);
  assert.deepEqual(times, [-2, -1, 1, 2, 3, 4]);
  assert.ok(stamps[3]!.at - T0 > hour);
});

Deno.test("gridColumns divides what was counted among steps, and loses nothing", () => {
  const step = fc.constantFrom(1, 2, 10, 60, 600, 4320).map((minutes) => minutes * MINUTE);
  fc.assert(fc.property(anyRows, step, ({ stamps, cells, end }, step) => {
    const from = Math.floor((T0 - 3_600_000) / step) * step;
    const steps = { from, step, count: Math.floor((end - from) / step) + 1 };
    const line = { times: placed(stamps, end), stamps };
    const { acknowledged } = gridColumns(SUBSCRIPTION_FIELDS, gridOf(line, steps), cells);
    const sum = acknowledged!.reduce((sum: number, count) => sum + (count ?? 0), 0);
    assert.equal(sum, cells.reduce((sum, values) => sum + values[ACKNOWLEDGED]!, 0));
    assert.ok(acknowledged!.every((count) => count === null || Number.isSafeInteger(count)));
  }));
});

Deno.test("coverage is as long as what is known, in no step longer than it", () => {
  const step = fc.constantFrom(1, 7, 60).map((minutes) => minutes * MINUTE);
  fc.assert(fc.property(anyRows, step, ({ stamps, end }, step) => {
    const steps = { from: T0, step, count: Math.floor((end - T0) / step) + 1 };
    const covered = coverage(gridOf({ times: placed(stamps, end), stamps }, steps));
    assert.ok(covered.every((ms) => ms >= 0 && ms <= step));
    const known = stamps.reduce((sum, { known }) => sum + known, 0);
    const sum = covered.reduce((a, b) => a + b);
    assert.ok(Math.abs(sum - known) <= covered.length, `${sum} of ${known}`); // rounded
  }));
});

Deno.test("gridColumns knows something of exactly the steps that are covered", () => {
  fc.assert(fc.property(anyRows, ({ stamps, cells, end }) => {
    const steps = { from: T0, step: MINUTE, count: Math.floor((end - T0) / MINUTE) + 1 };
    const line = { times: placed(stamps, end), stamps };
    const covered = coverage(gridOf(line, steps));
    const { acknowledged, pending } = gridColumns(SUBSCRIPTION_FIELDS, gridOf(line, steps), cells);
    for (const [k, ms] of covered.entries()) {
      if (ms === 0) continue;
      assert.notEqual(acknowledged![k], null, `step ${k}`);
      assert.notEqual(pending![k], null, `step ${k}`);
    }
  }));
});

Deno.test("gridColumns shows a row of a minute in its minute, and then until the next row", () => {
  const stamps = [
    stamp(T0 + MINUTE + 5, MINUTE),
    stamp(T0 + 2 * MINUTE + 7, MINUTE),
    stamp(T0 + 5 * MINUTE + 3, 3 * MINUTE - 4, 20_000),
  ];
  const cells = [cell(5, 9), cell(6, 2), cell(0, 4)];
  const line = { times: placed(stamps, T0 + 5 * MINUTE + 3), stamps };
  const steps = { from: T0, step: MINUTE, count: 5 };
  const columns = gridColumns(SUBSCRIPTION_FIELDS, gridOf(line, steps), cells);
  assert.deepEqual(columns["pending"], [9, 2, 2, 2, 4]);
  assert.deepEqual(columns["acknowledged"], [5, 6, 0, 0, 0]);
});

Deno.test("gridColumns shows the greatest of what was measured in a step", () => {
  const stamps = [1, 2, 3, 4].map((minute) => stamp(T0 + minute * MINUTE, MINUTE));
  const cells = [cell(1, 3), cell(1, 8), cell(1, 2), cell(1, 1)];
  const line = { times: placed(stamps, T0 + 4 * MINUTE), stamps };
  const steps = { from: T0, step: 2 * MINUTE, count: 2 };
  const columns = gridColumns(SUBSCRIPTION_FIELDS, gridOf(line, steps), cells);
  assert.deepEqual(columns["pending"], [8, 2]);
});

Deno.test("gridColumns leaves a gap in which no daemon ran, and what is not known, empty", () => {
  const stamps = [
    stamp(T0 + MINUTE, MINUTE),
    stamp(T0 + 4 * MINUTE, MINUTE),
    stamp(T0 + 5 * MINUTE, MINUTE),
  ];
  const line = { times: placed(stamps, T0 + 5 * MINUTE), stamps };
  const steps = { from: T0, step: MINUTE, count: 6 };
  const cells = [cell(1, 1), undefined, cell(3, 3)];
  const columns = gridColumns(SUBSCRIPTION_FIELDS, gridOf(line, steps), cells);
  assert.deepEqual(columns["pending"], [1, null, null, null, 3, null]);
  assert.deepEqual(columns["acknowledged"], [1, null, null, null, 3, null]);
  assert.deepEqual(coverage(gridOf(line, steps)), [MINUTE, 0, 0, MINUTE, MINUTE, 0]);
});

Deno.test("gridColumns lets the age of the oldest event grow while nothing happens", () => {
  const stamps = [stamp(T0 + MINUTE, MINUTE), stamp(T0 + 4 * MINUTE, 3 * MINUTE, 0)];
  const line = { times: placed(stamps, T0 + 4 * MINUTE), stamps };
  const steps = { from: T0, step: MINUTE, count: 4 };
  const age = (first: number, last: number) => {
    const cells = [cell(0, 1, first), cell(0, 1, last)];
    return gridColumns(SUBSCRIPTION_FIELDS, gridOf(line, steps), cells)["oldestPendingMs"];
  };
  assert.deepEqual(age(500, 180_500), [500, 60_500, 120_500, 180_500]);
  assert.deepEqual(age(0, 0), [0, 0, 0, 0]);
});

Deno.test("gridColumns shows the time of an append only where something was appended", () => {
  const daemon = (p99: number) =>
    DAEMON_FIELDS.map(({ name }) => name === "publishP99Ms" ? p99 : 0);
  const stamps = [1, 2, 5].map((minute, i) =>
    stamp(T0 + minute * MINUTE, i === 2 ? 180_000 : MINUTE)
  );
  const line = { times: placed(stamps, T0 + 5 * MINUTE), stamps };
  const steps = { from: T0, step: MINUTE, count: 5 };
  const cells = [daemon(4), daemon(NaN), daemon(7)];
  const { publishP99Ms } = gridColumns(DAEMON_FIELDS, gridOf(line, steps), cells);
  assert.deepEqual(publishP99Ms, [4, null, null, null, 7]);
});

Deno.test("joinCells and joinStamps keep what was counted, and how much is known, however rows are grouped", () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 40, maxLength: 40 });
  fc.assert(fc.property(anyRows, sizes, ({ stamps, cells }, sizes) => {
    let [i, counted, known, most] = [0, 0, 0, 0];
    for (const size of sizes) {
      if (i >= cells.length) break;
      const part = joinCells(SUBSCRIPTION_FIELDS, cells.slice(i, i + size))!;
      const joined = joinStamps(stamps.slice(i, i + size), 1);
      counted += part[ACKNOWLEDGED]!;
      known += joined.known;
      most = Math.max(most, part[PENDING]!);
      i += size;
    }
    const sum = (of: (i: number) => number) => cells.reduce((sum, _, i) => sum + of(i), 0);
    assert.equal(counted, sum((i) => cells[i]![ACKNOWLEDGED]!));
    assert.equal(known, sum((i) => stamps[i]!.known));
    assert.equal(most, Math.max(...cells.map((values) => values[PENDING]!)));
  }));
});

Deno.test("remainder keeps what was measured and counts nothing twice", () => {
  const left = remainder(SUBSCRIPTION_FIELDS, cell(5, 9, 700));
  assert.deepEqual([left[ACKNOWLEDGED], left[PENDING], left[AGE]], [0, 9, 700]);
});
