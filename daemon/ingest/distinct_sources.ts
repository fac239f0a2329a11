/**
 * CloudEvents are identified by source and id together, events here by the id alone. If another
 * source has used an id before, an event is stored under an id that is made from both; it goes out
 * again with its own.
 *
 * Whether an id is taken is best known before the append, which then keeps the order of its events.
 * Only SQLite has an index to ask. For other stores, and when two publishers meet, the outcome
 * shows it, and a second append follows.
 */
import { inTurns } from "../../core/base/in_turns.ts";
import { arrived, type MaybePromise } from "../../core/base/maybe_promise.ts";
import type { EventBroker } from "../../core/broker/event_broker.ts";
import { CLOUD_MEMBER, cloudSource } from "../../core/event/cloud_event.ts";
import { hashedId } from "../../core/event/cloud_event_id.ts";
import type { NewEvent, StoredEvent } from "../../core/event/event.ts";
import { assertStored } from "../../core/broker/expectation.ts";
import type { AppendOutcome, AppendRequest, EventReader } from "../../core/store/store.ts";

/** What is known of a topic's ids before an append. */
export interface KnownIds {
  /** The event with an id, where an index makes that cheap: elsewhere a whole topic is read. */
  find(id: string): MaybePromise<StoredEvent | undefined>;
  /** True if the topic deletes events: then nobody can tell whose an id was. */
  forgets: boolean;
}

/**
 * Looking up an id and making another takes about as long as 20 other events: after so many of
 * them everything else has its turn.
 */
const TOGETHER = 20;

/**
 * Renames events whose ids another source has used: earlier in the same request or, as far as is
 * known, in the topic. What is not known, {@link appendDistinct} finds out afterwards. In steps, so
 * that a large request holds up nothing else.
 */
export function* distinctIds(
  events: readonly NewEvent[],
  { find, forgets }: KnownIds,
): Generator<void | Promise<void>, NewEvent[], undefined> {
  const sources = new Map<string, string>();
  const distinct: NewEvent[] = [];
  for (const event of events) {
    if (distinct.length > 0 && distinct.length % TOGETHER === 0) yield undefined;
    distinct.push(yield* distinctOf(event));
  }
  return distinct;

  function* distinctOf(event: NewEvent): Generator<Promise<void>, NewEvent, undefined> {
    const { source, id: own } = cloudOf(event.metadata);
    if (own !== undefined) return event;
    if (forgets) return withHashedId(event);
    const stored = sources.has(event.id) ? undefined : yield* arrived(find(event.id));
    const first = sources.get(event.id) ?? (stored ? sourceOf(stored) : source);
    sources.set(event.id, first);
    return first === source ? event : withHashedId(event);
  }
}

/** What is known of a topic's ids. */
export function knownIds(
  topic: string,
  { topics, store }: Pick<EventBroker, "topics" | "store">,
): KnownIds {
  const options = topics.get(topic)?.options;
  const kind = options?.store;
  const isIndexed = (kind === "default" ? store.kind : kind) === "sqlite";
  return {
    find: (id) => isIndexed ? store.find(topic, id) : undefined,
    forgets: options !== undefined &&
      (options.drop === "consumed" || options.retentionPeriod > 0 || options.maxEvents > 0 ||
        options.maxBytes > 0),
  };
}

/** Events that were appended together, and the outcome. */
export interface AppendedEvents {
  events: readonly NewEvent[];
  outcome: Extract<AppendOutcome, { ok: true }>;
}

/** What is needed to look at events, and to append some once more. */
export interface SourcesContext {
  topic: string;
  store: Pick<EventReader, "readPage">;
  append(request: AppendRequest): Promise<AppendOutcome>;
}

/**
 * Takes an append of CloudEvents, and appends those again that are duplicates by their id alone.
 * Returns what became of all of them.
 */
export async function appendDistinct(
  { events, outcome }: AppendedEvents,
  { topic, store, append }: SourcesContext,
): Promise<AppendedEvents[]> {
  const renames = await inTurns(foreignRepeats({ events, outcome }, { topic, store }));
  if (renames.size === 0) return [{ events, outcome }];
  const places = new Map(
    events.flatMap((_, index) => renames.has(index) ? [] : [index]).map((old, at) => [old, at]),
  );
  const kept = {
    events: [...places.keys()].map((index) => events[index]!),
    outcome: {
      ...outcome,
      ...outcome.keySeqs ? { keySeqs: [...places.keys()].map((i) => outcome.keySeqs![i]!) } : {},
      duplicates: outcome.duplicates.flatMap(({ index, seq }) => {
        const at = places.get(index);
        return at === undefined ? [] : [{ index: at, seq }];
      }),
    },
  };
  const renamed = [...renames.values()];
  const again = assertStored(topic, await append({ topic, events: renamed }));
  return [kept, { events: renamed, outcome: again }];
}

/** By index: the duplicates that are another source's events, with ids of their own. In steps. */
function* foreignRepeats(
  { events, outcome }: AppendedEvents,
  { topic, store }: Pick<SourcesContext, "topic" | "store">,
): Generator<void | Promise<void>, Map<number, NewEvent>, undefined> {
  const renames = new Map<number, NewEvent>();
  for (const [i, { index, seq }] of outcome.duplicates.entries()) {
    if (i > 0 && i % TOGETHER === 0) yield undefined;
    const event = events[index]!;
    // The id of an event that is scheduled, which a CloudEvent never is, has the seq 0.
    const query = { from: seq, to: seq, limit: 1 };
    const page = seq === 0 ? undefined : yield* arrived(store.readPage(topic, query));
    const first = page?.events[0];
    const isForeign = seq === 0 ||
      (first !== undefined && sourceOf(first) !== cloudOf(event.metadata).source);
    if (isForeign) renames.set(index, withHashedId(event));
  }
  return renames;
}

function sourceOf(event: StoredEvent): string {
  return cloudSource({ ...event, metadata: JSON.parse(event.metadata) });
}

function withHashedId(event: NewEvent): NewEvent {
  const { metadata, id } = event;
  const cloud = cloudOf(metadata);
  return {
    ...event,
    id: hashedId(cloud.source, id),
    metadata: JSON.stringify({ ...JSON.parse(metadata), [CLOUD_MEMBER]: { id, ...cloud } }),
  };
}

function cloudOf(metadata: string): { source: string; id?: string } {
  return JSON.parse(metadata)[CLOUD_MEMBER];
}
