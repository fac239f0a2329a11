/** Backoff: its bounds for any number of failures, formatting and parsing, and what is refused. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { formatDuration } from "../../../core/base/units.ts";
import { InvalidArgumentError } from "../../../core/base/errors.ts";
import {
  backoffDelay,
  type BackoffSpec,
  checkBackoff,
  defaultBackoff,
  formatBackoff,
  parseBackoff,
} from "../../../core/event/backoff.ts";

const YEAR = 365 * 86_400_000;
const ms = fc.oneof(fc.nat(YEAR), fc.nat(10_000), fc.constantFrom(0, 1, YEAR));
const kind = fc.constantFrom<BackoffSpec["kind"]>("fixed", "linear", "exp");
const spec = fc.tuple(kind, ms, ms, fc.boolean()).map(
  ([kind, a, b, jitter]): BackoffSpec => {
    const [base, max] = a < b ? [a, b] : [b, a];
    return { kind, base, max: kind === "fixed" ? base : max, jitter };
  },
);
const failures = fc.oneof(fc.integer({ min: 1, max: 20 }), fc.nat(Number.MAX_SAFE_INTEGER));
/** What `Math.random` may give, its ends included. */
const random = fc.oneof(
  fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  fc.constantFrom(0, 1 - 2 ** -53),
);

/** The same wait by the rule, in numbers that cannot overflow. */
function exactly({ kind, base, max }: BackoffSpec, failures: number): number {
  const n = BigInt(failures < 1 ? 1 : failures);
  // After 40 doublings even 1 ms is over a year.
  const doublings = n - 1n < 40n ? n - 1n : 40n;
  const factor = kind === "fixed" ? 1n : kind === "linear" ? n : 2n ** doublings;
  const wait = BigInt(base) * factor;
  return wait < BigInt(max) ? Number(wait) : max;
}

Deno.test("backoffDelay is what the rule says when there is no jitter, for any number of failures", () => {
  fc.assert(
    fc.property(spec, failures, (given, failures) => {
      assert.equal(backoffDelay({ ...given, jitter: false }, failures), exactly(given, failures));
    }),
    { numRuns: 1000 },
  );
});

Deno.test("backoffDelay stays between nothing and the rule's wait when there is jitter", () => {
  fc.assert(
    fc.property(spec, failures, random, (given, failures, drawn) => {
      const jittered = backoffDelay({ ...given, jitter: true }, failures, () => drawn);
      assert.ok(Number.isSafeInteger(jittered));
      assert.ok(jittered >= 0 && jittered <= exactly(given, failures));
    }),
    { numRuns: 1000 },
  );
});

Deno.test("backoffDelay spreads over the whole wait when there is jitter", () => {
  const jittered: BackoffSpec = { kind: "fixed", base: 1000, max: 1000, jitter: true };
  assert.deepEqual([0, 0.25, 0.999].map((drawn) => backoffDelay(jittered, 1, () => drawn)), [
    ...[0, 250, 999],
  ]);
  const draws = Array.from({ length: 200 }, () => backoffDelay(jittered, 1));
  assert.ok(new Set(draws).size > 20, "it draws by itself");
});

Deno.test("backoffDelay asks for no random number when there is no jitter", () => {
  const random = () => assert.fail("nothing is to be drawn");
  assert.equal(backoffDelay({ ...defaultBackoff, jitter: false }, 3, random), 4000);
});

Deno.test("backoffDelay never falls as failures rise, and stays at the cap", () => {
  fc.assert(fc.property(spec, fc.nat(2000), (given, failures) => {
    const fixed = { ...given, jitter: false };
    assert.ok(backoffDelay(fixed, failures) <= backoffDelay(fixed, failures + 1));
    assert.ok(backoffDelay(fixed, failures) <= given.max);
  }));
  assert.equal(backoffDelay({ ...defaultBackoff, jitter: false }, 1e15), 300_000);
});

Deno.test("parseBackoff reads back what formatBackoff wrote", () => {
  fc.assert(fc.property(spec, (given) => {
    assert.deepEqual(parseBackoff(formatBackoff(given)), given);
  }));
  assert.equal(formatBackoff(defaultBackoff), "exp:1s..5m,jitter");
});

Deno.test("parseBackoff takes the default cap when none is said, and a longer base over it", () => {
  assert.deepEqual(parseBackoff("exp:1s"), { ...defaultBackoff, jitter: false });
  assert.equal(parseBackoff("linear:10m").max, 600_000);
  assert.equal(parseBackoff("fixed:10m").max, 600_000);
  assert.deepEqual(parseBackoff("exp:1.5s..2.5m,jitter"), {
    ...{ kind: "exp", base: 1500, max: 150_000, jitter: true },
  });
});

Deno.test("parseBackoff refuses what is no backoff", () => {
  const wrong = [
    ...["", "exp", "exp:", "exp:1", "exp:1s..", "exp:..5m", "cubic:1s", "exp:1s...5m", "Exp:1s"],
    ...["exp:1s,jit", "exp:1s,jitter,jitter", "exp:5m..1s", "exp:1s..366d", "fixed:53w", "exp:-1s"],
    ...["exp:1s..5m..9m", "exp: 1s", "exp:1s..5m,jitter\n"],
  ];
  for (const text of wrong) assert.throws(() => parseBackoff(text), InvalidArgumentError, text);
});

Deno.test("parseBackoff refuses a base over the cap, and takes any other", () => {
  fc.assert(fc.property(ms, ms, (base, max) => {
    const text = `exp:${formatDuration(base)}..${formatDuration(max)}`;
    if (base <= max) {
      assert.deepEqual(parseBackoff(text), { kind: "exp", base, max, jitter: false });
    } else assert.throws(() => parseBackoff(text), InvalidArgumentError);
  }));
});

Deno.test("checkBackoff takes JSON that is a backoff and names the field when it is none", () => {
  fc.assert(fc.property(spec, (given) => assert.deepEqual(checkBackoff({ ...given }), given)));
  const field = fc.constantFrom<keyof BackoffSpec>("kind", "base", "max", "jitter");
  const value = fc.constantFrom<unknown>(
    null,
    undefined,
    -1,
    1.5,
    NaN,
    YEAR + 1,
    "1s",
    "x",
    [],
    {},
  );
  fc.assert(fc.property(spec, field, value, (given, field, value) => {
    const broken = { ...given, [field]: value } as BackoffSpec;
    assert.throws(() => checkBackoff(broken), { details: { field: "backoff" } });
  }));
  for (const given of [null, undefined, "exp:1s", 5, []]) {
    assert.throws(() => checkBackoff(given as unknown as BackoffSpec), InvalidArgumentError);
  }
});

Deno.test("parseBackoff takes the cap of a fixed wait for nothing said, and refuses one below it", () => {
  assert.deepEqual(parseBackoff("fixed:1s..5m"), parseBackoff("fixed:1s"));
  assert.throws(() => parseBackoff("fixed:5m..1s"), InvalidArgumentError);
});
