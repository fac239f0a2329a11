/** Sabotages of what people ask of subscriptions on any node of several. */
import type { Mutant } from "../mutant.ts";

const TOGETHER = "6. Retry, dead letter and cursor move together";

const RULES = ["tests/core/dead_letter/shared_acts_test.ts"];
/** With a database. */
const ROWS = ["tests/system/postgres/acts_rows_test.ts"];

export const actMutants: Mutant[] = [
  {
    name: "acts: counts that other processes change are remembered for ever",
    promise: TOGETHER,
    file: "core/state/guarded_state.ts",
    from: "this.#value !== undefined && now - this.#readAt < REMEMBERED_MS",
    to: "this.#value !== undefined",
    tests: ["tests/core/state/guarded_state_test.ts"],
  },
  {
    name: "acts: counts are not read again after an act",
    promise: TOGETHER,
    file: "core/state/guarded_state.ts",
    from: "    } finally {\n      this.#forget();\n    }",
    to: "    } finally {\n      // Nothing.\n    }",
    tests: ["tests/core/state/guarded_state_test.ts"],
  },
  {
    name: "acts: what stands for an event of the topic is delivered from there, too",
    promise: TOGETHER,
    file: "core/dead_letter/shared_move.ts",
    from: "    place.isOpen && editedFrom",
    to: "    !place.isOpen && editedFrom",
    tests: RULES,
  },
  {
    name: "acts: an edited copy stands for the event in the topic",
    promise: TOGETHER,
    file: "core/dead_letter/shared_move.ts",
    from: "place.isOpen && editedFrom === undefined && covers(topic)",
    to: "place.isOpen && covers(topic)",
    tests: RULES,
  },
  {
    name: "acts: a dead letter replaces the retry of its event",
    promise: TOGETHER,
    file: "core/dead_letter/shared_move.ts",
    from: "(one.place.isRetry || seen.has(name) ? others : taken)",
    to: "(seen.has(name) ? others : taken)",
    tests: RULES,
  },
  {
    name: "acts: a dead letter that becomes no retry stays",
    promise: TOGETHER,
    file: "core/dead_letter/shared_move.ts",
    from: "    ...others.map(({ entry }) => removal(entry)),\n",
    to: "",
    tests: RULES,
  },
  {
    name: "acts: what was edited meanwhile is retried, too",
    promise: TOGETHER,
    file: "core/dead_letter/shared_move.ts",
    from: "const isOver = passCopies && editedAs !== undefined &&",
    to: "const isOver = !passCopies && editedAs !== undefined &&",
    tests: RULES,
  },
  {
    name: "acts: the same part of an import is done twice on two nodes",
    promise: TOGETHER,
    file: "core/dead_letter/importer.ts",
    from: "batch === undefined ? undefined : await rows.importReply(batch, part)",
    to: "undefined as string | undefined",
    tests: RULES,
  },
  {
    name: "acts: what an owner decided before an act is kept",
    promise: TOGETHER,
    file: "core/state/postgres/acts.ts",
    from: "DO UPDATE SET rev = one.rev + 1,",
    to: "DO UPDATE SET rev = one.rev,",
    tests: ROWS,
  },
  {
    name: "acts: do not wait for commits under way",
    promise: TOGETHER,
    file: "core/state/postgres/acts.ts",
    from: "ORDER BY subscription, node FOR UPDATE`;",
    to: "ORDER BY subscription, node`;",
    tests: ROWS,
  },
  {
    name: "acts: a dead letter is copied by two nodes instead of moved by one",
    promise: TOGETHER,
    file: "core/state/postgres/acts.ts",
    from: "ORDER BY number FOR UPDATE OF dead_letters`;",
    to: "ORDER BY number`;",
    tests: ROWS,
  },
  {
    name: "acts: take a dead letter that came later for the one that was found",
    promise: TOGETHER,
    file: "core/state/postgres/acts.ts",
    from: "WHERE number <= $4::bigint ORDER",
    to: "WHERE $4::bigint > 0 ORDER",
    tests: ROWS,
  },
  {
    name: "acts: a part without a cursor of its own has none",
    promise: TOGETHER,
    file: "core/state/postgres/acts.ts",
    from: "coalesce(own.next, whole.next, 1)",
    to: "coalesce(own.next, 1)",
    tests: ROWS,
  },
  {
    name: "acts: a seek takes nothing from the owners",
    promise: TOGETHER,
    file: "core/delivery/shared_seek.ts",
    from: "on: [{ subscription, seize: true }],",
    to: "on: [{ subscription }],",
    tests: ["tests/core/delivery/shared_seek_test.ts"],
  },
  {
    name: "acts: an owner from whom a part is taken keeps it",
    promise: TOGETHER,
    file: "core/state/postgres/acts.ts",
    from: "epoch = one.epoch + excluded.rev",
    to: "epoch = one.epoch",
    tests: ROWS,
  },
  {
    name: "acts: retries that a seek leaves wait on",
    promise: TOGETHER,
    file: "core/delivery/shared_seek.ts",
    from: "...dueNow(stored, context), ",
    to: "",
    tests: ["tests/core/delivery/shared_seek_test.ts"],
  },
];
