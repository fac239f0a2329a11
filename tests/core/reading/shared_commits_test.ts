/**
 * Tails share what they are sent of a commit only with those that get the same, and each gets every
 * event that it selects, once and in order, however long its reader takes.
 */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { compileFilter } from "../../../core/filter/filter.ts";
import { linesOf, type Render } from "../../../core/reading/replay.ts";
import { pagesOf } from "../../../core/reading/shared_pages.ts";
import { Tail, type TailOptions } from "../../../core/reading/tail.ts";
import { type Commit, Journal } from "../../../core/store/journal.ts";
import { MemoryEventStore } from "../../../core/store/memory.ts";
import { packedRequest } from "../../../testing/packed_requests.ts";
import { newEvent } from "../store/conformance.ts";

const decoder = new TextDecoder();

interface Seen {
  topic: string;
  seq: number;
  type: string;
}

function eventsIn(chunks: readonly Uint8Array[]): Seen[] {
  return chunks.flatMap((chunk) => decoder.decode(chunk).split("\n").filter(Boolean))
    .map((line) => JSON.parse(line)).map(({ topic, seq, type }) => ({ topic, seq, type }));
}

const reversed: Render = (events) => linesOf(events.toReversed());
const isEven = await compileFilter("event.seq % 2 == 0");
const isEvenAgain = await compileFilter("event.seq % 2 == 0");
const isOdd = await compileFilter("event.seq % 2 == 1");

/** What tails may follow: how, and which events they get. */
const FORMS: { form: Partial<TailOptions>; selects: (event: Seen) => boolean }[] = [
  { form: {}, selects: () => true },
  { form: { types: ["x"] }, selects: ({ type }) => type === "x" },
  { form: { types: ["y", "z"] }, selects: ({ type }) => type === "y" || type === "z" },
  { form: { filter: isEven }, selects: ({ seq }) => seq % 2 === 0 },
  { form: { filter: isOdd }, selects: ({ seq }) => seq % 2 === 1 },
  { form: { filter: ({ seq = 0 }) => seq > 3 }, selects: ({ seq }) => seq > 3 },
  {
    form: { types: ["x"], filter: isOdd },
    selects: ({ type, seq }) => type === "x" && seq % 2 === 1,
  },
  { form: { render: linesOf }, selects: () => true },
  {
    form: { render: linesOf, stateless: true, types: ["x"] },
    selects: ({ type }) => type === "x",
  },
];

async function open() {
  const store = new MemoryEventStore();
  const journal = new Journal(store);
  const source = { store, onCommit: journal.onCommit.bind(journal) };
  await journal.submit({ topic: "a", events: [newEvent({ type: "x" })] });
  const tail = (options: Partial<TailOptions>) =>
    new Tail(source, { matches: () => true, positions: new Map([["a", 2]]), ...options });
  return { journal, store, tail };
}

/** A tail whose reader has room when it is told; `take`: commits go past `next`. */
class Reader {
  readonly chunks: Uint8Array[] = [];
  readonly tail: Tail;
  readonly done: Promise<void>;
  #room: (() => void) | undefined;

  constructor(openTail: (options: Partial<TailOptions>) => Tail, options: Partial<TailOptions>) {
    this.tail = openTail({ ...options, take: (bytes) => void this.chunks.push(bytes) });
    this.done = this.#read();
  }

  async #read(): Promise<void> {
    for (let bytes = await this.tail.next(); bytes; bytes = await this.tail.next()) {
      this.chunks.push(bytes);
      await new Promise<void>((resolve) => this.#room = resolve);
    }
  }

  hasRoom(): void {
    this.tail.goOn();
    this.#room?.();
  }
}

const steps = fc.array(
  fc.oneof(
    fc.record({
      topic: fc.constantFrom("a", "b"),
      types: fc.array(fc.constantFrom("x", "y", "z"), { minLength: 1, maxLength: 3 }),
      packed: fc.boolean(),
    }),
    fc.nat({ max: 2 * FORMS.length - 1 }),
    fc.constant("turn" as const),
  ),
  { maxLength: 60 },
);

const turn = () => new Promise((resolve) => setTimeout(resolve, 0));

