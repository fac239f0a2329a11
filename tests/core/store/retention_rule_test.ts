/**
 * Retention against a model that checks every event: what may be deleted is a prefix, exactly as
 * large as the limits require.
 */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { isLimited, keepFrom, type RetentionView } from "../../../core/store/retention_rule.ts";

interface Kept {
  seq: number;
  timestamp: number;
  bytes: number;
}

const NOW = 1000;
/** A topic after some retention: `firstSeq` on, timestamps in any order. */
const topic = fc.record({
  firstSeq: fc.integer({ min: 1, max: 30 }),
  events: fc.array(fc.record({ timestamp: fc.nat(NOW + 50), bytes: fc.nat(20) }), {
    maxLength: 25,
  }),
}).map(({ firstSeq, events }) => ({
  firstSeq,
  events: events.map((event, i): Kept => ({ ...event, seq: firstSeq + i })),
}));
/** The same with timestamps as a clock that never goes back gives them. */
const ordered = topic.map(({ firstSeq, events }) => {
  const times = events.map(({ timestamp }) => timestamp).sort((a, b) => a - b);
  return { firstSeq, events: events.map((event, i) => ({ ...event, timestamp: times[i]! })) };
});
const limit = (most: number) => fc.oneof(fc.constant(0), fc.integer({ min: 1, max: most }));
const limits = fc.record({
  retentionPeriod: limit(NOW + 100),
  maxEvents: limit(30),
  maxBytes: limit(300),
});
type Limits = RetentionView["options"];
const NONE: Limits = { retentionPeriod: 0, maxEvents: 0, maxBytes: 0 };

function sum(events: readonly Kept[]): number {
  return events.reduce((bytes, event) => bytes + event.bytes, 0);
}

function view({ firstSeq, events }: { firstSeq: number; events: Kept[] }, options: Limits) {
  const lastSeq = firstSeq + events.length - 1;
  return {
    options,
    head: { firstSeq, lastSeq, bytes: sum(events) },
    seekAge: (age: number) =>
      events.find(({ timestamp }) => timestamp >= NOW - age)?.seq ?? lastSeq + 1,
    seekBytes(most: number) {
      let from = events.length;
      while (from > 0 && sum(events.slice(from - 1)) <= most) from--;
      return firstSeq + from;
    },
  };
}

/** True when these may all stay. */
function fits(events: readonly Kept[], options: Limits): boolean {
  const { maxEvents, maxBytes, retentionPeriod } = options;
  const [first] = events;
  return (maxEvents === 0 || events.length <= maxEvents) &&
    (maxBytes === 0 || sum(events) <= maxBytes) &&
    (retentionPeriod === 0 || first === undefined || first.timestamp >= NOW - retentionPeriod);
}

/** The lowest seq from which on the limits hold. */
function shortestCut({ firstSeq, events }: { firstSeq: number; events: Kept[] }, options: Limits) {
  let cut = 0;
  while (!fits(events.slice(cut), options)) cut++;
  return firstSeq + cut;
}

Deno.test("keepFrom removes the shortest prefix with which every limit holds, when time goes on", () => {
  let cut = 0;
  fc.assert(
    fc.property(ordered, limits, (given, options) => {
      const keep = keepFrom(view(given, options));
      if (keep > given.firstSeq) cut++;
      assert.equal(keep, shortestCut(given, options));
    }),
    { numRuns: 2000 },
  );
  assert.ok(cut > 100, "something was removed");
});

Deno.test("keepFrom removes what the strictest limit alone would, when timestamps are in any order", () => {
  fc.assert(
    fc.property(topic, limits, (given, options) => {
      const alone = Object.entries(options).map(([name, value]) =>
        shortestCut(given, { ...NONE, [name]: value })
      );
      assert.equal(keepFrom(view(given, options)), Math.max(...alone));
    }),
    { numRuns: 2000 },
  );
});

Deno.test("keepFrom keeps everything when no limit is set, and asks the store nothing", () => {
  const never = () => assert.fail("there is nothing to seek");
  fc.assert(fc.property(topic, (given) => {
    assert.equal(isLimited(NONE), false);
    const asked = { ...view(given, NONE), seekAge: never, seekBytes: never };
    assert.equal(keepFrom(asked), given.firstSeq);
  }));
});

Deno.test("keepFrom asks for bytes only when there are too many", () => {
  const seekBytes = () => assert.fail("they fit");
  fc.assert(fc.property(topic, (given) => {
    const maxBytes = Math.max(1, sum(given.events));
    const asked = view(given, { ...NONE, maxBytes });
    assert.equal(keepFrom({ ...asked, seekBytes }), given.firstSeq);
  }));
});

Deno.test("keepFrom changes nothing when it is asked again after the cut", () => {
  fc.assert(fc.property(ordered, limits, (given, options) => {
    const keep = keepFrom(view(given, options));
    const left = { firstSeq: keep, events: given.events.filter(({ seq }) => seq >= keep) };
    assert.equal(keepFrom(view(left, options)), keep);
  }));
});

Deno.test("keepFrom stops behind the last event when everything is too old or too large", () => {
  const given = { firstSeq: 5, events: [{ seq: 5, timestamp: 1, bytes: 50 }] };
  assert.equal(keepFrom(view(given, { ...NONE, retentionPeriod: 10 })), 6);
  assert.equal(keepFrom(view(given, { ...NONE, maxBytes: 10 })), 6);
  assert.equal(keepFrom(view({ firstSeq: 6, events: [] }, { ...NONE, maxEvents: 1 })), 6);
  const far = { ...view(given, { ...NONE, retentionPeriod: 10 }), seekAge: () => 99 };
  assert.equal(keepFrom(far), 6, "a store that looks too far takes nothing that is not there");
});

Deno.test("isLimited is true when one limit is set", () => {
  fc.assert(fc.property(limits, (options) => {
    assert.equal(isLimited(options), Object.values(options).some((value) => value !== 0));
  }));
});
