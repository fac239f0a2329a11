/** What `evs.append_1` returned, as the outcomes of the requests. */
import { defined } from "../../base/defined.ts";
import type { TopicHead } from "../../event/topic_head.ts";
import type { AppendOutcome } from "../store.ts";
import { waitingError } from "../waiting_error.ts";
import type { AppendPlan, AppendUnit } from "./append_plan.ts";

/** The answer, parsed. */
export interface AppendAnswer {
  /** Nothing was stored: the events were checked by what is not so any more. */
  stale?: true;
  /** It survives a power cut of the server, by the settings of its session. */
  durable?: boolean;
  topics: [firstSeq: number, lastSeq: number, bytes: number][];
  units: UnitAnswer[];
}

type KnownEvent = [ordinal: number, seq: number, keySeq: number];

type UnitAnswer = StoredUnit | RefusedUnit | WaitingUnit;

/** A unit that was stored. */
export interface StoredUnit {
  first: number;
  count: number;
  known?: KnownEvent[];
  keys?: [key: string, last: number][];
}

interface RefusedUnit {
  actual: number;
  subject: "topic" | "key" | "ids" | "keys";
  key?: string | null;
  condition?: number;
  known?: KnownEvent[];
  /** Ordinals within an atomic group, a list for each of its requests. */
  members?: number[][];
}

/** A unit of an atomic group of which events wait to be published. */
interface WaitingUnit {
  /** Their ids. */
  waiting: string[];
}

/** Where each topic of the append begins and ends now. */
export function headsOf(plan: AppendPlan, { topics }: AppendAnswer): Map<string, TopicHead> {
  return new Map(
    topics.map(([firstSeq, lastSeq, bytes], i) => [plan.topics[i]!, { firstSeq, lastSeq, bytes }]),
  );
}

/** The outcomes, one for each request. */
export function outcomesOf(plan: AppendPlan, { units }: AppendAnswer): AppendOutcome[] {
  const outcomes: AppendOutcome[] = [];
  for (const [i, unit] of plan.units.entries()) {
    const answer = units[i]!;
    const own = "waiting" in answer
      ? unit.counts.map(() => waits(unit, answer))
      : "subject" in answer
      ? unit.counts.map(() => refused(plan, unit, answer))
      : storedOutcomes(unit, answer);
    for (const [n, at] of unit.requests.entries()) outcomes[at] = own[n]!;
  }
  return outcomes;
}

function waits({ expected }: AppendUnit, { waiting: ids }: WaitingUnit): AppendOutcome {
  return { ok: false, expected, actual: 0, subject: "ids", ids, refused: waitingError(ids) };
}

function refused(plan: AppendPlan, unit: AppendUnit, answer: RefusedUnit): AppendOutcome {
  const { actual, subject, key, condition, members } = answer;
  const group = plan.groups[unit.group - 1];
  const expected = group ? group.conditions[condition ?? 0]!.expected : unit.expected;
  const failed = { ok: false, expected, actual, subject } as const;
  if (subject === "ids") {
    const events = group
      ? plan.units.filter((other) => other.group === unit.group).flatMap((one) => one.events)
      : unit.events;
    const ordinals = members?.flat() ?? answer.known!.map(([ordinal]) => ordinal);
    return { ...failed, ids: ordinals.map((ordinal) => events[ordinal - 1]!.id) };
  }
  return {
    ...failed,
    ...group && condition !== undefined ? { condition } : {},
    ...key === undefined || key === null ? {} : { key },
  };
}

/** What is known of each event of a unit. */
interface Placed {
  seq: number;
  keySeq: number;
  isDuplicate: boolean;
}

function storedOutcomes(unit: AppendUnit, answer: StoredUnit): AppendOutcome[] {
  if (!answer.keys && answer.count === unit.events.length) return inOrder(unit, answer.first);
  const placed = placesOf(unit, answer);
  let from = 0;
  return unit.counts.map((count) => {
    const part = placed.slice(from, from + count);
    const events = unit.events.slice(from, from += count);
    const stored = part.filter(({ isDuplicate }) => !isDuplicate);
    return {
      ok: true,
      count: stored.length,
      firstSeq: stored[0]?.seq ?? 0,
      lastSeq: stored.at(-1)?.seq ?? 0,
      duplicates: part.flatMap(({ isDuplicate, seq }, index) =>
        isDuplicate ? [{ index, seq }] : []
      ),
      ...defined({
        keySeqs: events.some(({ key }) => key !== undefined)
          ? part.map(({ keySeq }) => keySeq)
          : undefined,
      }),
    };
  });
}

/** All events were stored, and none has a key. */
function inOrder({ counts }: AppendUnit, first: number): AppendOutcome[] {
  let next = first;
  return counts.map((count) => {
    const [firstSeq, lastSeq] = count === 0 ? [0, 0] : [next, next + count - 1];
    next += count;
    return { ok: true, count, firstSeq, lastSeq, duplicates: [] };
  });
}

/** Numbers the events as the database did. */
function placesOf({ events }: AppendUnit, { first, known = [], keys = [] }: StoredUnit): Placed[] {
  const before = new Map(known.map(([ordinal, seq, keySeq]) => [ordinal - 1, { seq, keySeq }]));
  const lastOfKey = new Map(keys);
  const given = new Map<string, Placed>();
  let next = first;
  return events.map(({ id, idGiven, key }, index) => {
    const repeat = before.get(index) ?? (idGiven ? given.get(id) : undefined);
    const place = repeat ? { ...repeat, isDuplicate: true } : {
      seq: next++,
      keySeq: key === undefined ? 0 : lastOfKey.get(key)! + 1,
      isDuplicate: false,
    };
    if (!repeat && key !== undefined) lastOfKey.set(key, place.keySeq);
    if (idGiven) given.set(id, place);
    return place;
  });
}
