/**
 * What begins and ends by what `evs alert` sees: the state machine alone, and with its file and its
 * queue through kills at every point.
 */
import assert from "node:assert/strict";
import type { Notice } from "../../../commands/alerting/notice.ts";
import { noticeOf } from "../../../commands/alerting/notice.ts";
import { parseLimit } from "../../../commands/alerting/limit.ts";
import {
  type ClockTimes,
  type HeldCondition,
  judge,
  type Look,
  type MeasuredValue,
  type Occurrence,
  type Rules,
} from "../../../commands/alerting/machine.ts";
import { formatRemembered, parseRemembered } from "../../../commands/alerting/state_file.ts";
import { MOST_UNTOLD, Untold } from "../../../commands/alerting/untold.ts";
import fc from "../../packages/fast_check.ts";

let ids = 0;

function rulesOf(rules: Partial<Rules> = {}): Rules {
  return {
    limits: { lag: parseLimit("lag", ">10"), down: parseLimit("down", ">10s") },
    forMs: 0,
    isWatched: () => true,
    endsUnwatched: true,
    newId: () => String(ids++),
    ...rules,
  };
}

/** Lags of subscriptions; null could not be seen. */
function lags(values: Record<string, number | null>): Look {
  const readings: MeasuredValue[] = [];
  const unseen: Look["unseen"][number][] = [];
  for (const [subscription, value] of Object.entries(values)) {
    if (value === null) unseen.push({ measure: "lag", subscription });
    else readings.push({ measure: "lag", subscription, value, words: () => `lag ${value}` });
  }
  readings.push({ measure: "down", value: 0, words: () => "it answers" });
  return { readings, unseen };
}

function silence(from: number): Look {
  return {
    readings: [{ measure: "down", value: 1, from, words: () => "nobody answers" }],
    unseen: [{ measure: "lag", subscription: "*" }],
  };
}

/** Judges looks one after another; `said` is what each brought. */
class Bench {
  conditions: HeldCondition[] = [];
  at = 0;
  rules: Rules;

  constructor(rules: Partial<Rules> = {}) {
    this.rules = rulesOf(rules);
  }

  get now(): ClockTimes {
    return { wall: 1_000_000 + this.at, monotonic: this.at };
  }

  look(look: Look): string[] {
    const judged = judge(this.conditions, look, { rules: this.rules, now: this.now });
    this.conditions = judged.conditions;
    return judged.occurrences.map(wordsOf);
  }
}

function wordsOf({ state, condition: { measure, subscription }, ended }: Occurrence): string {
  return [state, measure, subscription, ended].filter(Boolean).join(" ");
}

Deno.test("judge begins a condition once and ends it once when it comes and goes", () => {
  const bench = new Bench();
  assert.deepEqual(bench.look(lags({ a: 10, b: 11 })), ["begin lag b"]);
  assert.deepEqual(bench.look(lags({ a: 11, b: 12 })), ["begin lag a"]);
  assert.deepEqual(bench.look(lags({ a: 11, b: 12 })), []);
  assert.deepEqual(bench.look(lags({ a: 11, b: 10 })), ["end lag b over"]);
  assert.deepEqual(bench.look(lags({ a: 11, b: 11 })), ["begin lag b"]);
});

Deno.test("judge begins nothing before it has held for as long as was asked", () => {
  const bench = new Bench({ forMs: 1000 });
  assert.deepEqual(bench.look(lags({ a: 11 })), []);
  bench.at = 999;
  assert.deepEqual(bench.look(lags({ a: 11 })), []);
  bench.at = 1000;
  assert.deepEqual(bench.look(lags({ a: 11 })), ["begin lag a"]);
  assert.deepEqual(bench.look(lags({ a: 0 })), ["end lag a over"]);
  assert.deepEqual(bench.look(lags({ a: 11 })), []);
  bench.at = 1999;
  assert.deepEqual(bench.look(lags({ a: 0 })), [], "it never began");
  bench.at = 2500;
  assert.deepEqual(bench.look(lags({ a: 11 })), [], "it held anew");
});

