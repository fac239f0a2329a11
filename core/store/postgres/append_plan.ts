/**
 * An append as the parameters of `evs.append_1`. Requests of one topic that expect nothing become
 * one unit, unless something is judged between them that sees what they store: the answer is the
 * same as if they were judged one by one, and a unit costs some statements.
 *
 * Texts go as one text a column, joined by a character that no event can contain: the server splits
 * it faster than it parses an array. Numbers go as bytes. A column whose values are all equal goes
 * as that value.
 */
import { InvalidArgumentError } from "../../base/errors.ts";
import type { NewEvent } from "../../event/event.ts";
import { slotOfKey } from "../../event/part.ts";
import { eventsOf, type StoreRequest } from "../pack.ts";
import type { AtomicGroup, CheckedUnder, Expected } from "../store.ts";
import { bigintArray } from "./bigint_array.ts";
import { contentSums } from "./row.ts";

/** Events that are judged together. */
export interface AppendUnit {
  topic: string;
  events: readonly NewEvent[];
  expected: Expected;
  /** How many events each request of it has. */
  counts: number[];
  /** The places of these requests in the append. */
  requests: number[];
  /** The index of its atomic group, from 1; 0 for none. */
  group: number;
}

/** What an append sends. */
export interface AppendPlan {
  units: AppendUnit[];
  groups: readonly AtomicGroup[];
  /** What the events of each request were checked by. */
  under: readonly (CheckedUnder | undefined)[];
  /** The payloads of all events, in the order of the units; {@link SEPARATOR_BYTE} between two. */
  payloads: Uint8Array;
  /** The names of all topics that are stored to, or that conditions name. */
  topics: string[];
  /** The parameters of `evs.append_1` behind its first five. */
  values: unknown[];
}

const SEPARATOR = "\x1e";
const NONE = "\x1f";
/** Between two payloads: JSON has no such character. */
export const SEPARATOR_BYTE = 0x1e;
// deno-lint-ignore no-control-regex -- control characters are what is looked for
const UNKEPT = /[\0\x1e\x1f]/;

/** Plans an append. */
export function planAppend(
  requests: readonly StoreRequest[],
  groups: readonly AtomicGroup[] = [],
): AppendPlan {
  const units = unitsOf(requests, groups);
  const conditions = groups.flatMap((group, i) =>
    group.conditions.map((condition) => ({ ...condition, group: i + 1 }))
  );
  const topics = [...new Set([...units, ...conditions].map(({ topic }) => topic))];
  const numberOf = new Map(topics.map((topic, i) => [topic, i + 1]));
  const events = units.length === 1 ? units[0]!.events : units.flatMap((unit) => unit.events);
  const payloads = joinPayloads(events);
  return {
    units,
    groups,
    under: requests.map(({ under }) => under),
    payloads,
    topics,
    values: [
      topics,
      ...revsOf(topics, requests),
      units.map(({ topic }) => numberOf.get(topic)),
      units.map(({ events }) => events.length),
      units.map(({ expected }) => expectedText(expected)),
      units.map(({ group }) => group),
      conditions.map(({ group }) => group),
      conditions.map(({ topic }) => numberOf.get(topic)),
      conditions.map(({ key }) => key ?? null),
      conditions.map(({ expected }) => expectedText(expected)),
      ...columnsOf(units, { events, payloads }),
    ],
  };
}

/** A rev that nothing has: what was checked by several is checked again. */
const SEVERAL = -1;

/** The rev of each topic by which its events were checked, and that of the schemas; NULL: any. */
function revsOf(
  topics: readonly string[],
  requests: readonly StoreRequest[],
): [(number | null)[] | null, number | null] {
  const revs = new Map<string, number>();
  let schemas: number | null = null;
  const both = (one: number | null | undefined, other: number) =>
    one === null || one === undefined || one === other ? other : SEVERAL;
  for (const { topic, under } of requests) {
    if (!under) continue;
    revs.set(topic, both(revs.get(topic), under.topic));
    if (under.schemas !== undefined) schemas = both(schemas, under.schemas);
  }
  if (revs.size === 0) return [null, null];
  return [topics.map((topic) => revs.get(topic) ?? null), schemas];
}

function unitsOf(requests: readonly StoreRequest[], groups: readonly AtomicGroup[]): AppendUnit[] {
  const groupOf = (index: number) =>
    groups.findIndex(({ from, to }) => from <= index && index < to) + 1;
  const units: AppendUnit[] = [];
  const parts: NewEvent[][][] = [];
  /** The units that take further requests, by topic. */
  const open = new Map<string, number>();
  for (const [index, request] of requests.entries()) {
    const { topic, expected = "any" } = request;
    const events = eventsOf(request) as NewEvent[];
    const group = groups.length === 0 ? 0 : groupOf(index);
    const at = group === 0 && expected === "any" ? open.get(topic) : undefined;
    if (at !== undefined) {
      parts[at]!.push(events);
      units[at]!.counts.push(events.length);
      units[at]!.requests.push(index);
      continue;
    }
    // A group's conditions are about any topic, an expectation is about its own.
    if (group > 0) open.clear();
    else if (expected === "any") open.set(topic, units.length);
    else open.delete(topic);
    units.push({ topic, events, expected, counts: [events.length], requests: [index], group });
    parts.push([events]);
  }
  return units.map((unit, i) =>
    parts[i]!.length === 1 ? unit : { ...unit, events: parts[i]!.flat() }
  );
}

