/**
 * Turns dead letters into retries, or removes them, where several nodes share the state: whichever
 * node owns the parts, in one transaction that finds them and changes them.
 */
import { partField } from "../event/part.ts";
import type { Now } from "../delivery/entry.ts";
import type { Redelivery } from "../delivery/redeliver.ts";
import { compilePattern } from "../event/topic_options.ts";
import type { ActRows, EventPlace, Transact } from "../state/shared_act.ts";
import type { ChangeOf, StateChange, SubscriptionRecord } from "../state/state.ts";
import { copyOf, removal } from "./entries.ts";

/** What both acts need. */
export interface SharedMoveContext {
  transact: Transact;
  /** Only entries that were added by then. */
  upTo?: number | undefined;
  /** What is committed together with the act on these. */
  also?: ((done: readonly Redelivery[]) => StateChange[]) | undefined;
  /** What comes before it looks at the entries. */
  first?: ((rows: ActRows) => Promise<void>) | undefined;
}

/** A subscription that gets dead letters. */
export interface MoveTarget {
  record: Pick<SubscriptionRecord, "name" | "topic">;
  now(): Now;
}

/**
 * Moves entries, in their order, each to what `targetOf` says. Those that have disappeared are
 * skipped, and with `passCopies` those of which an edited copy is on its way; returns the others.
 */
export function moveShared(
  entries: readonly Redelivery[],
  { transact, upTo, also, first, targetOf, passCopies }: SharedMoveContext & {
    targetOf(entry: Redelivery): MoveTarget;
    passCopies: boolean;
  },
): Promise<readonly Redelivery[]> {
  const byTarget = (some: readonly Redelivery[]) =>
    Map.groupBy(some, (entry) => targetOf(entry).record.name);
  return transact({
    on: Array.from(byTarget(entries), ([subscription, of]) => ({ subscription, of })),
    async decide(rows) {
      await first?.(rows);
      const there = await stillHeld(rows, entries, { upTo, passCopies });
      const changes: StateChange[] = [];
      for (const [name, own] of byTarget(there)) {
        const places = await rows.places(name, own);
        const target = targetOf(own[0]!);
        changes.push(
          ...redeliveries(target, own.map((entry, n) => ({ entry, place: places[n]! }))),
        );
      }
      return { changes: [...changes, ...also?.(there) ?? []], result: there };
    },
  });
}

/** Removes entries for good. Those that have disappeared are skipped; returns the others. */
export function removeShared(
  entries: readonly Redelivery[],
  { transact, upTo, also, first }: SharedMoveContext,
): Promise<readonly Redelivery[]> {
  return transact({
    on: [],
    async decide(rows) {
      await first?.(rows);
      const there = (await rows.held(entries, { upTo })).map(({ entry }) => entry);
      return { changes: [...there.map(removal), ...also?.(there) ?? []], result: there };
    },
  });
}

async function stillHeld(
  rows: ActRows,
  entries: readonly Redelivery[],
  { upTo, passCopies }: { upTo: number | undefined; passCopies: boolean },
): Promise<Redelivery[]> {
  const there: Redelivery[] = [];
  for (const { entry, editedAs } of await rows.held(entries, { upTo })) {
    const isOver = passCopies && editedAs !== undefined &&
      await copyOf(rows, { topic: entry.topic, editedAs }) !== undefined;
    if (!isOver) there.push(entry);
  }
  return there;
}

/** What of a dead letter says where it stands in the subscription that gets it. */
type Placed = Pick<Redelivery, "topic" | "seq" | "editedFrom">;

/**
 * Dead letters become retries, in this order, unless there is one of the same event: then they are
 * removed. What they stand for is not delivered from the topic, too.
 */
export function redeliveries(
  target: MoveTarget,
  entries: readonly { entry: Redelivery; place: EventPlace }[],
): StateChange[] {
  const { record: { name: to } } = target;
  const dueAt = target.now().wall;
  const moves = new Map<string, ChangeOf<"dead.retry"> & { parts: number[] }>();
  const { taken, others } = takenOf(entries);
  for (const { entry: { subscription, topic, id }, place } of taken) {
    const from = `${subscription}\n${topic}`;
    const move = moves.get(from) ??
      { op: "dead.retry", subscription, topic, to, dueAt, ids: [], parts: [] };
    moves.set(from, move);
    move.ids.push(id);
    move.parts.push(place.part);
  }
  return [
    ...moves.values(),
    ...others.map(({ entry }) => removal(entry)),
    ...marksOf(target, taken),
  ];
}

/** Those that become retries: of each event one, unless there is one. */
export function takenOf<P extends { entry: { topic: string; id: string }; place: EventPlace }>(
  entries: readonly P[],
): { taken: P[]; others: P[] } {
  const seen = new Set<string>();
  const taken: P[] = [];
  const others: P[] = [];
  for (const one of entries) {
    const name = `${one.entry.topic}\n${one.entry.id}`;
    (one.place.isRetry || seen.has(name) ? others : taken).push(one);
    seen.add(name);
  }
  return { taken, others };
}

/**
 * The marks of events that retries stand for from now on. An edited copy is its own event: it does
 * not stand for the one in the topic.
 */
export function marksOf(
  { record: { name: subscription, topic: pattern } }: Pick<MoveTarget, "record">,
  entries: readonly { entry: Placed; place: EventPlace }[],
): StateChange[] {
  const covers = compilePattern(pattern);
  const open = entries.filter(({ entry: { topic, editedFrom }, place }) =>
    place.isOpen && editedFrom === undefined && covers(topic)
  );
  const byPart = Map.groupBy(open, ({ entry, place }) => `${entry.topic} ${place.part}`);
  return Array.from(byPart.values(), (some) => {
    const [{ entry: { topic }, place: { part } }] = some as [typeof some[number]];
    const seqs = [...new Set(some.map(({ entry }) => entry.seq))];
    return { op: "done.put", subscription, topic, ...partField(part), seqs };
  });
}