Deno.test("judge takes a daemon that does not answer for no end, and tells it by its own limit", () => {
  const bench = new Bench({ forMs: 60_000 });
  bench.look(lags({ a: 11 }));
  bench.at = 60_000;
  assert.deepEqual(bench.look(lags({ a: 11, b: 11 })), ["begin lag a"]);
  bench.at = 65_000;
  assert.deepEqual(bench.look(silence(62_000)), []);
  bench.at = 72_000;
  assert.deepEqual(bench.look(silence(71_000)), ["begin down"], "10 s after the first time");
  bench.at = 200_000;
  assert.deepEqual(bench.look(silence(199_000)), []);
  assert.deepEqual(bench.look(lags({ a: 11, b: 11 })), ["end down over", "begin lag b"].sort());
  assert.deepEqual(bench.look(silence(200_000)), []);
  assert.deepEqual(
    bench.look(lags({ a: 0, b: 11 })),
    ["end lag a over"],
    "a short restart is none",
  );
});

Deno.test("judge ends what is gone and what is not watched any more, and leaves that of others", () => {
  const bench = new Bench();
  bench.look(lags({ a: 11, b: 11, c: 11 }));
  assert.deepEqual(bench.look(lags({ a: 11, c: null })), ["end lag b removed"]);
  bench.rules = rulesOf({ isWatched: (name) => name === "c", endsUnwatched: false });
  assert.deepEqual(bench.look(lags({ a: 0, c: 11 })), []);
  bench.rules = rulesOf({ isWatched: (name) => name === "c" });
  assert.deepEqual(bench.look(lags({ a: 11, c: 11 })), ["end lag a unwatched"]);
  bench.rules = rulesOf({ limits: {}, endsUnwatched: false });
  assert.deepEqual(bench.look(lags({ c: 0 })), []);
  bench.rules = rulesOf({ limits: {} });
  assert.deepEqual(bench.look(lags({ c: 11 })), ["end lag c unwatched"]);
});

Deno.test("Untold drops a begin with its end, and never the first, when a command fails for ever", () => {
  const untold = new Untold();
  const facts = (n: number): Notice =>
    ({
      alert: "lag",
      subscription: "a",
      state: n % 2 === 0 ? "begin" : "end",
      id: `${n >> 1}`,
    }) as Notice;
  for (const first of [0, 1]) {
    const queue = new Untold();
    const dropped: Notice[] = [];
    for (let n = first; n < 5 * MOST_UNTOLD; n++) dropped.push(...queue.add(facts(n)));
    const kept = queue.all;
    assert.ok(kept.length <= MOST_UNTOLD && kept.length >= MOST_UNTOLD - 2);
    assert.deepEqual(kept[0], facts(first));
    assert.deepEqual(kept.at(-1), facts(5 * MOST_UNTOLD - 1));
    for (let i = 1; i < kept.length; i++) {
      const [before, after] = [kept[i - 1]!, kept[i]!];
      assert.notEqual(before.state, after.state);
      if (after.state === "end") assert.equal(before.id, after.id);
    }
    assert.equal(dropped.length + kept.length, 5 * MOST_UNTOLD - first);
  }
  assert.deepEqual(untold.keys, []);
});

/** What can happen between two looks, and where a kill comes in the next one. */
const step = fc.record({
  passes: fc.integer({ min: 0, max: 3000 }),
  values: fc.record({
    a: fc.option(fc.integer({ min: 0, max: 20 })),
    b: fc.option(fc.integer({ min: 0, max: 20 })),
  }),
  answers: fc.boolean(),
  /** How many commands succeed before one fails. */
  succeed: fc.integer({ min: 0, max: 3 }),
  killed: fc.constantFrom("not", "not", "judged", "saved", "told", "end"),
});
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

const SOURCE = { name: "n", host: "h", socket: "/s" };

/** `evs alert` with a file that is a text and a command that is a list. */
class Simulation {
  file: string;
  at = 0;
  told: Notice[] = [];
  rules: Rules;
  conditions: HeldCondition[] = [];
  untold = new Untold();

  constructor(forMs: number) {
    this.rules = rulesOf({ forMs });
    this.file = formatRemembered({ conditions: [], untold: [] });
  }

  get now(): ClockTimes {
    return { wall: 1_000_000 + this.at, monotonic: this.at };
  }

