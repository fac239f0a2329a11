/**
 * Events in PostgreSQL, for several processes that share one database.
 *
 * The database gives the sequence numbers: the row of a topic is locked from the moment that a
 * number is given until the commit is durable, so a lower number never appears after a higher one.
 * See docs/adr/0066-postgresql.md.
 */
import { type Clock, systemClock } from "../../base/clock.ts";
import { assertObject } from "../../base/options.ts";
import { CannotStoreError, ClosedError } from "../../base/errors.ts";
import { type Event, type StoredEvent, toEvent } from "../../event/event.ts";
import type { TopicHead } from "../../event/topic_head.ts";
import { lazyPostgres, type Postgres } from "../../postgres/connection.ts";
import { migrate } from "../../postgres/migrations.ts";
import { patiently, repeatable } from "../../postgres/patience.ts";
import type { PostgresOptions } from "../../postgres/url.ts";
import { WakeUps } from "../../postgres/wake_ups.ts";
import { eventsToSave } from "../append.ts";
import type { Damage, Found } from "../damage.ts";
import { type DedupWindow, DEFAULT_DEDUP_WINDOW_MS } from "../dedup.ts";
import type { StoreRequest } from "../pack.ts";
import type {
  Appended,
  AppendOptions,
  AppendOutcome,
  EventQuery,
  JournalStore,
  KeyQuery,
  LinePage,
  Page,
  PageQuery,
  Recheck,
  RedactRequest,
} from "../store.ts";
import { requestsIn, withoutRefused } from "./append_again.ts";
import { IS_DURABLE } from "./append_function.ts";
import { type AppendAnswer, headsOf, outcomesOf } from "./append_outcomes.ts";
import { type AppendPlan, planAppend } from "./append_plan.ts";
import { type DeletionContext, redactEvent, sweepLeftovers, truncateTopic } from "./deletion.ts";
import { Heads } from "./heads.ts";
import { STORE_MIGRATIONS } from "./migrations.ts";
import { PostgresOutbox } from "./outbox.ts";
import { forgetProducers, Producer } from "./producer.ts";
import { PostgresReader } from "./reader.ts";
import { selectEvents } from "../select_events.ts";

/** How a {@link PostgresEventStore} reaches its database, and works with it. */
export interface PostgresStoreOptions extends PostgresOptions, DedupWindow {
  /**
   * How long an append waits for a server that is away before it rejects with `CannotStoreError`,
   * ms; default 30 s.
   */
  patience?: number;
  /** How often the store looks for events of others if no wake-up comes, ms; default 2 s. */
  pollInterval?: number;
  /** Times events and repeated ids. Default: the database's clock. */
  clock?: Clock;
}

const PATIENCE_MS = 30_000;
const POLL_INTERVAL_MS = 2000;
/** How often the events of one append are checked again. */
const MOST_RECHECKS = 5;
/** The kind of wake-ups that name topics with new events. */
const APPENDED = "appended";
/** The kind of those that name topics with events that the state has appended. */
export const PUBLISHED = "published";
/** The kind of wake-ups that say that the outbox is used. */
const OUTBOX = "outbox";

const DURABILITY = `SELECT ${IS_DURABLE} AS durable`;

/**
 * A {@link JournalStore} in a PostgreSQL database, version 14 or later. Several processes may use
 * one database at once. Its tables are in a schema of their own, `evs`, which is made when it is
 * missing.
 *
 * It connects when it is first used; {@link PostgresEventStore.open} connects at once, and so tells
 * at once what is wrong with the URL, the password or the database.
 *
 * ```ts ignore
 * import { EventBroker, PostgresEventStore } from "@env/env-event-stream";
 *
 * const eventStore = await PostgresEventStore.open("postgres://user:pass@localhost/events");
 * await using broker = new EventBroker({ eventStore });
 * ```
 */
export class PostgresEventStore implements JournalStore {
  readonly atomic = true;
  readonly countsKeys = true;
  readonly dividesParts = true;
  readonly sharesState = true;
  readonly mergesItself = true;
  readonly isElsewhere = true;
  /** @internal */
  readonly outbox: PostgresOutbox;
  readonly #postgres: Postgres;
  /** @internal For the state of the same process, which need not listen on its own. */
  readonly wakeUps: WakeUps;
  readonly #heads = new Heads();
  readonly #reader: PostgresReader;
  readonly #producer: Producer;
  readonly #clock: Clock | undefined;
  readonly #patience: number;
  readonly #pollInterval: number;
  readonly #dedupWindow: number;
  readonly #deletion: DeletionContext;
  readonly #damage: Damage[] = [];
  readonly #closing = new AbortController();
  /** Aborted when nothing is to wait for a server that is away any more. */
  readonly #hurry = new AbortController();
  #durable = false;
  #opening: Promise<void> | undefined;
  /** The append that is under way. */
  #last: Promise<unknown> = Promise.resolve();
  #cancelPoll: (() => void) | undefined;
  #background: Promise<unknown> = Promise.resolve();

