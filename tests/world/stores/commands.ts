/**
 * What a store can be asked for, drawn by fast-check: appends with ids, keys and expectations, reads
 * of every kind, all kinds of retention, redaction, and restarts. Numbers are relative to what the
 * topic holds when the command runs, so that a command that is taken out of a failing stream does
 * not change what the others ask for.
 */
import fc from "../../packages/fast_check.ts";

/** A seq, counted from the first or the last of the topic. */
export interface Place {
  edge: "first" | "last" | "zero";
  off: number;
}

/** An event that is to be appended. */
export interface EventDraft {
  /** The number of a given id; absent: the store's publisher makes one. */
  given?: number | undefined;
  type: string;
  key?: string | undefined;
  metadata: string;
  /** Its timestamp, from now, ms. */
  timeOff: number;
  /** How long it lives, ms. */
  ttl?: number | undefined;
  /** The length of its payload. */
  size: number;
}

/** What a publisher expects; a number is that much above what is there. */
export type ExpectedDraft = "any" | "none" | "exists" | { seq: number } | { keySeq: number };

/** Events for one topic. */
export interface RequestDraft {
  topic: string;
  events: EventDraft[];
  expected?: ExpectedDraft | undefined;
  /** It comes as columns, as a publisher's lines do. */
  packed: boolean;
}

/** What must hold for a group to be stored. */
export interface ConditionDraft {
  topic: string;
  key?: string | undefined;
  expected: ExpectedDraft;
}

/** Which events to read. */
export interface RangeDraft {
  topic: string;
  from: Place;
  to: Place;
  limit: number;
}

/** One command. */
export type Command =
  /** All at once through a journal: what arrives together is stored together. */
  | { do: "publish"; requests: RequestDraft[] }
  /** One append; its first requests are an atomic group if there are conditions. */
  | { do: "append"; requests: RequestDraft[]; conditions: ConditionDraft[] | undefined }
  | { do: "save"; topic: string; event: EventDraft }
  | { do: "page" | "lines" | "back"; range: RangeDraft; types: string[] | undefined }
  | { do: "key" | "back of key"; range: RangeDraft; key: string }
  | { do: "newest of keys"; topic: string; keys: string[] }
  | { do: "find"; topic: string; given: number | Place }
  | { do: "seek time"; topic: string; off: number; latest: number | undefined }
  | { do: "seek bytes"; topic: string; percent: number }
  | { do: "seek age"; topic: string; age: number }
  | { do: "query"; topic: string; types: string[]; limit: number; reverse: boolean; off: number }
  | { do: "truncate"; topic: string; place: Place }
  | { do: "delete before"; topic: string; off: number }
  | { do: "retain"; topic: string; maxEvents: number; bytes: number | undefined }
  | { do: "remove topic"; topic: string }
  | { do: "redact"; topic: string; place: Place; wrongId: boolean; key: string | undefined }
  | { do: "pass"; ms: number }
  | { do: "jump"; ms: number }
  | { do: "reopen" | "kill" | "power cut" };

/** `B` shows how a folder is named whose topic has a capital letter. */
export const TOPICS = ["a", "B", "c.d"];
export const KEYS = ["k", "l", 'key "ü\\', ""];
const DAY = 86_400_000;

const topic = fc.constantFrom("a", "a", ...TOPICS);
const key = fc.constantFrom(...KEYS);
const anyKey = fc.constantFrom(undefined, undefined, ...KEYS);
const type = fc.constantFrom("a", "b", "ü");
const place: fc.Arbitrary<Place> = fc.oneof(
  fc.record({ edge: fc.constantFrom("first", "last"), off: fc.integer({ min: -6, max: 6 }) }),
  fc.record({ edge: fc.constant("zero" as const), off: fc.nat(60) }),
);
const types = fc.constantFrom<string[] | undefined>(
  undefined,
  undefined,
  ["a"],
  ["b", "ü"],
  ["none"],
  [],
);

/** Small ones, some that fill a block of a file, and now and then one that fills a page. */
function sizes(large: boolean): fc.Arbitrary<number> {
  return fc.oneof(
    { weight: 20, arbitrary: fc.nat(40) },
    { weight: 3, arbitrary: fc.nat(3000) },
    { weight: 1, arbitrary: fc.nat(20_000) },
    ...large ? [{ weight: 1, arbitrary: fc.integer({ min: 200_000, max: 700_000 }) }] : [],
  );
}

