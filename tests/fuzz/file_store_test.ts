/**
 * The file store's reader on files that something else has written to: up to three damages of any
 * kind to any one file of the store. The store opens or refuses with an error; what it returns is,
 * byte for byte, what was appended under that seq; missing events are reported; and it accepts new
 * events after those it kept. Only one file: lines damaged together with their checksums cannot be
 * verified either way.
 */
import assert from "node:assert/strict";
import fc from "../packages/fast_check.ts";
import { EvsError } from "../../core/base/errors.ts";
import { FileEventStore } from "../../core/store/file/file_event_store.ts";
import { verifyFileStore } from "../../core/store/file/verify.ts";
import { newEvent } from "../core/store/conformance.ts";
import { MemoryDisk } from "../helpers/memory_disk.ts";
import { cases, fuzz } from "./fuzz.ts";

const file = "file_store_test.ts";
const DIR = "/events";
const TOPICS = ["t", "Other"];
const decoder = new TextDecoder();

function open(disk: MemoryDisk): FileEventStore {
  return new FileEventStore(DIR, { disk, segments: { maxBytes: 3000 } });
}

/** Full segments and an open one, given ids, keys, retention, two topics; killed or closed. */
async function filled(close: boolean): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  const store = open(disk);
  for (let n = 0; n < 7; n++) {
    const events = Array.from(
      { length: 6 },
      (_, i) => newEvent(i % 2 === 0 ? { id: `given-${n}-${i}`, key: `k${i}` } : {}),
    );
    await store.append([{ topic: "t", events }, { topic: "Other", events: [newEvent()] }]);
  }
  await store.truncate("t", 5);
  if (close) await store.close();
  return disk.kill();
}

/** Every line of the topics by topic and seq, read by page, by line and one by one. */
function linesOf(store: FileEventStore): Map<string, string> {
  const lines = new Map<string, string>();
  for (const topic of TOPICS) {
    const { lastSeq } = store.head(topic);
    assert.ok(Number.isSafeInteger(lastSeq) && lastSeq >= 0, `${topic} ends at ${lastSeq}`);
    const to = Math.min(lastSeq, 10_000);
    for (let from = 1; from <= to;) {
      const page = store.readLines(topic, { from, to, limit: 7 });
      for (const line of decoder.decode(page.bytes).split("\n").slice(0, -1)) {
        lines.set(`${topic} ${JSON.parse(line).seq}`, line);
      }
      assert.ok(page.next > from, "a page leads on");
      from = page.next;
    }
    for (let from = 1; from <= to;) {
      const page = store.readPage(topic, { from, to, limit: 5 });
      for (const { seq, line } of page.events) {
        lines.set(`${topic} ${seq} by page`, decoder.decode(line));
      }
      from = page.next;
    }
    for (const id of ["given-0-0", "given-3-2", "given-6-4", "nobody"]) {
      const found = store.find(topic, id);
      if (found) lines.set(`${topic} ${id}`, decoder.decode(found.line));
    }
    assert.ok(Number.isSafeInteger(store.seekTime(topic, 0)));
    assert.ok(Number.isSafeInteger(store.seekBytes(topic, 500)));
  }
  return lines;
}

type Mutation =
  | { kind: "flip"; at: number; bit: number }
  | { kind: "overwrite" | "insert"; at: number; bytes: Uint8Array }
  | { kind: "cut" | "zero" | "remove" | "double"; at: number; length: number }
  | { kind: "move"; at: number; length: number; to: number };

const at = fc.nat();
const length = fc.integer({ min: 1, max: 600 });
const bytes = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 40 }),
  fc.constantFrom(
    "\n",
    "{}\n",
    '{"seq":1,',
    "\n\n",
    "9",
    '"',
    '{"seq":99,"id":"x"}\n',
    "\ufeff",
    "\0",
  )
    .map((text) => new TextEncoder().encode(text)),
);
const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  fc.record({ kind: fc.constant("flip" as const), at, bit: fc.nat(7) }),
  fc.record({ kind: fc.constantFrom("overwrite" as const, "insert" as const), at, bytes }),
  fc.record({
    kind: fc.constantFrom("cut" as const, "zero" as const, "remove" as const, "double" as const),
    at,
    length,
  }),
  fc.record({ kind: fc.constant("move" as const), at, length, to: at }),
);

