/** Sabotages of the threads that write for the daemon, and of what it records of its data dir. */
import type { Mutant } from "../mutant.ts";

const WHOLE = "27. Missing files are noticed";
const DURABLE = "1. Acknowledged means durable";
const STALLED = "A stalled disk holds up only what waits for it";
const WHOLE_TEST = "tests/daemon/whole_test.ts";
const ACKS = "tests/system/durable_ack_test.ts";

export const threadMutants: Mutant[] = [
  {
    name: "whole: lets SQLite remove the log of a database that is gone",
    promise: WHOLE,
    file: "daemon/whole.ts",
    from: "moveAside([`${path}/${file}-wal`], { what, now: systemClock.now() });",
    to: "void what;",
    tests: [WHOLE_TEST],
    filter: "findDataDir keeps the log",
  },
  {
    name: "watermarks: end a line that found room for a part with the next one",
    promise: WHOLE,
    file: "core/data_dir/watermarks.ts",
    from: "      this.#growth = MOST_GROWTH;\n",
    to: "",
    tests: ["tests/core/data_dir/watermarks_test.ts"],
  },
  {
    name: "whole: does not count its starts in the state",
    promise: WHOLE,
    file: "daemon/whole.ts",
    from: 'await state.commit([{ op: "generation.next" }]);',
    to: "",
    tests: [WHOLE_TEST],
    filter: "keepWhole records what there is",
  },
  {
    name: "whole: records no end of a topic while it is in use",
    promise: WHOLE,
    file: "daemon/whole.ts",
    from: "if (!ephemeral && broker.isDurable(topic)) keeper.note(topic, lastSeq);",
    to: "if (ephemeral && broker.isDurable(topic)) keeper.note(topic, lastSeq);",
    tests: [WHOLE_TEST],
    filter: "while it is in use, for whoever",
  },
  {
    name: "whole: records no clean close",
    promise: WHOLE,
    file: "daemon/whole.ts",
    from: "if (there) this.#keeper.closed(ends, { counted: this.#broker.ends.written });",
    to: "",
    tests: [WHOLE_TEST],
    filter: "keepWhole records what there is",
  },
  {
    name: "whole: takes an older state without a word",
    promise: WHOLE,
    file: "daemon/whole.ts",
    from: "[...missing, ...older ? [older] : [], ...lostTopics(broker)]",
    to: "[...missing, ...lostTopics(broker)]",
    tests: [WHOLE_TEST],
    filter: "records once what is gone",
  },
  {
    name: "whole: does not see that the log of a database was taken away",
    promise: WHOLE,
    file: "daemon/whole.ts",
    from: "DATABASES.includes(name) ? [name, `${name}-wal`] : [name]\n    );",
    to: "[name]\n    );",
    tests: [WHOLE_TEST],
    filter: "taken away while they were in use",
  },
  {
    name: "sqlite thread: acknowledges before the sync that is beside the next append",
    promise: DURABLE,
    file: "daemon/journal_worker.ts",
    from: "return behind.sync().then(synced);",
    to: "return void behind.sync(), Promise.resolve().then(synced);",
    tests: [ACKS],
    filter: "where the next is written meanwhile (sqlite)",
  },
  {
    name: "sqlite thread: answers what came behind an append before that is synced",
    promise: DURABLE,
    file: "daemon/journal_worker.ts",
    from: "return behind.busy ? behind.idle().then(() => answer) : answer;",
    to: "return answer;",
    tests: ["tests/core/store/worker/order_test.ts"],
  },
  {
    name: "thread: does not learn what a reply says of a topic",
    promise: "4. Sequence numbers have no gaps",
    file: "core/store/worker/worker_store.ts",
    from: "    this.learn(answer);\n    return answer.result as AppendOutcome[];",
    to: "    return answer.result as AppendOutcome[];",
    tests: ["tests/core/store/stores_test.ts"],
    filter: "WorkerEventStore reads what its worker wrote",
  },
  {
    name: "disk: the thread that takes requests looks for room before each publish",
    promise: STALLED,
    file: "daemon/disk_space.ts",
    from: "  admit(): void {\n    if (this.#making === 0) return;",
    to: "  admit(): void {\n    this.#options.hasRoom();\n    if (this.#making === 0) return;",
    tests: ["tests/system/stalled_disk_test.ts"],
    filter: "sqlite",
  },
  {
    name: "file store: takes another file of the same name for its own",
    promise: WHOLE,
    file: "core/store/file/disk.ts",
    from:
      "return named !== undefined && named.ino === this.#own?.ino && named.dev === this.#own.dev;",
    to: "return named !== undefined && named.dev === this.#own?.dev;",
    tests: ["tests/e2e/taken_away_test.ts"],
    filter: "has another name",
  },
];
