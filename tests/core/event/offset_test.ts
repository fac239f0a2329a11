/** Offsets: what is accepted, what is refused, and which seq each one means. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { formatDuration } from "../../../core/base/units.ts";
import { InvalidArgumentError } from "../../../core/base/errors.ts";
import {
  isTopicless,
  type Offset,
  parseOffset,
  resolveOffset,
} from "../../../core/event/offset.ts";

const moment = fc.integer({ min: Date.UTC(1970, 0, 1), max: Date.UTC(9999, 11, 31) });
const offset: fc.Arbitrary<Offset> = fc.oneof(
  fc.constant<Offset>({ kind: "start" }),
  fc.constant<Offset>({ kind: "end" }),
  fc.nat(1e9).map((seq): Offset => ({ kind: "seq", seq })),
  fc.nat(1e9).map((count): Offset => ({ kind: "last", count })),
  moment.map((at): Offset => ({ kind: "time", at })),
  fc.nat(1e12).map((ms): Offset => ({ kind: "ago", ms })),
);

/** An offset as a person writes it. */
function written(offset: Offset): string {
  switch (offset.kind) {
    case "start":
    case "end":
      return offset.kind;
    case "seq":
      return String(offset.seq);
    case "last":
      return `-${offset.count}`;
    case "time":
      return `@${new Date(offset.at).toISOString()}`;
    case "ago":
      return `@-${formatDuration(offset.ms)}`;
  }
}

/** A topic: the timestamps of what is there, from `firstSeq` on. */
const topic = fc.record({
  firstSeq: fc.integer({ min: 1, max: 50 }),
  times: fc.array(fc.nat(1000), { maxLength: 30 }),
});

function viewOf({ firstSeq, times }: { firstSeq: number; times: number[] }, now: number) {
  const lastSeq = firstSeq + times.length - 1;
  return {
    head: { firstSeq, lastSeq },
    now,
    seekTime(at: number): number {
      const index = times.findIndex((time) => time >= at);
      return index < 0 ? lastSeq + 1 : firstSeq + index;
    },
  };
}

Deno.test("parseOffset reads back what was written", () => {
  fc.assert(fc.property(offset, (given) => assert.deepEqual(parseOffset(written(given)), given)));
});

Deno.test("parseOffset takes times with a zone, with and without seconds and a fraction", () => {
  const cases: [string, string][] = [
    ["@2026-11-23T10:05Z", "2026-11-23T10:05:00.000Z"],
    ["@2026-11-23 10:05:07Z", "2026-11-23T10:05:07.000Z"],
    ["@2026-11-23T10:05:07.25Z", "2026-11-23T10:05:07.250Z"],
    ["@2026-11-23T10:05:07.123456789Z", "2026-11-23T10:05:07.123Z"],
    ["@2026-11-23T10:05:07+01:00", "2026-11-23T09:05:07.000Z"],
    ["@2026-11-23T10:05:07-0130", "2026-11-23T11:35:07.000Z"],
    ["@2024-02-29T00:00Z", "2024-02-29T00:00:00.000Z"],
    ["@1790000000000", new Date(1790000000000).toISOString()],
  ];
  for (const [text, iso] of cases) {
    assert.deepEqual(parseOffset(text), { kind: "time", at: Date.parse(iso) }, text);
  }
});

Deno.test("parseOffset refuses a time without a zone, and says how to give one", () => {
  const hints = {
    "@2026-11-23": "@2026-11-23T00:00Z",
    "@2026-11-23T10:05": "@2026-11-23T10:05Z",
    "@2026-11-23 10:05:07.25": "@2026-11-23 10:05:07.25Z",
  };
  for (const [text, hint] of Object.entries(hints)) {
    assert.throws(() => parseOffset(text), (error) => {
      assert.ok(error instanceof InvalidArgumentError);
      assert.match(error.message, /has no zone/);
      assert.ok(error.hint?.startsWith(`${hint} is in UTC`), `${error.hint}`);
      return true;
    });
    parseOffset(hint);
  }
});

Deno.test("parseOffset refuses a day that the calendar does not have", () => {
  const day = fc.record({
    year: fc.integer({ min: 1970, max: 2100 }),
    month: fc.integer({ min: 1, max: 12 }),
    day: fc.integer({ min: 1, max: 31 }),
    time: fc.constantFrom("T10:00Z", "T23:59:59Z", " 00:00:00+02:00"),
  });
  fc.assert(fc.property(day, ({ year, month, day, time }) => {
    const two = (part: number) => String(part).padStart(2, "0");
    const text = `@${year}-${two(month)}-${two(day)}${time}`;
    const exists = day <= new Date(Date.UTC(year, month, 0)).getUTCDate();
    if (exists) assert.equal(parseOffset(text).kind, "time", text);
    else assert.throws(() => parseOffset(text), InvalidArgumentError, text);
  }));
});

Deno.test("parseOffset refuses what is no offset, shows it, and says what is one", () => {
  const wrong = [
    ...["", " ", "START", "begin", "1.5", "1e3", "+1", "--1", "-", "@", "@now", "1 ", "0x10"],
    ...["@2026", "@2026-13-01", "@2026-11-23T25:00", "@2026-11-23Z", "@2026-11-23T10:60Z"],
    ...["@2026-11-23T10:00+25:00", "@12345", "9".repeat(16), `-${"9".repeat(16)}`],
  ];
  for (const text of wrong) {
    assert.throws(() => parseOffset(text), (error) => {
      assert.ok(error instanceof InvalidArgumentError, text);
      assert.ok(error.message.includes(JSON.stringify(text)));
      assert.match(error.hint ?? "", /start, end, a seq/);
      return true;
    }, text);
  }
  assert.throws(() => parseOffset("@-1"), { message: /a time ago is a number with a unit/ });
});

Deno.test("resolveOffset gives the first seq to read, within the topic but for a seq behind its end", () => {
  const around = fc.oneof(
    fc.constantFrom<Offset>({ kind: "start" }, { kind: "end" }),
    fc.nat(120).map((seq): Offset => ({ kind: "seq", seq })),
    fc.nat(40).map((count): Offset => ({ kind: "last", count })),
    fc.nat(1100).map((at): Offset => ({ kind: "time", at })),
    fc.nat(1100).map((ms): Offset => ({ kind: "ago", ms })),
  );
  fc.assert(
    fc.property(topic, around, fc.nat(1100), (given, offset, now) => {
      const view = viewOf(given, now);
      const { firstSeq, lastSeq } = view.head;
      const seq = resolveOffset(offset, view);
      assert.ok(seq >= firstSeq, "never below what is there");
      if (offset.kind !== "seq") assert.ok(seq <= lastSeq + 1, "at most behind the last");
      if (offset.kind === "start") assert.equal(seq, firstSeq);
      if (offset.kind === "end") assert.equal(seq, lastSeq + 1);
      if (offset.kind === "seq" && offset.seq >= firstSeq) assert.equal(seq, offset.seq);
      if (offset.kind === "last") {
        assert.equal(lastSeq + 1 - seq, Math.min(offset.count, given.times.length));
      }
      if (offset.kind === "time" || offset.kind === "ago") {
        const at = offset.kind === "time" ? offset.at : now - offset.ms;
        assert.equal(seq, view.seekTime(at));
      }
    }),
    { numRuns: 1000 },
  );
});

Deno.test("isTopicless is true only for offsets that mean the same on any topic", () => {
  fc.assert(fc.property(offset, (given) => {
    assert.equal(isTopicless(given), ["start", "end", "time", "ago"].includes(given.kind));
  }));
});
