/** Lines are decoded to the same events whether they are packed or inspected one by one. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { IdSource } from "../../../core/event/id.ts";
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
  /** What has come is taken after every chunk with an even number. */
  often?: boolean;
}

function run(chunks: readonly Uint8Array[], { version, stop, options, often }: Run): Taken {
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
    maxEventBytes: LIMIT,
  });
  const lines = new LineDecoder({
    topic: "t",
    options: decoderOptions,
    decoder: eventDecoder,
    ids,
    expiryNow: () => 1,
    now: () => 1,
    limit: LIMIT,
    firstLine: 1,
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
