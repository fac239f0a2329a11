/** The outbox in PostgreSQL: rows that an application's own transactions write. */
import { CannotStoreError, InvalidArgumentError } from "../../base/errors.ts";
import type { NewEvent } from "../../event/event.ts";
import { slotOfKey } from "../../event/part.ts";
import type { TopicHead } from "../../event/topic_head.ts";
import type { Postgres } from "../../postgres/connection.ts";
import { refusedBy } from "../../postgres/errors.ts";
import { repeatable } from "../../postgres/patience.ts";
import type { Moved, Outbox, OutboxTransaction } from "../outbox.ts";
import type { AppendAnswer, StoredUnit } from "./append_outcomes.ts";
import { planAppend } from "./append_plan.ts";
import { contentSum } from "./row.ts";

/** What the outbox works with. */
export interface OutboxContext {
  postgres: Postgres;
  dedupWindow: number;
  /** Unix ms; undefined: the database's clock. */
  now(): number | undefined;
  /** Resolves when the tables are there; waits for a server that is away. */
  opened(): Promise<void>;
  /** Tells of events that were appended. */
  appended(topic: string, head: TopicHead): void;
  /** Tells all processes that the outbox is used. */
  tellUsed(): void;
  onUsed(listener: () => void): () => void;
}

const PUT = `INSERT INTO evs.outbox
  (topic, id, type, key, slot, ts, schema_version, metadata, payload, crc)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`;
/** From topic to topic along the index, however many events wait for each. */
const TOPICS = `WITH RECURSIVE t AS (
    (SELECT topic FROM evs.outbox ORDER BY topic LIMIT 1) UNION ALL
    SELECT (SELECT topic FROM evs.outbox WHERE topic > t.topic ORDER BY topic LIMIT 1)
    FROM t WHERE t.topic IS NOT NULL
  ) SELECT topic FROM t WHERE topic IS NOT NULL`;
/** The SQLSTATE of a topic that was changed. */
const CHANGED = "EV003";
const decoder = new TextDecoder();

/** Those of a {@link PostgresEventStore}. */
export class PostgresOutbox implements Outbox {
  readonly #context: OutboxContext;

  constructor(context: OutboxContext) {
    this.#context = context;
  }

  async put(tx: OutboxTransaction, topic: string, event: NewEvent): Promise<void> {
    const run = runnerOf(tx);
    // It refuses what could not be appended later.
    planAppend([{ topic, events: [event] }]);
    await this.#context.opened();
    const { id, type, key, timestamp, schemaVersion, metadata, payload } = event;
    const slot = key === undefined ? 0 : slotOfKey(key);
    const text = decoder.decode(payload);
    const values = [topic, id, type, key ?? null, slot, timestamp, schemaVersion, metadata, text];
    try {
      await run(PUT, [...values, contentSum(event)]);
    } catch (error) {
      throw refusal(error, this.#context.postgres.place);
    }
    this.#context.tellUsed();
  }

  async topics(): Promise<string[]> {
    await this.#context.opened();
    const rows = await this.#context.postgres.query<{ topic: string }>("read", TOPICS);
    return rows.map(({ topic }) => topic);
  }

  async move(topic: string, rev?: number): Promise<Moved | undefined> {
    const { postgres, dedupWindow, now } = this.#context;
    const moving = () =>
      postgres.query<{ rows: number | null; answer: string | null }>(
        "append",
        "SELECT * FROM evs.move_outbox_1($1, $2, $3, $4)",
        [topic, rev ?? null, now() ?? null, dedupWindow],
      );
    try {
      // Whether a lost answer was that of a commit shows in what still waits.
      const [row] = await repeatable(moving);
      const { rows, answer } = row!;
      if (rows === null) return undefined;
      return { count: rows, ...answer === null ? {} : this.#appended(topic, JSON.parse(answer)) };
    } catch (error) {
      if (refusedBy(error) === CHANGED) return undefined;
      throw error;
    }
  }

  #appended(
    topic: string,
    { topics: [head], units: [unit] }: AppendAnswer,
  ): Pick<Moved, "appended"> {
    const [firstSeq, lastSeq, bytes] = head!;
    this.#context.appended(topic, { firstSeq, lastSeq, bytes });
    // Nothing was expected that could have been refused.
    const { first, count } = unit as StoredUnit;
    return count === 0 ? {} : { appended: { topic, firstSeq: first, lastSeq: first + count - 1 } };
  }

  onUsed(listener: () => void): () => void {
    return this.#context.onUsed(listener);
  }
}

type Run = (text: string, values: unknown[]) => PromiseLike<unknown>;

/** How statements are run in a transaction; throws for what is none. */
function runnerOf(tx: unknown): Run {
  const given = (tx ?? {}) as { unsafe?: Run; query?: Run };
  assertTransaction(given);
  return (text, values) => {
    // It may have ended, if nobody waited for this.
    assertTransaction(given);
    return given.unsafe ? given.unsafe(text, values) : given.query!(text, values);
  };
}

function assertTransaction(tx: object): void {
  const { unsafe, query, begin, getTransactionStatus } = tx as Record<string, unknown>;
  if (typeof unsafe === "function") {
    if (begin === undefined) return;
    throw noTransaction("sql.begin((tx) => broker.publishIn(tx, …))");
  }
  if (typeof query !== "function") {
    throw noTransaction("pass a transaction of the package postgres, or a client of pg");
  }
  // A pool runs each statement on any connection; and a client knows whether it has begun.
  const isIdle = typeof getTransactionStatus === "function" &&
    getTransactionStatus.call(tx) === "I";
  if ("totalCount" in tx || isIdle) {
    throw noTransaction('const tx = await pool.connect(); await tx.query("BEGIN"); …');
  }
}

function noTransaction(hint: string): InvalidArgumentError {
  return new InvalidArgumentError("publishIn writes in a transaction, and this is none", {
    details: { field: "tx" },
    hint,
  });
}

/** Errors of the user's own driver and connection stay what they are. */
function refusal(thrown: unknown, place: string): unknown {
  const { code, message } = (thrown ?? {}) as { code?: string; message?: string };
  if (code === "42P01" || code === "3F000") {
    return new CannotStoreError("the database of this transaction has no table evs.outbox", {
      hint: `begin the transaction in the broker's database, ${place}`,
      cause: thrown,
    });
  }
  if (code === "42501") {
    return new CannotStoreError(`the transaction's user may not write to evs.outbox: ${message}`, {
      code: "postgres/no-rights",
      hint: "GRANT USAGE ON SCHEMA evs TO …; GRANT INSERT ON evs.outbox TO …",
      cause: thrown,
    });
  }
  return thrown;
}