function event(large: boolean): fc.Arbitrary<EventDraft> {
  return fc.record({
    given: fc.oneof(fc.constant(undefined), fc.nat(11)),
    type,
    key: anyKey,
    metadata: fc.constantFrom("{}", "{}", '{"a":1}', '{"ü":"9007199254740993"}'),
    timeOff: fc.constantFrom(0, 0, 0, -1, -5000, 7, 2 * DAY, 1e15),
    ttl: fc.constantFrom(undefined, undefined, undefined, 1, 5000),
    size: sizes(large),
  });
}

const expectedDraft: fc.Arbitrary<ExpectedDraft> = fc.oneof(
  fc.constantFrom("any" as const, "none" as const, "exists" as const),
  fc.record({ seq: fc.constantFrom(0, 0, 0, 1, -1) }),
  fc.record({ keySeq: fc.constantFrom(0, 0, 0, 1, -1) }),
);

function request(large: boolean): fc.Arbitrary<RequestDraft> {
  return fc.record({
    topic,
    events: fc.array(event(large), { minLength: 0, maxLength: 9 }),
    expected: fc.oneof(fc.constant(undefined), expectedDraft),
    packed: fc.boolean(),
  });
}

const range: fc.Arbitrary<RangeDraft> = fc.record({
  topic,
  from: place,
  to: place,
  limit: fc.constantFrom(1, 2, 7, 1000),
});

function writing(large: boolean): fc.WeightedArbitrary<Command>[] {
  const requests = (maxLength: number) => fc.array(request(large), { minLength: 1, maxLength });
  const condition = fc.record({ topic, key: anyKey, expected: expectedDraft });
  return [
    { weight: 8, arbitrary: fc.record({ do: fc.constant("publish"), requests: requests(4) }) },
    {
      weight: 5,
      arbitrary: fc.record({
        do: fc.constant("append"),
        requests: requests(3),
        conditions: fc.oneof(fc.constant(undefined), fc.array(condition, { maxLength: 2 })),
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("save"), topic, event: event(large) }) },
  ];
}

const reading: fc.WeightedArbitrary<Command>[] = [
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constantFrom("page", "lines", "back"), range, types }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom("key", "back of key"), range, key }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("newest of keys"),
      topic,
      keys: fc.array(key, { minLength: 1, maxLength: 3 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("find"), topic, given: fc.oneof(fc.nat(12), place) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("seek time"),
      topic,
      off: fc.constantFrom(-DAY, -6000, -10, 0, 5, 3 * DAY),
      latest: fc.constantFrom(undefined, DAY),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("seek bytes"),
      topic,
      percent: fc.integer({ min: 0, max: 110 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("seek age"),
      topic,
      age: fc.constantFrom(1, 3000, 60_000, DAY),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("query"),
      topic,
      types: fc.constantFrom<string[]>([], ["a"], ["b", "ü"]),
      limit: fc.constantFrom(0, 1, 5),
      reverse: fc.boolean(),
      off: fc.constantFrom(-DAY, -100, 0),
    }),
  },
];

const retention: fc.WeightedArbitrary<Command>[] = [
  { weight: 2, arbitrary: fc.record({ do: fc.constant("truncate"), topic, place }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("delete before"),
      topic,
      off: fc.constantFrom(-4000, 0, 6),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("retain"),
      topic,
      maxEvents: fc.constantFrom(0, 1, 5, 20),
      bytes: fc.constantFrom(undefined, 0, 100, 3000),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("remove topic"), topic }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("redact"),
      topic,
      place,
      wrongId: fc.constantFrom(false, false, false, true),
      key: fc.constantFrom(undefined, "redacted:0123"),
    }),
  },
];

const time: fc.WeightedArbitrary<Command>[] = [
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("pass"),
      ms: fc.constantFrom(1, 900, 4000, 70_000, DAY / 2, DAY),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("jump"), ms: fc.constantFrom(-40 * DAY, 400 * DAY) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constantFrom("reopen", "kill", "power cut") }),
  },
];

/** A stream of at most this many commands; `large`: some events are as large as a page. */
export function streams(
  { length, large }: { length: number; large: boolean },
): fc.Arbitrary<Command[]> {
  const command = fc.oneof(...writing(large), ...reading, ...retention, ...time) as fc.Arbitrary<
    Command
  >;
  return fc.array(command, { minLength: 1, maxLength: length, size: "max" });
}
