/** Durations and sizes: formatting, parsing, and what is refused. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import {
  formatBytes,
  formatDuration,
  parseBytes,
  parseDuration,
} from "../../../core/base/units.ts";
import { InvalidArgumentError } from "../../../core/base/errors.ts";

const MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const;
const unit = fc.constantFrom(...Object.keys(MS) as (keyof typeof MS)[]);

Deno.test("parseDuration reads back what formatDuration wrote", () => {
  fc.assert(fc.property(fc.nat(Number.MAX_SAFE_INTEGER), (ms) => {
    const text = formatDuration(ms);
    assert.equal(parseDuration(text), ms, text);
    assert.match(text, /^(0|(\d+d)?(\d+h)?(\d+m)?(\d+s)?(\d+ms)?)$/);
  }));
});

Deno.test("formatDuration gives something that is read back when it is given a part of a millisecond", () => {
  fc.assert(fc.property(fc.double({ min: 0, max: 1e9, noNaN: true }), (ms) => {
    assert.equal(parseDuration(formatDuration(ms)), Math.round(ms));
  }));
  assert.equal(formatDuration(0.4), "0");
});

Deno.test("formatDuration writes the shortest exact form", () => {
  const cases: [number, string][] = [
    [0, "0"],
    [1, "1ms"],
    [1000, "1s"],
    [90_000, "1m30s"],
    [5_400_000, "1h30m"],
    [86_400_000 * 14, "14d"],
    [86_400_001, "1d1ms"],
  ];
  for (const [ms, text] of cases) assert.equal(formatDuration(ms), text);
});

Deno.test("parseDuration adds up its parts, whatever their order", () => {
  const part = fc.record({ count: fc.nat(9999), unit });
  fc.assert(fc.property(fc.array(part, { minLength: 1, maxLength: 5 }), (parts) => {
    const text = parts.map(({ count, unit }) => `${count}${unit}`).join("");
    assert.equal(
      parseDuration(text),
      parts.reduce((sum, { count, unit }) => sum + count * MS[unit], 0),
    );
  }));
  assert.equal(parseDuration("1.5h"), 5_400_000);
  assert.equal(parseDuration("0"), 0);
  assert.equal(parseDuration("0.4ms"), 0);
});

Deno.test("parseDuration refuses everything that its grammar does not have", () => {
  const grammar = /^(0|(\d+(\.\d+)?(ms|s|m|h|d|w))+)$/;
  const text = fc.oneof(
    fc.string({ maxLength: 12 }),
    fc.string({ unit: fc.constantFrom(..."0159.smhdw -+e\n"), maxLength: 8 }),
    fc.constantFrom("", "-1s", "+1s", "1", "5 s", "1S", "1sec", ".5s", "1.s", "1e3s", "Infinitys"),
  );
  fc.assert(
    fc.property(text, (given) => {
      if (grammar.test(given)) return assert.ok(parseDuration(given) >= 0);
      assert.throws(() => parseDuration(given), InvalidArgumentError);
    }),
    { numRuns: 1000 },
  );
});

Deno.test("parseDuration says what it reads for, and asks for the unit when there is only a number", () => {
  assert.throws(() => parseDuration("30", "--timeout"), (error) => {
    assert.ok(error instanceof InvalidArgumentError);
    assert.match(error.message, /^--timeout is a number with a unit, such as .* not "30"$/);
    assert.equal(error.hint, "did you mean 30s or 30ms?");
    return true;
  });
  assert.throws(() => parseDuration("x".repeat(500)), (error) => {
    assert.ok(error instanceof InvalidArgumentError);
    assert.ok(error.message.length < 200, "a long text is cut");
    return true;
  });
});

Deno.test("parseDuration refuses what is longer than a whole number can be", () => {
  for (const text of ["9007199254740992ms", `${"9".repeat(400)}s`, "99999999999999w"]) {
    assert.throws(() => parseDuration(text), InvalidArgumentError, text);
  }
  assert.equal(parseDuration("9007199254740991ms"), Number.MAX_SAFE_INTEGER);
});

Deno.test("parseBytes reads numbers with every unit, in any case, with a space or none", () => {
  const powers: Record<string, number> = {
    "": 1,
    b: 1,
    kb: 1e3,
    mb: 1e6,
    gb: 1e9,
    kib: 2 ** 10,
    mib: 2 ** 20,
    gib: 2 ** 30,
    tib: 2 ** 40,
  };
  const name = fc.constantFrom(...Object.keys(powers));
  fc.assert(fc.property(fc.nat(8000), name, fc.boolean(), (count, unit, upper) => {
    const shown = upper ? unit.toUpperCase() : unit;
    for (const space of unit === "" ? [""] : ["", " "]) {
      assert.equal(parseBytes(`${count}${space}${shown}`), count * powers[unit]!);
    }
  }));
  assert.equal(parseBytes("1.5MiB"), 1_572_864);
});

Deno.test("parseBytes refuses what is no size and says what it reads for", () => {
  for (
    const text of [
      "",
      " ",
      "-1",
      "1.",
      ".5",
      "1ib",
      "1 elephant",
      "1k",
      "1  kb",
      "1e3",
      "1\n",
      "NaN",
    ]
  ) {
    assert.throws(() => parseBytes(text, "--max-bytes"), {
      name: "InvalidArgumentError",
      message: /^--max-bytes is a number of bytes, such as/,
    }, text);
  }
  assert.throws(() => parseBytes("9007199254740992"), InvalidArgumentError);
  assert.throws(() => parseBytes("9".repeat(400)), InvalidArgumentError);
});

Deno.test("formatBytes shows a number below 1024 and is off by less than a twentieth", () => {
  const scale: Record<string, number> = {
    B: 1,
    KiB: 2 ** 10,
    MiB: 2 ** 20,
    GiB: 2 ** 30,
    TiB: 2 ** 40,
  };
  fc.assert(fc.property(fc.oneof(fc.nat(5000), fc.nat(2 ** 40), fc.nat(2 ** 31)), (bytes) => {
    const [number, unit] = formatBytes(bytes).split(" ");
    assert.ok(Number(number) < 1024, formatBytes(bytes));
    assert.ok(Math.abs(Number(number) * scale[unit!]! - bytes) <= bytes / 20, formatBytes(bytes));
  }));
  assert.deepEqual([0, 1023, 1024, 1536, 1_048_575, 2 ** 20].map(formatBytes), [
    ...["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "1.0 MiB", "1.0 MiB"],
  ]);
});