function mutated(bytes: Uint8Array, mutation: Mutation): Uint8Array {
  const place = mutation.at % (bytes.length + 1);
  const join = (...parts: Uint8Array[]) => Uint8Array.from(parts.flatMap((part) => [...part]));
  switch (mutation.kind) {
    case "flip": {
      const copy = bytes.slice();
      if (copy.length > 0) copy[mutation.at % copy.length]! ^= 1 << mutation.bit;
      return copy;
    }
    case "overwrite":
      return join(
        bytes.subarray(0, place),
        mutation.bytes,
        bytes.subarray(place + mutation.bytes.length),
      );
    case "insert":
      return join(bytes.subarray(0, place), mutation.bytes, bytes.subarray(place));
    case "cut":
      return bytes.slice(0, place);
    case "zero":
      return bytes.slice().fill(0, place, place + mutation.length);
    case "remove":
      return join(bytes.subarray(0, place), bytes.subarray(place + mutation.length));
    case "double":
      return join(
        bytes.subarray(0, place),
        bytes.subarray(place, place + mutation.length),
        bytes.subarray(place),
      );
    case "move": {
      const moved = bytes.slice(place, place + mutation.length);
      const left = join(bytes.subarray(0, place), bytes.subarray(place + mutation.length));
      const to = mutation.to % (left.length + 1);
      return join(left.subarray(0, to), moved, left.subarray(to));
    }
  }
}

/** Retention may be forgotten, an event never be altered. */
function assertUnaltered(
  found: ReadonlyMap<string, unknown>,
  expected: ReadonlyMap<string, unknown>,
  path: string,
): void {
  for (const [place, line] of found) {
    if (expected.has(place)) assert.equal(line, expected.get(place), `${path}: ${place}`);
    else assert.match(place, /^t [1-4](?: by page)?$|given-0/, `${path}: ${place} was never there`);
  }
}

for (const close of [true, false]) {
  const how = close ? "closed" : "killed";
  Deno.test(`FileEventStore hands out nothing altered and keeps no loss to itself when any file of a ${how} store is mutated`, async () => {
    const sound = await filled(close);
    const expected = linesOf(open(sound.kill()));
    const files = sound.files();
    const counts = { harmless: 0, told: 0, refused: 0 };
    const anything = fc.uint8Array({ maxLength: 400 });
    const change = fc.oneof(
      { weight: 9, arbitrary: fc.array(mutation, { minLength: 1, maxLength: 3 }) },
      { weight: 1, arbitrary: anything },
    );
    await fuzz(
      fc.asyncProperty(fc.constantFrom(...files), change, async (path, change) => {
        const disk = sound.kill();
        const before = disk.bytes(path);
        const after = change instanceof Uint8Array ? change : change.reduce(mutated, before);
        disk.put(path, after);
        const looked = sound.kill();
        looked.put(path, after);
        let store: FileEventStore;
        try {
          store = open(disk);
        } catch (error) {
          assert.ok(error instanceof EvsError, `not in words: ${(error as Error).stack}`);
          counts.refused++;
          return;
        }
        const found = linesOf(store);
        assertUnaltered(found, expected, path);
        const missing = [...expected.keys()].filter((place) => !found.has(place));
        const told = store.damage().length + store.found.notes.length > 0;
        assert.ok(
          told || missing.length === 0,
          `${path}: ${missing.join()} are gone, and nothing is said`,
        );
        counts[told ? "told" : "harmless"]++;
        // `evs doctor` looks at the same files and changes nothing.
        const files = looked.files().map((path) => [path, looked.bytes(path)]);
        verifyFileStore(DIR, { now: 1_800_000_000_000, disk: looked });
        assert.deepEqual(looked.files().map((path) => [path, looked.bytes(path)]), files);
        const { lastSeq } = store.head("t");
        const [outcome] = await store.append([{ topic: "t", events: [newEvent()] }]);
        assert.ok(outcome?.ok && outcome.firstSeq === lastSeq + 1);
        await store.close();
        const again = open(disk);
        assert.equal(again.head("t").lastSeq, lastSeq + 1, "what was appended behind it is there");
        for (const [place, line] of linesOf(again)) {
          if (expected.has(place)) {
            assert.equal(line, expected.get(place), `${path}: ${place}, opened again`);
          }
        }
      }),
      { numRuns: Math.ceil(cases(1000) / 2), file },
    );
    assert.ok(counts.told > 0 && counts.harmless > 0, JSON.stringify(counts));
  });
}
