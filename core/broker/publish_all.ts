/**
 * Publishing to several topics, all or none: which requests and conditions the events become, and
 * what the store's outcomes say about each event. Decisions only.
 */
import { ConflictError, InvalidArgumentError } from "../base/errors.ts";
import { refuseUnknown } from "../base/options.ts";
import type { NewEvent } from "../event/event.ts";
import type { IsAny, Message } from "../event/event_map.ts";
import { LARGEST_ATOMIC_PUBLISH } from "../event/limits.ts";
import { isJsonObject } from "../json/json_object.ts";
import type { AppendOutcome, AppendRequest, Condition, Expected } from "../store/store.ts";
import { conflictError, keyMissing } from "./expectation.ts";
import { checkExpected, checkSeq } from "./publish_options.ts";

/**
 * What an event of `publishAll` expects of its topic, of its key, or of both: of the key the last
 * seq, the number of its last event, or both.
 */
export interface Expectations {
  /** Compared with the topic's last seq. */
  topic?: Expected;
  /** Compared with the last seq of the event's key. */
  key?: Expected;
  /** Compared with the `keySeq` of the last event of the event's key; 0 if there was none. */
  keySeq?: number;
}

/** One event of {@link Broker.publishAll}: a message and its topic. */
// deno-lint-ignore no-explicit-any -- without a map a payload is of any type
export interface AddressedMessage<T = any, Y extends string = string, N extends string = string>
  extends Message<T, Y> {
  /** The topic. */
  topic: N;
  /**
   * Compared with the last seq of the key, or of the topic if there is no key; or what to expect of
   * either. All is compared before the first event is stored.
   */
  expected?: Expected | Expectations;
}

/** The messages that a broker accepts: a union with one member per topic and type. */
export type AddressedMessageOf<E> = IsAny<E> extends true ? AddressedMessage
  : {
    [N in keyof E & string]: {
      [Y in keyof E[N] & string]: AddressedMessage<E[N][Y], Y, N>;
    }[keyof E[N] & string];
  }[keyof E & string];

/** An event that is ready to be stored, its topic, and what is expected. */
export interface AddressedEvent {
  topic: string;
  event: NewEvent;
  expected: Expected | Expectations | undefined;
}

/** What a store is asked to append, all or none. */
export interface GroupPlan {
  /** One for each topic. */
  requests: AppendRequest[];
  conditions: Condition[];
  /** For each condition, the number of its event, from 1. */
  elements: number[];
  /** For each event, its request and its index there. */
  places: { request: number; index: number }[];
}

/** Where an event is stored. */
export interface StoredPlace {
  seq: number;
  /** It had been stored before. */
  duplicate: boolean;
  /** Its number within its key, if it has one. */
  keySeq: number | undefined;
}

/** Throws `InvalidArgumentError` for more events than one publish may have. */
export function assertPublishable(count: number): void {
  if (count <= LARGEST_ATOMIC_PUBLISH) return;
  throw new InvalidArgumentError(
    `element ${LARGEST_ATOMIC_PUBLISH + 1}: at most ${LARGEST_ATOMIC_PUBLISH} events can be ` +
      "published all or none; nothing was stored",
    {
      code: "argument/too-large",
      hint: "publish fewer at once",
      details: { limit: LARGEST_ATOMIC_PUBLISH, element: LARGEST_ATOMIC_PUBLISH + 1 },
    },
  );
}

/**
 * Returns what is expected of an event. Throws `InvalidArgumentError` if it has another form, and
 * `EventRefusedError` if the event lacks the key of which it is expected.
 */
export function checkExpectations(
  expected: unknown,
  key: string | undefined,
): Expected | Expectations | undefined {
  if (!isJsonObject(expected)) return checkExpected(expected as Expected | undefined);
  refuseUnknown(expected, { of: "expected", known: ["topic", "key", "keySeq"] });
  const { topic, key: ofKey, keySeq } = expected as Expectations;
  checkSeq(topic);
  checkSeq(ofKey);
  if (keySeq !== undefined) checkExpected({ keySeq });
  if ((ofKey !== undefined || keySeq !== undefined) && key === undefined) throw keyMissing();
  return { topic, key: ofKey, keySeq };
}

/** Plans the append. What several events expect alike of one topic or key is one condition. */
export function planGroup(events: readonly AddressedEvent[]): GroupPlan {
  const requests = new Map<string, { at: number; events: NewEvent[] }>();
  const conditions = new Map<string, { condition: Condition; element: number }>();
  const places = events.map(({ topic, event, expected }, i) => {
    const request = requests.get(topic) ?? { at: requests.size, events: [] };
    requests.set(topic, request);
    for (const condition of conditionsOf(topic, event.key, expected)) {
      const name = JSON.stringify([topic, condition.key ?? null, condition.expected]);
      if (!conditions.has(name)) conditions.set(name, { condition, element: i + 1 });
    }
    return { request: request.at, index: request.events.push(event) - 1 };
  });
  const all = [...conditions.values()];
  return {
    requests: Array.from(requests, ([topic, { events }]) => ({ topic, events })),
    conditions: all.map(({ condition }) => condition),
    elements: all.map(({ element }) => element),
    places,
  };
}

function conditionsOf(
  topic: string,
  key: string | undefined,
  expected: Expected | Expectations | undefined,
): Condition[] {
  const each: Expectations = typeof expected === "object"
    ? expected
    : key === undefined
    ? { topic: expected }
    : { key: expected };
  const keySeq = each.keySeq === undefined ? undefined : { keySeq: each.keySeq };
  const conditions: Condition[] = [];
  for (
    const [subject, wanted] of [["topic", each.topic], ["key", each.key], ["key", keySeq]] as const
  ) {
    if (wanted === undefined || wanted === "any") continue;
    conditions.push({ topic, ...(subject === "key" ? { key: key! } : {}), expected: wanted });
  }
  return conditions;
}

/**
 * Where each event is stored, in their order. Throws `ConflictError`, which names the event, if an
 * expectation failed: then nothing was stored.
 */
export function storedPlaces(
  { places, requests, conditions, elements }: GroupPlan,
  outcomes: readonly AppendOutcome[],
): StoredPlace[] {
  const stored = outcomes.map((outcome, i) => {
    if (!outcome.ok) {
      const { condition } = outcome;
      if (condition === undefined) throw partlyKnown(outcome.ids ?? []);
      const { topic } = conditions[condition]!;
      throw conflictError(topic, outcome, { element: elements[condition]! });
    }
    const repeats = new Map(outcome.duplicates.map(({ index, seq }) => [index, seq]));
    let next = outcome.firstSeq;
    return requests[i]!.events.map((_, index): StoredPlace => {
      const seq = repeats.get(index);
      const keySeq = outcome.keySeqs?.[index] || undefined;
      return seq === undefined
        ? { seq: next++, duplicate: false, keySeq }
        : { seq, duplicate: true, keySeq };
    });
  });
  return places.map(({ request, index }) => stored[request]![index]!);
}

function partlyKnown(ids: readonly string[]): ConflictError {
  return new ConflictError(
    `of these events ${ids.length} ${ids.length === 1 ? "is" : "are"} stored already, and the ` +
      "others are not, so what is expected cannot be judged; nothing was stored",
    {
      details: { subject: "ids", ids },
      hint: "leave out the events that are already stored, or give them new ids",
    },
  );
}
