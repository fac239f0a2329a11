/** Builds the start of a queue. */
import type { JournalStore } from "../store/store.ts";
import type { StateChange, StateSnapshot, SubscriptionRecord } from "../state/state.ts";
import type { QueueStart } from "./queue.ts";
import { countsAtStart, openDeliveries, OWN_PROCESS } from "./unanswered.ts";

/** Where other nodes deliver the subscription, too: its parts come when they are wanted. */
export function dividedStart(
  { parts = 1 }: Pick<SubscriptionRecord, "parts">,
): Omit<QueueStart, "name" | "settings"> {
  return { parts, own: 0, cursors: [], done: [], missed: [], retries: [] };
}

/**
 * A subscription's part of the snapshot. A cursor past the end of its topic is set back to the end.
 */
export function startOf(
  name: string,
  snapshot: StateSnapshot,
  on: {
    store: JournalStore;
    floors?: ReadonlyMap<string, number>;
    repairs: StateChange[];
  },
): Omit<QueueStart, "name" | "settings"> {
  const mine = <T extends { subscription: string }>(rows: readonly T[]) =>
    rows.filter(({ subscription }) => subscription === name);
  const ends = new Map<string, number>();
  const cursors = mine(snapshot.cursors).map((cursor) => {
    const lastSeq = Math.max(
      on.store.head(cursor.topic).lastSeq,
      on.floors?.get(cursor.topic) ?? 0,
    );
    ends.set(cursor.topic, lastSeq);
    if (cursor.next <= lastSeq + 1) return cursor;
    const record = { ...cursor, next: lastSeq + 1 };
    on.repairs.push(
      { op: "done.clear", subscription: name, topic: cursor.topic },
      { op: "cursor.put", record },
    );
    return record;
  });
  const retries = mine(snapshot.retries);
  const begun = mine(snapshot.begun);
  const open = openDeliveries(begun, { cursors, done: mine(snapshot.done), retries });
  const counts = countsAtStart(name, { unanswered: mine(snapshot.unanswered), open });
  on.repairs.push(
    ...counts.changes,
    ...begun.filter(({ consumer }) =>
      consumer.startsWith(OWN_PROCESS) || !open.some((one) => one.consumer === consumer)
    ).map(({ consumer }): StateChange => ({ op: "begun.remove", subscription: name, consumer })),
  );
  return {
    cursors,
    unanswered: counts.unanswered,
    open: open.filter(({ consumer }) => !consumer.startsWith(OWN_PROCESS)),
    done: mine(snapshot.done).filter(({ topic, seq }) => seq <= (ends.get(topic) ?? Infinity)),
    missed: mine(snapshot.missed),
    expired: mine(snapshot.expired ?? []),
    retries,
  };
}
