/**
 * Checks the stores against what is remembered about them: a topic's store cannot end before the
 * cursor of a subscription, or before its end when the state was last closed. A store that does is
 * older, was recreated, or lost its latest events. Pure decisions, no I/O.
 */
import type { StateChange, StateSnapshot, TopicEndRecord } from "../state/state.ts";
import type { JournalStore, TopicHead } from "../store/store.ts";

/** Events of a topic that were assigned seqs but are missing from its store. */
export interface LostEnd {
  /** Their topic. */
  topic: string;
  /** The first missing seq. */
  firstSeq: number;
  /** The last seq that is remembered anywhere. */
  lastSeq: number;
}

/** The last seq of each topic that the state remembers, or that the caller knows. */
export function knownEnds(
  { cursors, done, missed, ends }: Pick<StateSnapshot, "cursors" | "done" | "missed" | "ends">,
  known: Iterable<TopicEndRecord> = [],
): Map<string, number> {
  const last = new Map<string, number>();
  const add = (topic: string, seq: number) => {
    if (seq > (last.get(topic) ?? 0)) last.set(topic, seq);
  };
  // Retries and dead letters do not count: imported ones have seqs of another daemon.
  for (const { topic, next } of cursors) add(topic, next - 1);
  for (const { topic, seq } of done) add(topic, seq);
  for (const { topic, to } of missed) add(topic, to);
  for (const { topic, lastSeq } of [...ends, ...known]) add(topic, lastSeq);
  return last;
}

/** What is missing at the ends of topics. */
export function lostEnds(
  ends: ReadonlyMap<string, number>,
  headOf: (topic: string) => TopicHead | undefined,
): LostEnd[] {
  const lost: LostEnd[] = [];
  for (const [topic, lastSeq] of ends) {
    const head = headOf(topic);
    if (head && head.lastSeq < lastSeq) lost.push({ topic, firstSeq: head.lastSeq + 1, lastSeq });
  }
  return lost;
}

/** The same for a store, except for topics in memory, which start over every time. */
export function lostEndsIn(store: JournalStore, ends: ReadonlyMap<string, number>): LostEnd[] {
  return lostEnds(ends, (topic) => keepsNumbers(store, topic) ? store.head(topic) : undefined);
}

/** True if a store can be told about seqs that were assigned before. */
export function keepsNumbers(store: JournalStore, topic: string): boolean {
  return store.keepsNumbers?.(topic) ?? store.raise !== undefined;
}

/** The changes for the state at its closing: ends that it does not know yet. */
export function endChanges(
  now: Iterable<TopicEndRecord>,
  before: readonly TopicEndRecord[],
): StateChange[] {
  const known = new Map(before.map(({ topic, lastSeq }) => [topic, lastSeq]));
  const changes: StateChange[] = [];
  for (const record of now) {
    if (record.lastSeq !== (known.get(record.topic) ?? 0)) changes.push({ op: "end.put", record });
  }
  return changes;
}
