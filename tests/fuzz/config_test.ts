/**
 * The config file: any text is either read as valid settings, or refused with an error that names
 * the file. A daemon never starts with a setting that it does not understand.
 */
import assert from "node:assert/strict";
import fc from "../packages/fast_check.ts";
import { InvalidArgumentError } from "../../core/base/errors.ts";
import { defaultConfig, parseConfig } from "../../daemon/config.ts";
import { cases, fuzz, hostileText, nearly } from "./fuzz.ts";

const file = "config_test.ts";

const key = fc.constantFrom(
  ...[
    "store",
    "durability",
    "max_event_bytes",
    "dedup_window",
    "auto_create_topics",
    "max_connections",
  ],
  ...[
    "log.level",
    "log.max_bytes",
    "alert.dead_letters",
    "alert.lag",
    "log",
    "stor",
    "__proto__",
    '""',
    '"a b"',
  ],
  ...["a.b.c.d.e", "constructor.prototype"],
);
const value: fc.Arbitrary<string> = fc.letrec<{ v: string }>((tie) => ({
  v: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    fc.constantFrom(
      ...[
        '"sqlite"',
        '"file"',
        '"always"',
        '"interval:5ms"',
        '"interval:x"',
        '"info"',
        '"24h"',
        '"1MiB"',
        '"1.5 kB"',
      ],
      ...[
        "true",
        "false",
        "0",
        "4",
        "512",
        "1_000",
        "0x10",
        "-1",
        "1e6",
        "inf",
        "nan",
        "-0.0",
        "9007199254740993",
      ],
      ...[
        "99999999999999999999",
        "2026-11-23",
        "2026-11-23T10:00:00Z",
        "07:32:00",
        '"""a\nb"""',
        "'''x'''",
        '"\\u0000"',
      ],
    ),
    fc.array(tie("v"), { maxLength: 3 }).map((items) => `[${items.join(", ")}]`),
    fc.tuple(key, tie("v")).map(([key, value]) => `{ ${key} = ${value} }`),
  ),
})).v;
const line = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(key, value).map(([key, value]) => `${key} = ${value}`) },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      "[log]",
      "[alert]",
      "[[log]]",
      "[x.y]",
      "# words",
      "",
      "[__proto__]",
    ),
  },
);
const document = fc.array(line, { maxLength: 6 }).map((lines) => lines.join("\n"));
/** What recursion would fall over. */
const deep = fc.tuple(
  fc.constantFrom(
    ["", "a.", "a = 1"],
    ["log.level.", "a.", "a = 1"],
    ["store = [{", "a.", "a = 1}]"],
    ["store = ", "[", ""],
    ["a = ", "{a=", ""],
    ["", "[a]\n", ""],
  ),
  fc.integer({ min: 100, max: 20_000 }),
).map(([[head, piece, tail], times]) => head + piece!.repeat(times) + tail);

/** The allowed values of each setting, independent of the code. */
function assertSound(config: Record<string, unknown>): void {
  for (const [name, value] of Object.entries(config)) {
    assert.ok(Object.hasOwn(defaultConfig, name), name);
    assert.equal(typeof value, typeof defaultConfig[name as keyof typeof defaultConfig], name);
    if (typeof value === "number") {
      assert.ok(Number.isSafeInteger(value) && value >= 0, `${name}: ${value}`);
    }
  }
}

Deno.test("parseConfig reads any text as settings that are in force, or refuses it in words that name the file", async () => {
  let taken = 0;
  const any = fc.oneof(
    { weight: 60, arbitrary: document },
    { weight: 60, arbitrary: nearly(document) },
    { weight: 20, arbitrary: hostileText },
    { weight: 1, arbitrary: deep },
  );
  await fuzz(
    fc.property(any, (text) => {
      try {
        const config = parseConfig(text, "evs.toml");
        assertSound(config as Record<string, unknown>);
        if (Object.keys(config).length > 0) taken++;
      } catch (error) {
        assert.ok(error instanceof InvalidArgumentError, `not in words: ${(error as Error).stack}`);
        assert.equal(error.code, "config/invalid");
        assert.match(error.message, /^evs\.toml[:,]/);
      }
    }),
    { numRuns: cases(10_000), file },
  );
  assert.ok(taken > 0, "some of them are config files");
  assert.deepEqual(
    Object.keys(Object.prototype),
    [],
    "and nothing reached the prototype of all objects",
  );
});