Deno.test("Tails give every event that they select once and in order, however their readers are paced", async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (steps) => {
      const { journal, store, tail } = await open();
      const readers = [...FORMS, ...FORMS].map(({ form }) => new Reader(tail, form));
      const sent: Seen[] = [];
      const last: Record<string, number> = { a: 1, b: 0 };
      for (const step of steps) {
        if (step === "turn") await turn();
        else if (typeof step === "number") readers[step]!.hasRoom();
        else {
          const { topic, packed } = step;
          const types = packed ? step.types.map(() => step.types[0]!) : step.types;
          for (const type of types) sent.push({ topic, seq: ++last[topic]!, type });
          const events = types.map((type) => newEvent({ type }));
          await journal.submit(
            packed
              ? { ...packedRequest(types.map(() => "1"), { topic }), types: types[0]! }
              : { topic, events },
          );
        }
      }
      for (const [i, { chunks, tail, hasRoom }] of readers.entries()) {
        const wanted = sent.filter(FORMS[i % FORMS.length]!.selects);
        for (let n = 0; eventsIn(chunks).length < wanted.length && n < 100; n++) {
          hasRoom.call(readers[i]);
          await turn();
        }
        for (const topic of ["a", "b"]) {
          assert.deepEqual(
            eventsIn(chunks).filter((event) => event.topic === topic),
            wanted.filter((event) => event.topic === topic),
            `reader ${i} of ${topic}`,
          );
        }
        assert.ok(chunks.every(({ length }) => length > 0), "nothing is given without an event");
        tail.close();
        hasRoom.call(readers[i]);
      }
      await Promise.all(readers.map(({ done }) => done));
      assert.equal(pagesOf(store).size, 0, "no page is kept");
    }),
    { numRuns: 40 },
  );
});

Deno.test("Tails of the same selection and form are given the very same bytes, and others are not", async () => {
  const { journal, tail } = await open();
  const forms: Partial<TailOptions>[][] = [
    [{}, {}],
    [{ types: ["x", "y"] }, { types: ["y", "x", "y"] }],
    [{ types: ["x,y"] }],
    [{ filter: isEven }, { filter: isEvenAgain }],
    [{ filter: isEven, types: ["x", "y"] }],
    [{ filter: () => true }],
    [{ filter: () => true }],
    [{ render: reversed, stateless: true }, { render: reversed, stateless: true }],
    [{ render: linesOf, stateless: true }],
    [{ render: reversed, stateless: true, filter: isEven }],
  ];
  const alike = forms.map((options) => options.map((one) => new Reader(tail, one)));
  const events = ["x", "y", "x,y"].map((type) => newEvent({ type }));
  await journal.submit({ topic: "a", events });
  const given = alike.map((readers) =>
    readers.map(({ chunks, tail }) => {
      assert.ok(tail.isTaking);
      assert.equal(chunks.length, 1);
      return chunks[0]!;
    })
  );
  for (const [i, [first, ...others]] of given.entries()) {
    for (const other of others) assert.equal(other, first, `form ${i}`);
    for (const [j, [another]] of given.entries()) {
      if (i !== j) assert.notEqual(first, another, `forms ${i} and ${j}`);
    }
  }
  assert.deepEqual(
    given.map(([bytes]) => eventsIn([bytes!]).map(({ seq }) => seq)),
    [[2, 3, 4], [2, 3], [4], [2, 4], [2], [2, 3, 4], [2, 3, 4], [4, 3, 2], [2, 3, 4], [4, 2]],
  );
  alike.flat().forEach(({ tail }) => tail.close());
});

Deno.test("Tails of a topic that stores nothing share its bytes, too", async () => {
  const listeners: ((commit: Commit) => void)[] = [];
  const onCommit = (one: (typeof listeners)[0]) => (listeners.push(one), () => {});
  const source = { store: new MemoryEventStore(), onCommit };
  const open = (options: Partial<TailOptions>) =>
    new Tail(source, { matches: () => true, positions: new Map(), ...options });
  const [one, other] = [new Reader(open, {}), new Reader(open, {})];
  for (const type of ["x", "y", "z"]) {
    const events = [newEvent({ type })];
    const commit: Commit = { topic: "m", firstSeq: 0, lastSeq: 0, events, ephemeral: true };
    for (const listener of listeners) listener(commit);
  }
  assert.equal(one.chunks.length, 1, "the others wait until there is room");
  for (let n = 0; n < 6; n++) {
    one.hasRoom();
    other.hasRoom();
    await turn();
  }
  assert.deepEqual(eventsIn(one.chunks).map(({ type }) => type), ["x", "y", "z"]);
  one.chunks.forEach((bytes, i) => assert.equal(other.chunks[i], bytes));
  one.tail.close();
  other.tail.close();
});

Deno.test("Tail rejects the call of next that waits when it cannot read what came meanwhile", async () => {
  const store = new MemoryEventStore();
  const journal = new Journal(store);
  const given: Uint8Array[] = [];
  const tail = new Tail({ store, onCommit: journal.onCommit.bind(journal) }, {
    matches: () => true,
    positions: new Map(),
    take: (bytes) => void given.push(bytes),
  });
  const next = tail.next();
  for (let n = 0; n < 2; n++) await journal.submit({ topic: "t", events: [newEvent()] });
  assert.deepEqual(eventsIn(given).map(({ seq }) => seq), [1]);
  const { readLines } = MemoryEventStore.prototype;
  store.readLines = () => {
    throw new Error("too many open files");
  };
  tail.goOn();
  await assert.rejects(next, /too many/);
  store.readLines = readLines;
  assert.deepEqual(eventsIn([(await tail.next())!]).map(({ seq }) => seq), [2]);
  tail.close();
});
