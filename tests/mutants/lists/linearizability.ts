/**
 * Sabotages of what clients are told of one topic: of expectations that race, of reads after
 * acknowledgements, of ids that come again; and the faults that the stores had when they first were
 * each other's oracle.
 */
import type { Mutant } from "../mutant.ts";

const LINEARIZABILITY = "tests/e2e/linearizability_test.ts";

export const linearizabilityMutants: Mutant[] = [
  {
    name: "expected: compares on arrival, before the queue",
    promise: "What clients are told of a topic has one order",
    file: "core/store/journal.ts",
    from: "    this.#waiting.push({ request, since, stream, waiter });",
    to: `    const { expected, ...rest } = request;
    const isMet = expected === this.store.head(request.topic).lastSeq;
    this.#waiting.push({ request: isMet ? rest : request, since, stream, waiter });`,
    tests: [LINEARIZABILITY],
    filter: "what clients are told of a topic is linearizable (sqlite)",
  },
  {
    name: "reads: learn of an append after its acknowledgement",
    promise: "What clients are told of a topic has one order",
    file: "core/store/worker/worker_store.ts",
    from: `    this.learn(answer);
    return answer.result as AppendOutcome[];`,
    to: `    setTimeout(() => this.learn(answer), 200);
    return answer.result as AppendOutcome[];`,
    tests: [LINEARIZABILITY],
    filter: "what clients are told of a topic is linearizable (sqlite)",
  },
  {
    name: "newest of a key: an event that was the newest before",
    promise: "What clients are told of a topic has one order",
    file: "core/store/by_key.ts",
    from: `    const found = events?.find((one) => one.key === key);`,
    to: `    const found = events?.findLast((one) => one.key === key);`,
    tests: [LINEARIZABILITY],
    filter: "what clients are told of a topic is linearizable (file)",
  },
  {
    name: "expected keySeq: one more event of the key is taken for none",
    promise: "The number of an event within its key is never used twice",
    file: "core/store/append.ts",
    from: `return actual === expected.keySeq;`,
    to: `return actual === expected.keySeq || actual === expected.keySeq + 1;`,
    tests: [LINEARIZABILITY],
    filter: "what clients are told of a topic is linearizable (sqlite)",
  },
  {
    name: "file store: an event has the time of a request that stored nothing",
    promise: "Age counts from when an event was stored",
    file: "core/store/file/topic_writer.ts",
    from: `this.hasPending ? this.#pending! : newPending(`,
    to: `this.#pending ?? newPending(`,
    tests: ["tests/core/store/ages_test.ts"],
    filter: "when the request before stored nothing",
  },
  {
    name: "file store: a power cut brings back the ids of a removed topic",
    promise: "A power cut loses nothing acknowledged",
    file: "core/store/file/topic_writer.ts",
    from: `if (this.#lookup.forget()) this.#context.disk.syncFolder(this.#folder);`,
    to: `this.#lookup.forget();`,
    tests: ["tests/core/store/file/lookup_test.ts"],
    filter: "does not know the ids of a removed topic",
  },
  {
    name: "memory store: lists topics of which nothing was stored",
    promise: "The names of topics that have or had events",
    file: "core/store/memory.ts",
    from: `.filter(([, { lastSeq }]) => lastSeq > 0)`,
    to: ``,
    tests: ["tests/core/store/stores_test.ts"],
    filter: "lists no topic of which nothing was ever stored",
  },
  {
    name: "sqlite store: lists topics of which nothing was stored",
    promise: "The names of topics that have or had events",
    file: "core/store/sqlite/reader.ts",
    from: `.filter(({ lastSeq }) => lastSeq > 0)`,
    to: ``,
    tests: ["tests/core/store/stores_test.ts"],
    filter: "lists no topic of which nothing was ever stored",
  },
  {
    name:
      "file store: an id of a deleted event is known as long as that of the newest in its segment",
    promise: "A given id is looked up within the dedup window",
    file: "core/store/file/lookup.ts",
    from: `seqs.find((seq) => storedAtOf(table, seq) > since)`,
    to: `seqs.at(0)`,
    tests: ["tests/core/store/file/lookup_test.ts"],
    filter: "the id of a deleted event",
  },
  {
    name: "file store: an id is forgotten with its event",
    promise: "A given id is looked up within the dedup window",
    file: "core/store/file/lookup.ts",
    from: `if (seq < firstSeq || this.#event(seq)?.id === id) return seq;`,
    to: `if (this.#event(seq)?.id === id) return seq;`,
    tests: ["tests/core/store/stores_test.ts"],
    filter: "FileEventStore knows a given id when its event was deleted",
  },
  {
    name: "file store: finds events by id that were deleted",
    promise: "Three stores answer alike",
    file: "core/store/file/reader.ts",
    from: `if (event && event.seq >= view.firstSeq) return event;`,
    to: `if (event) return event;`,
    tests: ["tests/core/store/stores_test.ts"],
    filter: "FileEventStore finds no event that was deleted",
  },
  {
    name: "file store: finds events by time that were deleted",
    promise: "Three stores answer alike",
    file: "core/store/file/reader.ts",
    from: `event.timestamp <= latest && event.seq >= view.firstSeq`,
    to: `event.timestamp <= latest`,
    tests: ["tests/core/store/stores_test.ts"],
    filter: "FileEventStore finds no event that was deleted",
  },
  {
    name: "sqlite store: takes an event of the far future for one at or after a time",
    promise: "Three stores answer alike",
    file: "core/store/sqlite/reader.ts",
    from: `event.timestamp >= timestamp && event.timestamp <= latest`,
    to: `event.timestamp >= timestamp`,
    tests: ["tests/core/store/stores_test.ts"],
    filter: "SqliteEventStore passes over an event that is later",
  },
  {
    name: "memory store: forgets the number of a redacted event with those before it",
    promise: "The number of an event within its key is never used twice",
    file: "core/store/memory.ts",
    from: `if (held.countOfKey.get(event.key)! < held.firstSeq) held.countOfKey.delete(event.key);`,
    to: `held.countOfKey.delete(event.key);`,
    tests: ["tests/core/store/stores_test.ts"],
    filter: "MemoryEventStore gives no number of a redacted event again",
  },
  {
    name: "journal: tells each of the requests that it merged the numbers of the first",
    promise: "The number of an event within its key is never used twice",
    file: "core/store/merge.ts",
    from: `outcome.keySeqs?.slice(done, done += count)`,
    to: `outcome.keySeqs?.slice(0, count)`,
    tests: ["tests/core/store/merge_test.ts"],
  },
  {
    name: "file store: forgets the number of an id within one append",
    promise: "The number of an event within its key is never used twice",
    file: "core/store/file/pending.ts",
    from: `if (idGiven) pending.keySeqsAt.set(seq, keySeq);`,
    to: ``,
    tests: ["tests/core/store/stores_test.ts"],
    filter: "FileEventStore tells the number of an event that was stored before",
  },
];
