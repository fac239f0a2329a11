/**
 * What all fuzzers here share: the number of cases, a reproducible seed, and texts that break
 * parsers.
 *
 * A case is made only from the seed and its own number, so that a failure names one line to type:
 * `EVS_SEED=N deno test …` runs the same cases again. fast-check does the shrinking where nothing
 * is kept from case to case.
 */
import fc from "../packages/fast_check.ts";
import { seed } from "../helpers/seed.ts";

/** The cases of a nightly run of each fuzzer (EVS_DOSE=10). */
const NIGHTLY = 100_000;

/** How many cases this run does: `inSuite` of them, and a nightly run's 100,000. */
export function cases(inSuite: number): number {
  const factor = Number(Deno.env.get("EVS_DOSE") ?? "1");
  if (!(factor > 0)) throw new Error("EVS_DOSE is a number above 0");
  return factor >= 10
    ? Math.round(NIGHTLY * factor / 10)
    : Math.max(1, Math.round(inSuite * factor));
}

/**
 * Runs a property over this many cases; a failure says how to reproduce it. `file`: the test file,
 * below tests/fuzz.
 */
export async function fuzz<T>(
  property: fc.IAsyncProperty<T> | fc.IProperty<T>,
  { numRuns, file }: { numRuns: number; file: string },
): Promise<void> {
  try {
    await fc.assert(property as fc.IAsyncProperty<T>, { seed, numRuns });
  } catch (cause) {
    throw reproducible(cause, file);
  }
}

/** The error, with what runs the same cases again. */
export function reproducible(cause: unknown, file: string): Error {
  const why = cause instanceof Error ? cause.stack ?? cause.message : String(cause);
  const dose = Deno.env.get("EVS_DOSE");
  const again = `EVS_SEED=${seed} ${
    dose ? `EVS_DOSE=${dose} ` : ""
  }deno test -A tests/fuzz/${file}`;
  return new Error(`${again} reproduces it:\n${why}`, { cause });
}

/**
 * Characters that parsers forget: controls, bidi, other scripts' digits, lone surrogates, what
 * quotes and escapes.
 */
export const hostileCharacter: fc.Arbitrary<string> = fc.constantFrom(
  ...["\0", "\x01", "\x1b", "\x7f", "\x85", "\n", "\r", "\t", " ", "\u00a0", "\u2028", "\ufeff"],
  ...[
    "\u202e",
    "\u2066",
    "\u0660",
    "\uff19",
    "\u0131",
    "\u212a",
    "e\u0301",
    "\ud800",
    "\udfff",
    "\u{1f600}",
  ],
  ...[
    "%",
    "%2e",
    "%00",
    "/",
    "\\",
    '"',
    "'",
    "`",
    "$",
    "#",
    "*",
    "**",
    ".",
    "..",
    "-",
    "+",
    "@",
    ":",
    ",",
    ";",
  ],
  ...[
    "0",
    "9",
    "1e3",
    "0x",
    "Infinity",
    "NaN",
    "null",
    "__proto__",
    "constructor",
    "[",
    "]",
    "{",
    "}",
    "(",
    ")",
    "|",
  ],
);

/** Any text: mostly of hostile characters, at times long. */
export const hostileText: fc.Arbitrary<string> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.array(hostileCharacter, { maxLength: 12 }).map((parts) => parts.join("")),
  },
  { weight: 3, arbitrary: fc.string({ unit: "binary", maxLength: 24 }) },
  {
    weight: 1,
    arbitrary: fc.tuple(hostileCharacter, fc.integer({ min: 50, max: 3000 }))
      .map(([character, times]) => character.repeat(times)),
  },
);

type Edit = {
  at: number;
  kind: "insert" | "delete" | "replace" | "double";
  text: string;
  length: number;
};

/** A text, edited a few times: near enough to what is taken to reach the parser's depths. */
export function nearly(text: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const edit: fc.Arbitrary<Edit> = fc.record({
    at: fc.nat(),
    kind: fc.constantFrom("insert", "delete", "replace", "double"),
    text: hostileCharacter,
    length: fc.integer({ min: 1, max: 4 }),
  });
  return fc.tuple(text, fc.array(edit, { maxLength: 3 })).map(([text, edits]) =>
    edits.reduce(edited, text)
  );
}

function edited(text: string, { at, kind, text: added, length }: Edit): string {
  const place = at % (text.length + 1);
  const [head, piece, tail] = [
    text.slice(0, place),
    text.slice(place, place + length),
    text.slice(place + length),
  ];
  switch (kind) {
    case "insert":
      return head + added + piece + tail;
    case "delete":
      return head + tail;
    case "replace":
      return head + added + tail;
    case "double":
      return head + piece + piece + tail;
  }
}

/** Bytes, cut into chunks at any places. */
export function cut(bytes: Uint8Array, at: readonly number[]): Uint8Array[] {
  const places = [...new Set(at.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...places].map((place, i) => bytes.slice(place, places[i] ?? bytes.length));
}
