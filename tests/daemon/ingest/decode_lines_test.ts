/** Lines are decoded to the same events whether they are packed or inspected one by one. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { linesIn } from "../../../core/base/bytes.ts";
import { IdSource } from "../../../core/event/id.ts";
import { badByteOf } from "../../../core/json/utf8.ts";
import { eventsOf, isPacked } from "../../../core/store/pack.ts";
import { EventDecoder, type EventDecoderOptions } from "../../../daemon/ingest/decode_event.ts";
import { LineDecoder } from "../../../daemon/ingest/decode_lines.ts";
import { dose } from "../../helpers/dose.ts";
import { CORPUS, jsonText } from "../../helpers/json_text.ts";
import { heldInOneOf } from "../../helpers/series.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const LIMIT = 2000;

interface Taken {
  payloads: string[];
  versions: string[];
  refused: [line: number, code: string, message: string][];
  lines: number;
  /** How many of the payloads were packed. */
  packed: number;
}

interface Run {
  /** The version to record when chunk `n` comes; undefined: payloads have to be looked at. */
  version?: (n: number) => string | undefined;
  stop?: boolean;
  options?: Partial<EventDecoderOptions>;
  text?: boolean;
  limit?: number;
  /** What has come is taken after every chunk with an even number. */
  often?: boolean;
}

function run(
  chunks: readonly Uint8Array[],
  { version, stop, options, text, often, limit = LIMIT }: Run,
): Taken {
  const taken: Taken = { payloads: [], versions: [], refused: [], lines: 0, packed: 0 };
  const ids = new IdSource();
  let chunk = 0;
  const now = () => version?.(chunk) ?? "1.0";
  const decoderOptions = { type: "x", metadata: "{}", ...options };
  const eventDecoder = new EventDecoder(decoderOptions, {
    admit: now,
    nextId: (time) => ids.next(time),
    stamp: (event) => event,
    now: () => 1,
    maxEventBytes: text ? limit + 1000 : limit,
  });
  const lines = new LineDecoder({
    topic: "t",
    options: decoderOptions,
    decoder: eventDecoder,
    ids,
    expiryNow: () => 1,
    now: () => 1,
    limit,
    firstLine: 1,
    text,
    unchecked: () => version?.(chunk),
    refuse(line, error) {
      const { code, message } = error.toBody();
      taken.refused.push([line, code, message]);
      return !stop;
    },
  });
  const take = () => {
    for (const request of lines.take()) {
      const events = eventsOf(request);
      if (isPacked(request)) taken.packed += events.length;
      taken.payloads.push(...events.map(({ payload }) => decoder.decode(payload)));
      taken.versions.push(...events.map(({ schemaVersion }) => schemaVersion));
    }
  };
  for (chunk = 0; chunk < chunks.length; chunk++) {
    lines.push(chunks[chunk]!);
    if (often && chunk % 2 === 0) take();
  }
  lines.end();
  take();
  return { ...taken, lines: lines.lines };
}

function cut(bytes: Uint8Array, at: readonly number[]): Uint8Array[] {
  const places = [...new Set(at.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...places].map((place, i) => bytes.slice(place, places[i] ?? bytes.length));
}

const lineBytes = fc.oneof(
  { weight: 6, arbitrary: jsonText.map((text) => encoder.encode(text)) },
  { weight: 2, arbitrary: fc.constantFrom(...CORPUS).map((text) => encoder.encode(text)) },
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      "",
      "  ",
      "\t\r",
      "{",
      '{"a":1',
      "1 2",
      '{"a":\r1}',
      '{"a":1}\r',
      '"x\r"',
      "[".repeat(65) + "]".repeat(65),
      `"${"x".repeat(LIMIT)}"`,
      "not json",
      "\ufeff1",
      '{"ü":"€𝄞"}\r',
    ).map((text) => encoder.encode(text)),
  },
  { weight: 1, arbitrary: fc.constant(Uint8Array.of(0x22, 0xff, 0x22)) },
  { weight: 1, arbitrary: fc.constant(Uint8Array.of(0x22, 0xed, 0xa0, 0x80, 0x22)) },
);
const upload = fc.record({
  lines: fc.array(lineBytes, { maxLength: 12 }),
  ended: fc.boolean(),
  cuts: fc.array(fc.nat(), { maxLength: 6 }),
}).map(({ lines, ended, cuts }) => {
  const bytes = lines.flatMap((
    line,
    i,
  ) => [...line, ...(ended || i < lines.length - 1 ? [10] : [])]);
  return cut(Uint8Array.from(bytes), cuts);
});

