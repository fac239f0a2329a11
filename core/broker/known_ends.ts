/**
 * The stores held against all that remembers them: where a subscription stands, and where a topic
 * ended when the state was last closed, its store cannot end before. A store that does is older,
 * was made anew, or lost what came last. Decides only.
 */
import type { StateChange, StateSnapshot, TopicEndRecord } from "../state/state.ts";
import type { JournalStore, TopicHead } from "../store/store.ts";

/** Events of a topic that its store does not know, though they were given numbers. */
export interface LostEnd {
  /** Whose events. */
  topic: string;
  /** The first of them. */
  firstSeq: number;
  /** The last seq that anything remembers. */
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
  // Retries and dead letters are not asked: those that were imported have numbers of another
  // daemon.
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

/** The same of a store, but for topics that begin anew with each start: those in memory. */
export function lostEndsIn(store: JournalStore, ends: ReadonlyMap<string, number>): LostEnd[] {
  return lostEnds(ends, (topic) => keepsNumbers(store, topic) ? store.head(topic) : undefined);
}

/** True where a store can be told of numbers that were given before. */
export function keepsNumbers(store: JournalStore, topic: string): boolean {
  return store.keepsNumbers?.(topic) ?? store.raise !== undefined;
}

/** What the state is told when it is closed: the ends that it does not know yet. */
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