function expectedText(expected: Expected): string {
  if (typeof expected === "number") return `seq:${expected}`;
  return typeof expected === "object" ? `key:${expected.keySeq}` : expected;
}

/** The columns of all events, and the defaults of those that are single values. */
function columnsOf(
  units: readonly AppendUnit[],
  { events, payloads }: { events: readonly NewEvent[]; payloads: Uint8Array },
): unknown[] {
  const type = column(events, (event) => event.type);
  const key = column(events, (event) => event.key);
  const time = numberColumn(events, (event) => event.timestamp);
  const expires = numberColumn(events, (event) => event.expiresAt);
  const version = column(events, (event) => event.schemaVersion);
  const metadata = column(events, (event) => event.metadata);
  // The slot of one key is the same for all.
  const slot = key.joined === null
    ? { joined: null, all: key.all === null ? null : slotOfKey(key.all as string) }
    : column(events, ({ key }) => key === undefined ? 0 : slotOfKey(key));
  return [
    joinTexts(events.map(({ id }) => id)),
    givenOf(units),
    type.joined,
    key.joined,
    slot.joined,
    time.joined,
    expires.joined,
    version.joined,
    metadata.joined,
    payloads,
    bigintArray(contentSums(events), (sum) => sum),
    type.all,
    key.all,
    slot.all,
    time.all,
    expires.all,
    version.all,
    metadata.all,
  ];
}

interface Column {
  joined: string | null;
  all: string | number | null;
}

function numberColumn(
  events: readonly NewEvent[],
  of: (event: NewEvent) => number | undefined,
): { joined: Uint8Array | null; all: number | null } {
  const first = events.length > 0 ? of(events[0]!) : undefined;
  if (events.every((event) => of(event) === first)) return { joined: null, all: first ?? null };
  return { joined: bigintArray(events, of), all: null };
}

function column(
  events: readonly NewEvent[],
  of: (event: NewEvent) => string | number | undefined,
): Column {
  const first = events.length > 0 ? of(events[0]!) : undefined;
  if (events.every((event) => of(event) === first)) {
    if (typeof first === "string") assertKept(first);
    return { joined: null, all: first ?? null };
  }
  return { joined: joinTexts(events.map((event) => of(event))), all: null };
}

function joinTexts(texts: readonly (string | number | undefined)[]): string {
  for (const text of texts) if (typeof text === "string") assertKept(text);
  return texts.map((text) => text ?? NONE).join(SEPARATOR);
}

function assertKept(text: string): void {
  if (UNKEPT.test(text)) {
    throw new InvalidArgumentError(
      `${JSON.stringify(text.slice(0, 80))} has a control character that PostgreSQL cannot keep`,
    );
  }
}

/** For each event: 0 without a given id, 1 with one, 2 if an event before it in its unit has it. */
function givenOf(units: readonly AppendUnit[]): string | null {
  if (units.every(({ events }) => events.every(({ idGiven }) => !idGiven))) return null;
  return units.map(({ events }) => {
    const seen = new Set<string>();
    return events.map(({ id, idGiven }) => {
      if (!idGiven) return "0";
      if (seen.has(id)) return "2";
      seen.add(id);
      return "1";
    }).join("");
  }).join("");
}

function joinPayloads(events: readonly NewEvent[]): Uint8Array {
  const length = events.reduce((sum, { payload }) => sum + payload.length + 1, 0);
  const joined = new Uint8Array(Math.max(0, length - 1));
  let at = 0;
  for (const { payload } of events) {
    if (at > 0) joined[at++] = SEPARATOR_BYTE;
    joined.set(payload, at);
    at += payload.length;
  }
  assertSeparated(joined, events.length);
  return joined;
}

/** JSON contains no such character, but a store is also given what nobody has looked at. */
function assertSeparated(joined: Uint8Array, count: number): void {
  let found = 0;
  for (
    let at = joined.indexOf(SEPARATOR_BYTE);
    at >= 0;
    at = joined.indexOf(SEPARATOR_BYTE, at + 1)
  ) {
    found++;
  }
  if (found !== Math.max(0, count - 1)) {
    throw new InvalidArgumentError("a payload has a control character: it is not JSON");
  }
}