  restart(): void {
    const { conditions, untold } = parseRemembered(this.file, { path: "/f", now: this.now });
    this.conditions = conditions;
    this.untold = new Untold(untold);
  }

  save(): void {
    this.file = formatRemembered({ conditions: this.conditions, untold: this.untold.all });
  }

  /** One look and what is told by it; returns what happened. */
  step({ values, answers, succeed, killed }: Omit<Step, "passes">): Occurrence[] {
    const look = answers ? lags(values) : silence(this.at);
    const judged = judge(this.conditions, look, { rules: this.rules, now: this.now });
    this.conditions = judged.conditions;
    for (const occurrence of judged.occurrences) {
      this.untold.add(
        noticeOf(occurrence, {
          limits: this.rules.limits,
          source: SOURCE,
          now: this.now.wall,
        }),
      );
    }
    if (killed === "judged") {
      this.restart();
      return [];
    }
    if (judged.changed) this.save();
    if (killed === "saved") this.restart();
    for (let left = succeed; left > 0 && this.untold.keys.length > 0; left--) {
      const key = this.untold.keys[0]!;
      this.told.push(this.untold.head(key)!);
      if (killed === "told" && left === 1) {
        this.restart();
        break;
      }
      this.untold.shift(key);
      this.save();
    }
    if (killed === "end") this.restart();
    return judged.occurrences;
  }
}

Deno.test("evs alert tells each begin and end, in turn, and a repeat only of what it told last, wherever it is killed", () => {
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 30 }),
      fc.constantFrom(0, 1000, 2500),
      (steps, forMs) => {
        const run = new Simulation(forMs);
        const happened: Occurrence[] = [];
        for (const { passes, ...what } of steps) {
          run.at += passes;
          happened.push(...run.step(what));
        }
        // Then all is well, and the command too.
        run.restart();
        const calm = {
          values: { a: 0, b: 0 },
          answers: true,
          succeed: Infinity,
          killed: "not" as const,
        };
        happened.push(...run.step(calm));
        assert.deepEqual(run.conditions, []);
        assert.deepEqual(run.untold.all, []);

        const byCondition = Map.groupBy(
          run.told,
          ({ alert, subscription }) => `${alert} ${subscription}`,
        );
        for (const told of byCondition.values()) {
          const once = told.filter((facts, i) =>
            i === 0 || facts.id !== told[i - 1]!.id || facts.state !== told[i - 1]!.state
          );
          assert.deepEqual(
            once.map(({ state }) => state),
            once.map((_, i) => i % 2 === 0 ? "begin" : "end"),
          );
          for (let i = 1; i < once.length; i += 2) assert.equal(once[i]!.id, once[i - 1]!.id);
          assert.equal(once.length % 2, 0, "each begin has its end");
          for (const { alert, state, since, at } of once) {
            if (state === "begin") assert.ok(at - since >= (alert === "down" ? 10_000 : forMs));
          }
        }
        const names = (all: { id: string; state: string }[]) =>
          [...new Set(all.map(({ id, state }) => `${id} ${state}`))].sort();
        assert.deepEqual(
          names(run.told),
          names(happened.map(({ state, condition: { id } }) => ({ id, state }))),
        );
      },
    ),
    { numRuns: 500 },
  );
});

Deno.test("judge begins only what every look since it was first seen has found past its limit", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 0, max: 900 }), fc.option(fc.boolean())), {
        minLength: 1,
        maxLength: 40,
      }),
      (looks) => {
        const bench = new Bench({ forMs: 1000 });
        let from: number | undefined;
        let begun = false;
        for (const [passes, isPast] of looks) {
          bench.at += passes;
          const said = bench.look(lags({ a: isPast === null ? null : isPast ? 11 : 10 }));
          if (isPast === null) {
            assert.deepEqual(said, []);
            continue;
          }
          if (isPast) from ??= bench.at;
          const expected: string[] = !isPast
            ? begun ? ["end lag a over"] : []
            : !begun && bench.at - from! >= 1000
            ? ["begin lag a"]
            : [];
          assert.deepEqual(said, expected);
          if (!isPast) from = undefined;
          begun = isPast && (begun || said.length > 0);
        }
      },
    ),
  );
});