Deno.test("LineDecoder takes and refuses the same lines whether it packs them or not", () => {
  fc.assert(
    fc.property(upload, fc.boolean(), fc.boolean(), (chunks, stop, often) => {
      const one = run(chunks, { version: () => undefined, stop, often });
      const packed = run(chunks, { version: () => "1.0", stop, often });
      assert.equal(packed.packed, packed.payloads.length, "all of them were packed");
      assert.equal(one.packed, 0);
      assert.deepEqual({ ...packed, packed: 0 }, one);
    }),
    { numRuns: dose(500) },
  );
});

Deno.test("LineDecoder loses and doubles no line when a schema comes or goes in between", () => {
  const change = fc.array(fc.constantFrom("1.0", "2.0", undefined), { minLength: 8, maxLength: 8 });
  fc.assert(
    fc.property(upload, change, fc.boolean(), (chunks, versions, often) => {
      const one = run(chunks, { version: () => undefined, often });
      const mixed = run(chunks, { version: (n) => versions[n % versions.length], often });
      assert.deepEqual(
        { ...mixed, packed: 0, versions: [] },
        { ...one, versions: [] },
      );
    }),
    { numRuns: dose(500) },
  );
});

Deno.test("LineDecoder records the version that held when a line came", () => {
  const chunks = ["1\n2", "\n3\n", "4\n5\n"].map((text) => encoder.encode(text));
  const { payloads, versions } = run(chunks, { version: (n) => ["1.0", "2.0", "2.0"][n] });
  assert.deepEqual(payloads, ["1", "2", "3", "4", "5"]);
  assert.deepEqual(versions, ["1.0", "2.0", "2.0", "2.0", "2.0"]);
});

Deno.test("LineDecoder packs no line whose id or key must be made from it", () => {
  const chunks = [encoder.encode('{"a":"k"}\n')];
  for (const options of [{ idPrefix: "p" }, { keyPointer: "/a" }]) {
    assert.equal(run(chunks, { version: () => "1.0", options }).packed, 0, JSON.stringify(options));
  }
  assert.equal(run(chunks, { version: () => "1.0", options: { key: "k" } }).packed, 1);
});

Deno.test("LineDecoder holds no more than a line when nothing of what comes is an event", async () => {
  const blank = encoder.encode("\n".repeat(100_000));
  const before = Deno.memoryUsage().external;
  // When garbage is collected is chance. What is kept adds up.
  await heldInOneOf(() => {
    const { lines, payloads } = run(Array.from({ length: 400 }, () => blank), {
      version: () => "1.0",
    });
    assert.deepEqual([lines, payloads.length], [0, 0]);
    const grown = Deno.memoryUsage().external - before;
    return Promise.resolve({ holds: grown < 16 * 1024 * 1024, figures: `${grown} bytes` });
  });
});

const textBytes = fc.array(
  fc.oneof(
    {
      weight: 20,
      arbitrary: fc.constantFrom('"', "\\", "\\n", "\r", "\t", "\x00", "\x1f", "\x7f", "ü", "€")
        .map((text) => encoder.encode(text)),
    },
    {
      weight: 20,
      arbitrary: fc.constantFrom("\u{1f600}", "\u2028", "\ufeff", "!", "#", " ", "plain text, ")
        .map((text) => encoder.encode(text)),
    },
    { weight: 20, arbitrary: fc.constant(Uint8Array.of(10)) },
    {
      weight: 2,
      arbitrary: fc.integer({ min: 0x80, max: 0xff }).map((byte) => Uint8Array.of(byte)),
    },
    {
      weight: 1,
      arbitrary: fc.tuple(fc.constantFrom('"', "x", "\x01", "ü"), fc.integer({ min: -3, max: 3 }))
        .map(([unit, more]) => {
          const whole = (LIMIT - 2) / (JSON.stringify(unit).length - 2 + (unit === "ü" ? 1 : 0));
          return encoder.encode(unit.repeat(Math.floor(whole) + more));
        }),
    },
  ),
  { maxLength: 30 },
);
const textUpload = fc.record({ parts: textBytes, cuts: fc.array(fc.nat(), { maxLength: 6 }) })
  .map(({ parts, cuts }) => ({
    bytes: Uint8Array.from(parts.flatMap((part) => [...part])),
    cuts,
  }));

function isUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}

/** What lines of text become, by a decoder and `JSON.stringify`. */
function wanted(bytes: Uint8Array, stop: boolean): Omit<Taken, "versions" | "packed"> {
  const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const taken: Omit<Taken, "versions" | "packed"> = { payloads: [], refused: [], lines: 0 };
  for (const line of linesIn(bytes)) {
    if (stop && taken.refused.length > 0) break;
    taken.lines++;
    // Escaped as if every byte were a character: what has to be escaped is ASCII.
    const size = JSON.stringify(String.fromCharCode(...line.bytes)).length;
    if (size > LIMIT) {
      // Which of two faults is told is left open.
      fc.pre(isUtf8(line.bytes));
      const message = `the line is longer than ${LIMIT} bytes`;
      taken.refused.push([taken.lines, "event/too-large", message]);
      continue;
    }
    try {
      taken.payloads.push(JSON.stringify(strict.decode(line.bytes)));
    } catch {
      const message = `byte ${badByteOf(line.bytes) + 1} of the line is not UTF-8`;
      taken.refused.push([taken.lines, "event/invalid-utf8", message]);
    }
  }
  return taken;
}

Deno.test("LineDecoder makes a JSON string of each line of text, whether it packs them or not", () => {
  fc.assert(
    fc.property(textUpload, fc.boolean(), fc.boolean(), ({ bytes, cuts }, stop, often) => {
      const expected = wanted(bytes, stop);
      for (const version of ["1.0", undefined]) {
        const all = run(cut(bytes, cuts), { version: () => version, stop, often, text: true });
        const { versions: _, packed, ...taken } = all;
        assert.deepEqual(taken, expected, `packed: ${version !== undefined}`);
        assert.equal(packed, version === undefined ? 0 : taken.payloads.length);
      }
    }),
    { numRuns: dose(1000) },
  );
});

Deno.test("LineDecoder loses and doubles no line of text when a schema comes or goes in between", () => {
  const change = fc.array(fc.constantFrom("1.0", undefined), { minLength: 8, maxLength: 8 });
  fc.assert(
    fc.property(textUpload, change, fc.boolean(), ({ bytes, cuts }, versions, often) => {
      const mixed = run(cut(bytes, cuts), {
        version: (n) => versions[n % versions.length],
        often,
        text: true,
      });
      const { versions: _, packed: __, ...taken } = mixed;
      assert.deepEqual(taken, wanted(bytes, false));
    }),
    { numRuns: dose(1000) },
  );
});

Deno.test("LineDecoder keeps every byte of long lines of text, whatever has to be escaped", () => {
  for (const unit of ["x", '"', "\x01", "ü", "\x01\n", "abc\\"]) {
    const text = unit.repeat(20_000);
    const chunks = cut(encoder.encode(text), [1, 4096, 4097, 12_345, 65_537]);
    const { payloads } = run(chunks, { version: () => "1.0", text: true, limit: 1_000_000 });
    assert.equal(payloads.map((one) => JSON.parse(one)).join("\n"), text.replace(/\n$/, ""));
  }
});

Deno.test("take says of its requests what the first line that waited was checked by", () => {
  const ids = new IdSource();
  let schemas = 0;
  let isPlain = true;
  const options = { type: "x", metadata: "{}" };
  const context = { nextId: (time: number) => ids.next(time), now: () => 1, maxEventBytes: LIMIT };
  const lines = new LineDecoder({
    topic: "t",
    options,
    decoder: new EventDecoder(options, { ...context, admit: () => "2.0", stamp: (event) => event }),
    ids,
    expiryNow: () => 1,
    now: () => 1,
    limit: LIMIT,
    firstLine: 1,
    unchecked: () => isPlain ? "1.0" : undefined,
    under: () => ({ topic: 7, schemas: ++schemas }),
    refuse: () => false,
  });
  const line = () => lines.push(encoder.encode("1\n"));
  const taken = () => lines.take().map(({ under }) => under?.schemas);
  line();
  line();
  assert.deepEqual(taken(), [1]);
  line();
  isPlain = false; // from here on they are looked at one by one
  line();
  const requests = lines.take();
  assert.deepEqual(
    requests.map(({ under }) => under),
    [2, 2].map((schemas) => ({ topic: 7, schemas })),
  );
  assert.notEqual(requests[0]!.under, requests[1]!.under, "each its own, as each is set by itself");
  line();
  assert.deepEqual(taken(), [3]);
});
