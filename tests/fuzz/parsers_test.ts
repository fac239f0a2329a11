/**
 * The parsers of text that people and strangers type: offsets, durations, sizes, backoffs, names,
 * patterns, expected seqs. Any text is parsed to a valid value or refused with an error that quotes
 * it; nothing else is ever thrown.
 */
import assert from "node:assert/strict";
import fc from "../packages/fast_check.ts";
import { formatDuration, parseBytes, parseDuration } from "../../core/base/units.ts";
import { InvalidArgumentError } from "../../core/base/errors.ts";
import { parseOffset, resolveOffset } from "../../core/event/offset.ts";
import { backoffDelay, formatBackoff, parseBackoff } from "../../core/event/backoff.ts";
import { parseDurability } from "../../core/event/durability.ts";
import {
  assertTopicName,
  assertTopicPattern,
  compilePattern,
} from "../../core/event/topic_options.ts";
import { parseExpected } from "../../daemon/ingest/decode_event.ts";
import { cases, fuzz, hostileText, nearly } from "./fuzz.ts";

const file = "parsers_test.ts";
const numRuns = cases(10_000);

/** The parser's result for a text; undefined if it refuses it with an error. */
function read<T>(parse: (text: string) => T, text: string): T | undefined {
  try {
    return parse(text);
  } catch (error) {
    assert.ok(error instanceof InvalidArgumentError, `not in words: ${error}`);
    assert.ok(error.message.length > 10 && error.message.length < 1500, error.message);
    return undefined;
  }
}

const digits = fc.oneof(
  fc.nat(100).map(String),
  fc.bigInt({ min: 0n, max: 10n ** 20n }).map(String),
);
const duration = fc.array(
  fc.tuple(
    digits,
    fc.constantFrom("", ".5", ".0001"),
    fc.constantFrom("ms", "s", "m", "h", "d", "w", ""),
  ),
  { maxLength: 4 },
).map((parts) => parts.flat().join(""));
const two = fc.integer({ min: 0, max: 99 }).map((n) => String(n).padStart(2, "0"));
const moment = fc.tuple(
  fc.integer({ min: 0, max: 9999 }).map((year) => String(year).padStart(4, "0")),
  two,
  two,
  fc.oneof(
    fc.constant(""),
    fc.tuple(fc.constantFrom("T", " "), two, two).map(([t, h, m]) => `${t}${h}:${m}`),
  ),
  fc.constantFrom("", "Z", "+01:00", "-0130", ":07", ":59.123456789Z", "+99:99"),
).map(([year, month, day, time, zone]) => `${year}-${month}-${day}${time}${zone}`);
const offset = fc.oneof(
  fc.constantFrom("start", "end", "-0", "@", "@-", "0"),
  digits,
  digits.map((text) => `-${text}`),
  digits.map((text) => `@${text}`),
  duration.map((text) => `@-${text}`),
  moment.map((text) => `@${text}`),
);
const segment = fc.constantFrom("*", "**", "a", "b", "order", "Z9_-", "");
const pattern = fc.array(segment, { minLength: 1, maxLength: 8 }).map((parts) => parts.join("."));
const name = fc.array(fc.constantFrom("a", "b", "order", "Z9_-", ""), {
  minLength: 1,
  maxLength: 6,
})
  .map((parts) => parts.join("."));

/** Near to what is meant, and anything at all. */
const any = (valid: fc.Arbitrary<string>) =>
  fc.oneof({ weight: 4, arbitrary: nearly(valid) }, { weight: 1, arbitrary: hostileText });

Deno.test("parseOffset reads any text as an offset that leads to a seq, or refuses it in words", async () => {
  const heads = [
    { firstSeq: 1, lastSeq: 0 },
    { firstSeq: 7, lastSeq: 12 },
    { firstSeq: 1, lastSeq: Number.MAX_SAFE_INTEGER },
  ];
  await fuzz(
    fc.property(any(offset), fc.constantFrom(...heads), (text, head) => {
      const parsed = read(parseOffset, text);
      if (!parsed) return;
      const seq = resolveOffset(parsed, {
        head,
        now: 1_800_000_000_000,
        seekTime: (at) => {
          assert.ok(Number.isFinite(at), `${text}: ${at} is a moment`);
          return head.firstSeq;
        },
      });
      assert.ok(Number.isSafeInteger(seq - 1) && seq >= head.firstSeq, `${text}: seq ${seq}`);
    }),
    { numRuns, file },
  );
});

