/**
 * Where topics end: what the state remembers is held against the stores at the start
 * (known_ends.ts), and written down at the end for the next one.
 */
import { DataDirError } from "../base/errors.ts";
import type { GuardedState } from "../state/guarded_state.ts";
import type { StateChange, StateSnapshot, TopicEndRecord } from "../state/state.ts";
import type { JournalStore } from "../store/store.ts";
import { endChanges, keepsNumbers, knownEnds, type LostEnd, lostEndsIn } from "./known_ends.ts";

/** Most topics with lost events that are reported. */
const LOST_NAMED = 20;

/** What it works with. */
export interface TopicEndsContext {
  store: JournalStore;
  state: GuardedState;
  /** What the caller knows besides the state. */
  known?: Iterable<TopicEndRecord>;
  onError(error: unknown, context: string): void;
}

/** The ends of a broker's topics. */
export class TopicEnds {
  /**
   * Events that are remembered but missing from the store: it is older than the state, or has lost
   * its latest events.
   */
  readonly lost: readonly LostEnd[];
  /** True once {@link write} has recorded them. */
  written = false;
  readonly #context: TopicEndsContext;
  readonly #before: readonly TopicEndRecord[];

  constructor(context: TopicEndsContext, snapshot: StateSnapshot) {
    this.#context = context;
    this.#before = snapshot.ends ?? [];
    const { store, state, known } = context;
    // Both in one database: neither can be older than the other, and a store that was not opened
    // before has not read yet where topics end.
    const isOne = store.sharesState && state.shared !== undefined;
    this.lost = isOne ? [] : lostEndsIn(store, knownEnds(ofTopics(snapshot), known));
  }

  /**
   * Events at the ends of topics are lost: their seqs must not be assigned again, and who reads
   * such a topic has to look again.
   */
  async raise(readers: (topic: string) => Iterable<{ look(): void }>): Promise<void> {
    const { store, onError } = this.#context;
    for (const { topic, lastSeq } of this.lost) {
      await store.raise?.(topic, lastSeq);
      for (const reader of readers(topic)) reader.look();
    }
    for (const { topic, firstSeq, lastSeq } of this.lost.slice(0, LOST_NAMED)) {
      const what = `events ${firstSeq} to ${lastSeq} of ${topic} are gone from the event store`;
      onError(new DataDirError("datadir/events-gone", what), "what is stored");
    }
  }

  /** What the state records about the stores, so that the next start can check them. */
  changes(): StateChange[] {
    const { store } = this.#context;
    const ends = store.topics().filter((topic) => keepsNumbers(store, topic)).map((topic) => ({
      topic,
      lastSeq: store.head(topic).lastSeq,
    }));
    return [...endChanges(ends, this.#before), { op: "generation.next" }];
  }

  /**
   * Records them. No acknowledged data depends on this: if it fails, the next start just knows
   * less.
   */
  async write(changes: readonly StateChange[]): Promise<void> {
    if (changes.length === 0) return;
    const { state, onError } = this.#context;
    try {
      await state.commit(changes);
      this.written = true;
    } catch (error) {
      onError(error, "closing: where topics end was not written down");
    }
  }
}

/**
 * What a state remembers of topics that are there. Where subscriptions stand in one that was removed
 * says nothing: if it was in memory, no store has its numbers.
 */
function ofTopics(
  { topics, cursors, done, missed, ends }: StateSnapshot,
): Pick<StateSnapshot, "cursors" | "done" | "missed" | "ends"> {
  const names = new Set(topics.map(({ name }) => name));
  const isThere = ({ topic }: { topic: string }) => names.has(topic);
  return {
    cursors: cursors.filter(isThere),
    done: done.filter(isThere),
    missed: missed.filter(isThere),
    ends,
  };
}
