/**
 * Acts on the rows of subscriptions, whichever node owns their parts (core/state/shared_act.ts). Who
 * commits holds the row of its node in `evs.members`; an act holds those of all nodes, so it waits
 * for commits under way and makes the others wait. Then it raises the numbers of the claims, under
 * which what was decided before is refused.
 *
 * The order of locks is that of all transactions: members, claims, the counter of dead letters, rows.
 */
import { NotFoundError } from "../../base/errors.ts";
import { partOf } from "../../event/part.ts";
import type { Query } from "../../postgres/connection.ts";
import { TryAgainError } from "../../postgres/errors.ts";
import type { PartRows } from "../coordinator.ts";
import type { FailedEvent } from "../dead_letter_name.ts";
import { linkOf, type Row, waitingOf } from "../rows.ts";
import type { WaitingRetry } from "../records.ts";
import type { DeadLetterJobRecord } from "../../event/dead_letter_job.ts";
import type { ActOn, ActRows, EventPlace, JobHolder } from "../shared_act.ts";
import { beginJob, holdJob, readEndedJobs } from "./job_rows.ts";
import { readQueue } from "./queue_rows.ts";
import { StateReads } from "./reads.ts";
import { listed, lists } from "./table_lists.ts";
import { listText, listType, plainRow } from "./values.ts";
import { holdWaiting } from "./waiting_rows.ts";

const NAME = { subscription: "text", topic: "text", id: "text" } as const;
const PART = { subscription: "text", part: "bigint", seize: "bigint" } as const;
const PLACE = { topic: "text", id: "text", seq: "bigint", part: "bigint" } as const;

const NAMES = `ANY($1${listType("text")})`;
const MEMBERS = `SELECT 1 FROM evs.members WHERE subscription = ${NAMES}
  ORDER BY subscription, node FOR UPDATE`;
const SUBSCRIPTIONS = `SELECT name, parts::int AS parts FROM evs.subscriptions
  WHERE name = ${NAMES} ORDER BY name COLLATE "C"`;
/**
 * Also of parts that nobody has ever owned: a node that claims one for the first time waits here,
 * and reads what the act has changed.
 */
const CLAIMS = `
  INSERT INTO evs.claims AS one (subscription, part, node, epoch, rev, claimed_at)
  SELECT subscription, part, NULL, 0, seize, clock_timestamp() FROM ${listed(PART, "asked")}
  ORDER BY subscription, part
  ON CONFLICT (subscription, part) DO UPDATE SET rev = one.rev + 1,
    epoch = one.epoch + excluded.rev, node = CASE excluded.rev WHEN 0 THEN one.node END`;

const HELD = `
  SELECT dead_letters.subscription, dead_letters.topic, dead_letters.id, edited_as
  FROM evs.dead_letters JOIN ${listed(NAME, "asked")} USING (subscription, topic, id)
  WHERE number <= $4::bigint ORDER BY number FOR UPDATE OF dead_letters`;

const NUMBERED = `
  SELECT number FROM evs.dead_letters WHERE number = ANY($1${listType("bigint")})
  ORDER BY number FOR UPDATE`;

/** Without a cursor of its own, a part has that of all. */
const PLACES = `
  SELECT EXISTS (SELECT 1 FROM evs.retries WHERE retries.subscription = $5
      AND retries.topic = asked.topic AND retries.id = asked.id) AS waits,
    asked.seq BETWEEN greatest(1, coalesce(own.next, whole.next, 1)) AND coalesce(last_seq, 0)
      AND NOT EXISTS (SELECT 1 FROM evs.done WHERE done.subscription = $5
        AND done.topic = asked.topic AND done.part = asked.part AND done.seq = asked.seq) AS opens
  FROM ${listed(PLACE, "asked", "place")}
  LEFT JOIN evs.heads ON heads.name = asked.topic
  LEFT JOIN evs.cursors AS own ON own.subscription = $5 AND own.topic = asked.topic
    AND own.part = asked.part
  LEFT JOIN evs.cursors AS whole ON whole.subscription = $5 AND whole.topic = asked.topic
    AND whole.part = -1
  ORDER BY place`;

const RETRIES = `
  SELECT subscription, topic, id, seq, key, type, due_at, wait_ms, next_attempt, failures,
    edited_from, part::int AS part
  FROM evs.retries WHERE subscription = $1 AND ($2::text IS NULL OR id = ANY($2${listType("text")}))
  ORDER BY due_at, topic COLLATE "C", id COLLATE "C"`;

/** An act that has begun: what it is on is held. */
export class PostgresAct implements ActRows {
  readonly #query: Query;
  readonly #reads: StateReads;
  readonly #parts: ReadonlyMap<string, number>;

  private constructor(query: Query, parts: ReadonlyMap<string, number>) {
    this.#query = query;
    this.#reads = new StateReads(query, { holds: true });
    this.#parts = parts;
  }