Deno.test("parseDuration and parseBytes read any text as a whole number from 0, or refuse it in words", async () => {
  await fuzz(
    fc.property(any(duration), (text) => {
      const ms = read(parseDuration, text);
      if (ms === undefined) return;
      assert.ok(Number.isSafeInteger(ms) && ms >= 0, `${text}: ${ms}`);
      assert.equal(parseDuration(formatDuration(ms)), ms, text);
    }),
    { numRuns, file },
  );
  const size = fc.tuple(
    digits,
    fc.constantFrom("", ".5"),
    fc.constantFrom("", " "),
    fc.constantFrom("", "B", "kB", "MiB", "TiB"),
  )
    .map((parts) => parts.join(""));
  await fuzz(
    fc.property(any(size), (text) => {
      const bytes = read(parseBytes, text);
      assert.ok(
        bytes === undefined || (Number.isSafeInteger(bytes) && bytes >= 0),
        `${text}: ${bytes}`,
      );
    }),
    { numRuns, file },
  );
});

Deno.test("parseBackoff, parseDurability and parseExpected read any text as what is in force, or refuse it in words", async () => {
  const backoff = fc.tuple(
    fc.constantFrom("fixed:", "linear:", "exp:", "exp"),
    duration,
    fc.constantFrom("", ".."),
    duration,
    fc.constantFrom("", ",jitter"),
  )
    .map((parts) => parts.join(""));
  await fuzz(
    fc.property(any(backoff), fc.nat(5000), (text, failures) => {
      const spec = read(parseBackoff, text);
      if (!spec) return;
      assert.deepEqual(parseBackoff(formatBackoff(spec)), spec, text);
      const wait = backoffDelay(spec, failures, () => 0.999);
      assert.ok(Number.isSafeInteger(wait) && wait >= 0 && wait <= spec.max, `${text}: ${wait}`);
    }),
    { numRuns, file },
  );
  await fuzz(
    fc.property(
      any(fc.oneof(duration.map((text) => `interval:${text}`), fc.constantFrom("always", "os"))),
      (text) => {
        const durability = read(parseDurability, text);
        if (durability === undefined) return;
        assert.match(durability, /^(?:always|os|interval:[1-9]\d*)$/);
        assert.equal(
          parseDurability(`${durability}${durability.startsWith("i") ? "ms" : ""}`),
          durability,
        );
      },
    ),
    { numRuns, file },
  );
  await fuzz(
    fc.property(any(fc.oneof(digits, fc.constantFrom("none", "exists", "any"))), (text) => {
      const expected = read(parseExpected, text);
      assert.ok(
        [undefined, "none", "exists", "any"].includes(expected as string) ||
          (Number.isSafeInteger(expected) && expected as number >= 0),
        `${text}: ${expected}`,
      );
    }),
    { numRuns, file },
  );
});

/** What a pattern means, written without a thought for speed. */
function means(pattern: readonly string[], topic: readonly string[]): boolean {
  const [first, ...rest] = pattern;
  if (first === undefined) return topic.length === 0;
  if (topic.length === 0) return false;
  const after = topic.slice(1);
  if (first === "**") return means(rest, after) || means(pattern, after);
  return (first === "*" || first === topic[0]) && means(rest, after);
}

Deno.test("compilePattern matches what the pattern means, and refuses in words what is none", async () => {
  await fuzz(
    fc.property(any(pattern), name, (text, topic) => {
      const matches = read(compilePattern, text);
      assert.equal(read(assertTopicPattern, text) !== undefined, matches !== undefined, text);
      if (!matches) return;
      const expected = text.includes("*")
        ? means(text.split("."), topic.split("."))
        : text === topic;
      assert.equal(matches(topic), expected, `${text} and ${topic}`);
    }),
    { numRuns, file },
  );
});

Deno.test("assertTopicName lets nothing through that could leave a folder", async () => {
  await fuzz(
    fc.property(any(name), (text) => {
      const taken = read(assertTopicName, text) !== undefined;
      const fine = /^[A-Za-z0-9._-]{1,128}$/.test(text) && text !== "." && text !== "..";
      assert.equal(taken, fine, JSON.stringify(text));
    }),
    { numRuns, file },
  );
});