  /** Reads the URL or the options; throws `InvalidArgumentError` if they make no sense. */
  constructor(connection: string | PostgresStoreOptions) {
    const options = typeof connection === "string" ? { url: connection } : connection;
    assertObject(options, "the options of PostgresEventStore");
    this.#clock = options.clock;
    this.#patience = options.patience ?? PATIENCE_MS;
    this.#pollInterval = options.pollInterval ?? POLL_INTERVAL_MS;
    this.#dedupWindow = options.dedupWindow ?? DEFAULT_DEDUP_WINDOW_MS;
    this.#postgres = lazyPostgres(options);
    this.wakeUps = new WakeUps(this.#postgres.target);
    // What is stored here is known here.
    this.wakeUps.on(APPENDED, (items) => this.#wokenBy(items), { own: false });
    this.wakeUps.on(PUBLISHED, (items) => this.#wokenBy(items));
    const context = { postgres: this.#postgres, heads: this.#heads };
    this.#reader = new PostgresReader({ ...context, report: (found) => this.#report(found) });
    this.#producer = new Producer({ postgres: this.#postgres, patience: this.#patience });
    this.#deletion = {
      postgres: this.#postgres,
      dedupWindow: this.#dedupWindow,
      now: () => this.#clock?.now(),
    };
    this.outbox = this.#outbox();
  }

  #outbox(): PostgresOutbox {
    return new PostgresOutbox({
      ...this.#deletion,
      opened: () => this.#patiently(() => Promise.resolve()),
      appended: (topic, head) => {
        this.#heads.note(topic, head);
        this.#heads.tell(topic);
        this.wakeUps.send(APPENDED, topic);
      },
      tellUsed: () => this.wakeUps.send(OUTBOX, "used"),
      onUsed: (listener) => this.wakeUps.on(OUTBOX, listener),
    });
  }

  /**
   * Connects, and makes or migrates the tables. Rejects with `InvalidArgumentError` for a URL that
   * makes no sense, and with `CannotStoreError` if the server is away or refuses the user, or if
   * the database is none that can be used; nothing is written then.
   */
  static async open(connection: string | PostgresStoreOptions): Promise<PostgresEventStore> {
    const store = new PostgresEventStore(connection);
    try {
      await store.#opened();
      return store;
    } catch (error) {
      await store.close();
      throw error;
    }
  }

  /**
   * True if an append that resolved survives a power cut of the server: its settings `fsync`,
   * `full_page_writes` and `synchronous_commit` say so, as of the last append, or of the last two
   * seconds where somebody follows its topics. False until the store has connected.
   */
  get durable(): boolean {
    return this.#durable;
  }

  /** Connects once; after a failure, the next caller tries again. */
  #opened(): Promise<void> {
    return this.#opening ??= repeatable(() => this.#open()).catch((error) => {
      this.#opening = undefined;
      throw error;
    });
  }

  async #open(): Promise<void> {
    // First: behind a pooler that delivers none, nothing is to be made.
    await this.wakeUps.open();
    await migrate(this.#postgres, STORE_MIGRATIONS);
    const [row] = await this.#postgres.query<{ durable: boolean }>("append", DURABILITY);
    this.#durable = row!.durable;
    await this.#reader.refresh();
    // Whoever listened before now knew of nothing.
    if (this.#heads.hasListeners) this.#heads.tellAll();
    else this.#heads.beginTelling();
    this.#poll();
    this.#inBackground(async () => {
      await forgetProducers(this.#postgres);
      await sweepLeftovers(this.#deletion);
    });
  }

  /** Connects as soon as the server is there. */
  #openAtLast(): Promise<void> {
    const { signal } = this.#closing;
    return patiently(() => this.#opened(), { clock: systemClock, patience: Infinity, signal });
  }

  /** Work that nobody waits for, and that is done again at the next start if it fails. */
  #inBackground(work: () => Promise<void>): void {
    this.#background = Promise.allSettled([this.#background, work()]);
  }

  /** Waits for a server that is away, as an append does. */
  async #patiently<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closing.signal.aborted) throw closed();
    return await this.#whenOpen(work);
  }

  /** The same for what was accepted before the store was closed. */
  #whenOpen<T>(work: () => Promise<T>): Promise<T> {
    const { signal } = this.#hurry;
    return patiently(async () => {
      await this.#opened();
      // All but an append may be done twice, and appends find out by themselves.
      return await repeatable(work);
    }, { clock: systemClock, patience: this.#patience, signal });
  }

  async append(
    requests: readonly StoreRequest[],
    { groups, recheck }: AppendOptions = {},
  ): Promise<AppendOutcome[]> {
    if (this.#closing.signal.aborted) throw closed();
    // The buffers of packed requests are read now, before somebody else uses them.
    const plan = planAppend(requests, groups);
    const turn = this.#last.then(() => this.#append(plan, recheck));
    this.#last = turn.catch(() => {});
    return await turn;
  }

  async #append(plan: AppendPlan, recheck: Recheck | undefined): Promise<AppendOutcome[]> {
    await this.#whenOpen(() => Promise.resolve());
    const outcomes: AppendOutcome[] = [];
    let rest = plan;
    let places = plan.under.map((_, place) => place);
    for (let again = 0;; again++) {
      const now = this.#clock?.now() ?? null;
      const answer: AppendAnswer = JSON.parse(
        await this.#producer.append([now, this.#dedupWindow, ...rest.values]),
      );
      if (!answer.stale) {
        this.#durable = answer.durable ?? this.#durable;
        const stored = outcomesOf(rest, answer);
        for (const [i, place] of places.entries()) outcomes[place] = stored[i]!;
        for (const [topic, head] of headsOf(rest, answer)) this.#heads.note(topic, head);
        this.#noteStored(rest, stored);
        return outcomes;
      }
      if (!recheck || again === MOST_RECHECKS) throw changesAllTheTime();
      const requests = requestsIn(rest);
      const refusals = await recheck(requests);
      const left = withoutRefused({ requests, groups: rest.groups, refusals });
      for (const [i, outcome] of left.refused) outcomes[places[i]!] = outcome;
      if (left.requests.length === 0) return outcomes;
      places = left.places.map((i) => places[i]!);
      rest = planAppend(left.requests, left.groups);
    }
  }

  /** The journal tells listeners of these; other nodes are woken. */
  #noteStored(plan: AppendPlan, outcomes: readonly AppendOutcome[]): void {
    for (const { topic, requests } of plan.units) {
      for (const at of requests) {
        const outcome = outcomes[at]!;
        if (!outcome.ok || outcome.count === 0) continue;
        this.#heads.storedHere(topic, outcome);
        this.wakeUps.send(APPENDED, topic);
      }
    }
  }

  /** Topics may have new events; undefined: any. */
  #wokenBy(topics: readonly string[] | undefined): void {
    this.#inBackground(async () => {
      await this.#reader.refresh(topics);
      for (const topic of topics ?? this.#heads.topics()) this.#heads.tell(topic);
    });
  }

  onAppended(listener: (appended: Appended) => void): () => void {
    // Whoever wants to be told of events of others may have no other reason to connect. What keeps
    // it from connecting is told to those who use the store.
    if (this.#opening === undefined) this.#inBackground(() => this.#openAtLast());
    return this.#heads.listen(listener);
  }

  /** Looks for events of others from time to time, whether a wake-up came or not. */
  #poll(): void {
    this.#cancelPoll?.();
    if (this.#closing.signal.aborted) return;
    this.#cancelPoll = systemClock.setTimer(() => {
      this.#inBackground(async () => {
        try {
          if (this.#heads.hasListeners) {
            await this.look();
            this.#heads.tellAll();
          }
        } finally {
          this.#poll();
        }
      });
    }, this.#pollInterval);
  }

  head(topic: string): TopicHead {
    return this.#heads.of(topic);
  }

  topics(): string[] {
    return this.#heads.topics();
  }

  refresh(topics?: readonly string[]): Promise<void> {
    return this.#patiently(() => this.#reader.refresh(topics));
  }

  /**
   * The same, and whether it is {@link durable} still; but does not wait for a server that is away:
   * rejects with `CannotStoreError`.
   * @internal
   */
  async look(): Promise<void> {
    await this.#opened();
    await this.#reader.refresh();
    const [row] = await this.#postgres.query<{ durable: boolean }>("read", DURABILITY);
    this.#durable = row!.durable;
  }

  /**
   * How many connections it has.
   * @internal
   */
  get connections(): number {
    return this.#postgres.connected + (this.wakeUps.isConnected ? 1 : 0);
  }

  readPage(topic: string, query: PageQuery): Promise<Page> {
    return this.#patiently(() => this.#reader.readPage(topic, query));
  }

  readLines(topic: string, query: PageQuery): Promise<LinePage> {
    return this.#patiently(() => this.#reader.readLines(topic, query));
  }

  readKey(topic: string, query: KeyQuery): Promise<Page> {
    return this.#patiently(() => this.#reader.readKey(topic, query));
  }

  lastSeqOfKey(topic: string, key: string): Promise<number> {
    return this.#patiently(() => this.#reader.lastSeqOfKey(topic, key));
  }

  find(topic: string, id: string): Promise<StoredEvent | undefined> {
    return this.#patiently(() => this.#reader.find(topic, id));
  }

  seekTime(topic: string, timestamp: number, latest?: number): Promise<number> {
    return this.#patiently(() => this.#reader.seekTime(topic, timestamp, latest));
  }

  seekBytes(topic: string, maxBytes: number): Promise<number> {
    return this.#patiently(() => this.#reader.seekBytes(topic, maxBytes));
  }

  seekAge(topic: string, age: number): Promise<number> {
    const now = this.#clock?.now() ?? null;
    return this.#patiently(() => this.#reader.seekAge(topic, age, now));
  }

  async truncate(topic: string, seq: number): Promise<number> {
    return await this.#truncate(topic, { seq });
  }

  async removeTopic(topic: string): Promise<void> {
    await this.#truncate(topic, { seq: Infinity, forgets: true });
  }

  async removedElsewhere(topic: string): Promise<void> {
    await this.refresh([topic]);
    this.#inBackground(() => sweepLeftovers(this.#deletion, topic));
  }

  async #truncate(topic: string, how: { seq: number; forgets?: boolean }): Promise<number> {
    const began: number[] = [];
    const done = await this.#patiently(() => {
      began.push(this.#heads.of(topic).firstSeq);
      return truncateTopic(this.#deletion, topic, how);
    });
    await this.refresh([topic]);
    if (!done) return 0;
    // Behind an answer that was lost, the same again finds nothing to delete.
    return began.length === 1 ? done.count : Math.max(0, done.firstSeq - began[0]!);
  }

  /**
   * Replaces the content of an event. The old row stays in the database's files until the server
   * has vacuumed the table and recycled its log.
   */
  async redact(topic: string, request: RedactRequest): Promise<boolean> {
    const done = await this.#patiently(() => redactEvent(this.#deletion, topic, request));
    await this.refresh([topic]);
    return done;
  }

  async raise(topic: string, lastSeq: number): Promise<void> {
    await this.#patiently(() =>
      this.#postgres.query(
        "state",
        `INSERT INTO evs.topics AS t (name, first_seq, last_seq) VALUES ($1, $2 + 1, $2)
         ON CONFLICT (name) DO UPDATE SET last_seq = $2, first_seq = CASE
           WHEN t.first_seq > (SELECT last_seq FROM evs.heads AS h WHERE h.topic_id = t.topic_id)
           THEN $2 + 1 ELSE t.first_seq END
         WHERE (SELECT last_seq FROM evs.heads AS h WHERE h.topic_id = t.topic_id) < $2`,
        [topic, lastSeq],
      )
    );
    await this.refresh([topic]);
  }

  #report(found: Found): void {
    const isKnown = this.#damage.some(({ topic, firstSeq, lastSeq, what }) =>
      topic === found.topic && firstSeq === found.firstSeq && lastSeq === found.lastSeq &&
      what === found.what
    );
    if (isKnown) return;
    const foundAt = (this.#clock ?? systemClock).now();
    this.#damage.push({ ...found, foundAt, accepted: false });
  }

  damage(): readonly Damage[] {
    return this.#damage;
  }

  acceptDamage(): void {
    for (const damage of this.#damage) damage.accepted = true;
  }

  /** Stores one event; it gets a new `seq`. */
  async saveEvent(event: Event): Promise<void> {
    await this.append([eventsToSave(event)]);
  }

  async getEvents(topic: string, options: EventQuery = {}): Promise<Event[]> {
    await this.refresh([topic]);
    const events = await selectEvents(this, topic, options);
    return events.map((stored) => toEvent(stored));
  }

  async deleteEvents(topic: string, beforeTimestamp: number): Promise<number> {
    return await this.truncate(topic, await this.seekTime(topic, beforeTimestamp));
  }

  /**
   * From now on nothing waits for a server that is away: the process ends soon.
   * @internal
   */
  hurry(): void {
    this.#hurry.abort();
    this.#producer.close();
    this.#postgres.hurry();
  }

  /** Ends the waiting for a server that is away, stores what is under way, then closes. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.hurry();
    this.#cancelPoll?.();
    await this.#last;
    await this.#opening?.catch(() => {});
    await this.#background;
    await this.wakeUps.close();
    await this.#postgres.close();
  }
}

function changesAllTheTime(): CannotStoreError {
  return new CannotStoreError(
    "topics or schemas were changed each time that the events were checked; nothing was stored",
    { hint: "try again" },
  );
}

function closed(): ClosedError {
  return new ClosedError("the PostgreSQL event store is closed");
}