  /** Takes the locks. Rejects with `NotFoundError` if one of the subscriptions is gone. */
  static async begin(query: Query, on: readonly ActOn[]): Promise<PostgresAct> {
    if (on.length === 0) return new PostgresAct(query, new Map());
    const names = listText(on.map(({ subscription }) => subscription));
    const known = await partCounts(query, { names });
    for (const { subscription } of on) if (!known.has(subscription)) throw gone(subscription);
    await query(MEMBERS, [names]);
    await query(CLAIMS, lists(PART, on.flatMap((one) => claimRows(one, known))));
    // A node that came meanwhile; further ones wait for the claims.
    await query(MEMBERS, [names]);
    const still = await partCounts(query, { names, hold: true });
    for (const [name, parts] of known) {
      if (still.get(name) !== parts) throw new TryAgainError(`${name} was removed meanwhile`);
    }
    return new PostgresAct(query, known);
  }

  parts(subscription: string): number {
    return this.#parts.get(subscription)!;
  }

  retry: ActRows["retry"] = (...name) => this.#reads.retry(...name);

  deadLetters: ActRows["deadLetters"] = (...asked) => this.#reads.deadLetters(...asked);

  countDeadLetters: ActRows["countDeadLetters"] = (filter) => this.#reads.countDeadLetters(filter);

  async held<E extends Pick<FailedEvent, "subscription" | "topic" | "id">>(
    entries: readonly E[],
    { upTo = Number.MAX_SAFE_INTEGER }: { upTo?: number | undefined } = {},
  ): Promise<{ entry: E; editedAs: string | undefined }[]> {
    const asked = entries.map(({ subscription, topic, id }) => ({ subscription, topic, id }));
    const rows = await this.#all(HELD, [...lists(NAME, asked), upTo]);
    const found = new Map(rows.map((row) => [nameOf(row), row["edited_as"] as string | null]));
    return entries.flatMap((entry) => {
      const editedAs = found.get(nameOf(entry));
      return editedAs === undefined ? [] : [{ entry, editedAs: editedAs ?? undefined }];
    });
  }

  async holdNumbers(): Promise<void> {
    await this.#query("SELECT 1 FROM evs.counters WHERE name = 'dead_letters' FOR UPDATE");
  }

  async places(
    subscription: string,
    events: readonly Pick<FailedEvent, "topic" | "id" | "seq" | "key">[],
  ): Promise<EventPlace[]> {
    const count = this.parts(subscription);
    const asked = events.map(({ topic, id, seq, key }) => {
      return { topic, id, seq, part: partOf({ seq, key }, count) };
    });
    const rows = await this.#all(PLACES, [...lists(PLACE, asked), subscription]);
    return rows.map(({ waits, opens }, n) => {
      return { part: asked[n]!.part, isRetry: waits === 1, isOpen: opens === 1 };
    });
  }

  async retries(subscription: string, ids?: readonly string[]): Promise<WaitingRetry[]> {
    const rows = await this.#all(RETRIES, [subscription, ids ? listText(ids) : null]);
    return rows.map((row) => {
      return { ...waitingOf(row), ...linkOf(row), part: row["part"] as number };
    });
  }

  holdWaiting: ActRows["holdWaiting"] = (named) => holdWaiting(this.#query, named);

  async importReply(batch: string, part: string): Promise<string | undefined> {
    const sql = "SELECT reply FROM evs.imports WHERE batch = $1 AND part = $2";
    const [row] = await this.#all(sql, [batch, part]);
    return row?.["reply"] as string | undefined;
  }

  async numbered(numbers: readonly number[]): Promise<number[]> {
    return (await this.#all(NUMBERED, [listText(numbers)])).map((row) => row["number"] as number);
  }

  beginJob(node: string): Promise<number> {
    return beginJob(this.#query, node);
  }

  job(number: number, by?: JobHolder): Promise<DeadLetterJobRecord | undefined> {
    return holdJob(this.#query, number, by);
  }

  endedJobs(): Promise<number[]> {
    return readEndedJobs(this.#query);
  }

  queue(subscription: string): Promise<PartRows> {
    return readQueue(this.#query, { subscription });
  }

  async #all(text: string, values: readonly unknown[]): Promise<Row[]> {
    return (await this.#query(text, values)).map(plainRow);
  }
}

/** How many parts each of the subscriptions has. `hold`: nobody removes them. */
async function partCounts(
  query: Query,
  { names, hold = false }: { names: string; hold?: boolean },
): Promise<Map<string, number>> {
  const rows = await query(SUBSCRIPTIONS + (hold ? " FOR KEY SHARE" : ""), [names]);
  return new Map(rows.map(plainRow).map((row) => [row["name"] as string, row["parts"] as number]));
}

/** The claims that an act raises, each once. */
function claimRows({ subscription, of, seize }: ActOn, counts: ReadonlyMap<string, number>) {
  const count = counts.get(subscription)!;
  const parts = of?.map((event) => partOf(event, count)) ?? Array.from({ length: count }).keys();
  return [...new Set(parts)].sort((a, b) => a - b).map((part) => {
    return { subscription, part, seize: seize ? 1 : 0 };
  });
}

function nameOf({ subscription, topic, id }: Row | Pick<FailedEvent, keyof typeof NAME>): string {
  return `${subscription}\n${topic}\n${id}`;
}

function gone(subscription: string): NotFoundError {
  return new NotFoundError("subscription", `there is no subscription ${subscription}`, {
    hint: "evs subscription list shows them",
    details: { subscription },
  });
}
