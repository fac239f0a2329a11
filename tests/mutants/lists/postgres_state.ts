/** Sabotages of the state in PostgreSQL. Most need a server, and run at nightly. */
import type { Mutant } from "../mutant.ts";

const OWNER = "A state that several nodes share";
const TOGETHER = "6. Retry, dead letter and cursor move together";
const FULL = "8. A full disk is reported, and the daemon recovers";
const DURABLE = "1. Acknowledged means durable";

const CLAIMS = ["tests/system/postgres/claims_test.ts"];
const LOST = ["tests/system/postgres/state_lost_answer_test.ts"];
const ERRORS = ["tests/system/postgres/state_errors_test.ts"];
const BATCHES = ["tests/core/state/postgres/batches_test.ts"];

export const postgresStateMutants: Mutant[] = [
  {
    name: "postgres state: keeps what an old epoch commits",
    promise: OWNER,
    file: "core/state/postgres/migrations.ts",
    from: "AND claims.part = asked.part AND claims.epoch = asked.epoch\n      ORDER",
    to: "AND claims.part = asked.part\n      ORDER",
    tests: CLAIMS,
  },
  {
    name: "postgres state: looks at fences and does not hold them",
    promise: OWNER,
    file: "core/state/postgres/migrations.ts",
    from: "ORDER BY claims.subscription, claims.part FOR SHARE OF claims;",
    to: "ORDER BY claims.subscription, claims.part;",
    tests: CLAIMS,
  },
  {
    name: "postgres state: a new owner has the epoch of the one before",
    promise: OWNER,
    file: "core/state/postgres/claims.ts",
    from: "epoch = one.epoch + 1,",
    to: "epoch = one.epoch,",
    tests: CLAIMS,
  },
  {
    name: "postgres state: a node that has claimed and was not seen yet is gone",
    promise: OWNER,
    file: "core/state/postgres/claims.ts",
    from: "greatest(${claim}.claimed_at,\n",
    to: "coalesce(\n",
    tests: CLAIMS,
  },
  {
    name: "postgres state: gives back what is another's by now",
    promise: OWNER,
    file: "core/state/postgres/claims.ts",
    from: "AND one.epoch = asked.epoch AND one.node = $4",
    to: "AND $4::text IS NOT NULL",
    tests: CLAIMS,
  },
  {
    name: "postgres state: does again what was kept and not answered",
    promise: OWNER,
    file: "core/state/postgres/commits.ts",
    from: 'if (fate === "unknown" && await this.#isKept(number, error)) return;',
    to: 'if (fate === "unknown") await this.#isKept(number, error);',
    tests: LOST,
  },
  {
    name: "postgres state: takes what is unknown for kept",
    promise: OWNER,
    file: "core/state/postgres/commits.ts",
    from: "return await this.#ask() === number;",
    to: "return await this.#ask() >= 0;",
    tests: LOST,
  },
  {
    name: "postgres state: says that nothing was stored because it cannot ask",
    promise: OWNER,
    file: "core/state/postgres/commits.ts",
    from: "if (this.#closing || !passes) throw unknown;",
    to: 'if (this.#closing || !passes || fateOf(error) === "final") throw error;',
    tests: LOST,
  },
  {
    name: "postgres state: takes a request that arrives after it was sent again",
    promise: OWNER,
    file: "core/state/postgres/migrations.ts",
    from: "WHERE writer = this_writer AND attempt = this_attempt;",
    to: "WHERE writer = this_writer;",
    tests: LOST,
  },
  {
    name: "postgres state: says that what waits behind an unknown commit is stored",
    promise: FULL,
    file: "core/state/postgres/commits.ts",
    from: "for (const { reject } of late) reject(notStored(error, this.#postgres));",
    to: "for (const { resolve } of late) resolve();",
    tests: LOST,
  },
  {
    name: "postgres state: does not wait with a read while the server is away",
    promise: OWNER,
    file: "core/state/postgres/postgres_state.ts",
    from: 'patiently(() => postgres.query("read", text, values), waiting)',
    to: 'waiting && postgres.query("read", text, values)',
    tests: LOST,
  },
  {
    name: "postgres state: does not wait for the server's disk",
    promise: DURABLE,
    file: "core/state/postgres/commits.ts",
    from: "commits.some(({ sync }) => sync) ? [] : [NO_SYNC]",
    to: "commits.every(({ sync }) => sync) ? [] : [NO_SYNC]",
    tests: ERRORS,
  },
  {
    name: "postgres state: one commit that is refused takes those beside it along",
    promise: TOGETHER,
    file: "core/state/postgres/commits.ts",
    from: "const isOwn = commits.length === 1 ||",
    to: "const isOwn = commits.length >= 1 ||",
    tests: ERRORS,
  },
  {
    name: "postgres state: two nodes number dead letters at once",
    promise: TOGETHER,
    file: "core/state/postgres/dead_letter_plan.ts",
    from: "WHERE name = 'dead_letters' FOR UPDATE\"",
    to: "WHERE name = 'dead_letters'\"",
    tests: ERRORS,
  },
  {
    name: "postgres state: decides by groups that another node has changed",
    promise: TOGETHER,
    file: "core/state/postgres/dead_letter_plan.ts",
    from: "known?.rev === rev ? known.groups",
    to: "known ? known.groups",
    tests: ERRORS,
  },
  {
    name: "postgres state: prepares a statement that fails beside a newer node",
    promise: OWNER,
    file: "core/state/postgres/reads.ts",
    from:
      "  SELECT subscription, topic, id, seq, key, type, due_at, wait_ms, next_attempt, failures, attempts,\n    line, edited_from\n",
    to: "  SELECT *\n",
    tests: ERRORS,
  },
  {
    name: "postgres state: one statement for each settled delivery",
    promise: TOGETHER,
    file: "core/state/postgres/batches.ts",
    from: "if (open instanceof RowBatch && open.table === table) return open;",
    to: "",
    tests: BATCHES,
  },
  {
    name: "postgres state: a range that is cleared leaves a batch open",
    promise: TOGETHER,
    file: "core/state/postgres/batches.ts",
    from: "for (const { name } of touches) this.#open.delete(name);",
    to: "",
    tests: BATCHES,
  },
  {
    name: "postgres state: marks below the cursor stay",
    promise: TOGETHER,
    file: "core/state/postgres/done_batch.ts",
    from: "if (seq < below) part.seqs.delete(seq);",
    to: "if (seq < 0) part.seqs.delete(seq);",
    tests: BATCHES,
  },
  {
    name: "postgres state: a value ends its quotes",
    promise: TOGETHER,
    file: "core/state/postgres/literal.ts",
    from: 'withoutNul(value).replaceAll("\'", "\'\'")',
    to: "withoutNul(value)",
    tests: ["tests/core/state/postgres/literal_test.ts"],
  },
  {
    name: "postgres state: a backslash escapes the quote behind it",
    promise: TOGETHER,
    file: "core/state/postgres/literal.ts",
    from: 'quoted.includes("\\\\") ?',
    to: 'quoted.includes("\\\\n") ?',
    tests: ["tests/core/state/postgres/literal_test.ts"],
  },
];
