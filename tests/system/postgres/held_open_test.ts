/**
 * A node that publishes and consumes beside a transaction that somebody has left open: no dead row of
 * the database can be cleared away meanwhile, and the rows that each append and each commit change
 * leave one behind each time. The rate is compared with that of another database of the same server,
 * in turns, so that whatever else the machine does counts for both.
 */
import assert from "node:assert/strict";
import { EventBroker, PostgresEventStore, PostgresState } from "@env/env-event-stream";
import { EVERY_PART } from "../../../core/event/part.ts";
import { openPostgres, type Postgres } from "../../../core/postgres/connection.ts";
import { newEvent } from "../../../testing/new_event.ts";
import { dose } from "../../helpers/dose.ts";
import { startPostgres } from "../../helpers/postgres.ts";

/** How long the transaction is open. */
const OPEN_MS = 600_000;
/** How much of that, and of the time before, is compared. */
const COMPARED_MS = OPEN_MS / 10;
/** How long each of both works at a time: what else the machine does counts for both. */
const TURN_MS = 400;
const LEAST_RATIO = 0.7;
const PUBLISHERS = 8;
const KEYS = 50;
/** Publishers wait while more events than this have not been handled. */
const MOST_WAITING = 400;

/** A node on a database of its own, and the work that it is given. */
class Load implements AsyncDisposable {
  readonly #broker: EventBroker;
  readonly #store: PostgresEventStore;
  #published = 0;
  #handled = 0;
  #progress = Promise.withResolvers<void>();

  private constructor(broker: EventBroker, store: PostgresEventStore) {
    this.#broker = broker;
    this.#store = store;
  }

  static async start(url: string): Promise<Load> {
    const state = await PostgresState.open(url);
    const store = new PostgresEventStore(url);
    const broker = new EventBroker({ state, eventStore: store });
    const load = new Load(broker, store);
    broker.subscribe<{ fails: boolean }>("t", (event, { attempt }) => {
      if (event.payload.fails && attempt === 1) throw new Error("comes again");
      load.#handled++;
      load.#progress.resolve();
      load.#progress = Promise.withResolvers<void>();
    }, { name: "s", from: "start", concurrency: 16, retryDelay: 5 });
    await load.run(200);
    return load;
  }

  /** Works for a while; how many events were published and handled. */
  async run(ms: number): Promise<number> {
    const before = this.#handled;
    const until = performance.now() + ms;
    await Promise.all(Array.from({ length: PUBLISHERS }, () => this.#publish(until)));
    await this.#until(() => this.#handled === this.#published);
    return this.#handled - before;
  }

  async #publish(until: number): Promise<void> {
    while (performance.now() < until) {
      await this.#until(() => this.#published - this.#handled < MOST_WAITING);
      const n = this.#published++;
      // One in twenty is tried again.
      await this.#broker.publish("t", "x", { fails: n % 20 === 0 }, { key: `k${n % KEYS}` });
    }
  }

  async #until(holds: () => boolean): Promise<void> {
    while (!holds()) await this.#progress.promise;
  }

  /** How many events went through it. */
  get count(): number {
    return this.#handled;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#broker.close();
    await this.#store.close();
  }
}

/** A transaction that has seen the database and is left open; the function ends it. */
async function leaveOpen(postgres: Postgres): Promise<() => Promise<void>> {
  const opened = Promise.withResolvers<void>();
  const end = Promise.withResolvers<void>();
  const open = postgres.transaction("read", async (query) => {
    await query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ");
    await query("SET LOCAL idle_in_transaction_session_timeout = 0");
    await query("SELECT count(*), pg_current_xact_id() FROM evs.events");
    opened.resolve();
    await end.promise;
    await query("SELECT 1");
  });
  await Promise.race([opened.promise, open]);
  return () => {
    end.resolve();
    return open;
  };
}

/** How much of each was done, in how long. */
class Rates {
  readonly #done = { held: 0, control: 0 };
  readonly #ms = { held: 0, control: 0 };

  /** Both work for a while. */
  async turn(held: Load, control: Load): Promise<void> {
    for (const [name, load] of [["held", held], ["control", control]] as const) {
      const begun = performance.now();
      this.#done[name] += await load.run(TURN_MS);
      this.#ms[name] += performance.now() - begun;
    }
  }

  /** Events per second. */
  of(name: "held" | "control"): number {
    return this.#done[name] / this.#ms[name] * 1000;
  }

  get ratio(): number {
    return this.of("held") / this.of("control");
  }

  toString(): string {
    return `${Math.round(this.of("held"))}/s (control ${Math.round(this.of("control"))}/s)`;
  }
}

/** Both work until then, by turns. */
async function work(until: number, held: Load, control: Load): Promise<Rates> {
  const rates = new Rates();
  do await rates.turn(held, control); while (performance.now() < until);
  return rates;
}

/** How many appends, and commits, there are beside it. */
const CHANGES = 1200;
/** A row that is changed as often, as large as the larger ones of ours. */
const CONTROL = `
  CREATE TABLE public.control (id int PRIMARY KEY, n int, filler text) WITH (fillfactor = 50);
  INSERT INTO public.control VALUES (1, 0, repeat('x', 200));`;
const CHANGE_CONTROL = `DO $$ BEGIN FOR i IN 1 .. ${CHANGES} LOOP
  UPDATE public.control SET n = n + 1 WHERE id = 1; COMMIT; END LOOP; END $$`;
const LOOK_UPS = {
  "the end of a topic": "SELECT last_seq FROM evs.heads WHERE name = 't'",
  "a producer": "SELECT batch FROM evs.producers WHERE producer = 'NAME'",
  "the commits of a state": "SELECT number FROM evs.state_commits WHERE writer = 'NAME'",
  "a position": `SELECT next FROM evs.cursors WHERE subscription = 's' AND topic = 't'
    AND part = -1 ORDER BY turn DESC LIMIT 1`,
};

Deno.test("rows that change all the time are found at once beside a transaction that is left open", async () => {
  await using server = await startPostgres({ settings: { fsync: "off" } });
  const url = await server.database({ name: "rows" });
  const sql = (text: string) => server.sql(text, "rows");
  const store = await PostgresEventStore.open(url);
  const state = await PostgresState.open(url);
  const events = () => Array.from({ length: 32 }, () => newEvent());
  await store.append([{ topic: "t", events: events() }]);
  await sql(CONTROL);
  const postgres = await openPostgres(url);
  const end = await leaveOpen(postgres);
  await sql(CHANGE_CONTROL);
  for (let next = 1; next <= CHANGES; next++) {
    const record = { subscription: "s", topic: "t", next, parts: EVERY_PART };
    await Promise.all([
      store.append([{ topic: "t", events: events() }]),
      state.commit([{ op: "cursor.put", record }]),
    ]);
  }
  /** How many pages it has to look at. */
  const pages = async (text: string) => {
    const explained = await sql(`SET enable_seqscan = off; EXPLAIN (ANALYZE, BUFFERS) ${text}`);
    return Number(/Buffers: shared hit=(\d+)/.exec(explained)![1]);
  };
  const control = await pages("SELECT n FROM public.control WHERE id = 1");
  for (const [what, text] of Object.entries(LOOK_UPS)) {
    const column = what === "a producer" ? "producer" : "writer";
    const [, table] = /FROM (\S+)/.exec(text)!;
    const name = text.includes("NAME") ? (await sql(`SELECT ${column} FROM ${table}`)).trim() : "";
    const needed = await pages(text.replace("NAME", name));
    assert.ok(2 * needed < control, `${what}: ${needed} pages, ${control} if nothing is done`);
  }
  await end();
  await Promise.all([postgres.close(), store.close(), state.close()]);
});

async function staysFast(): Promise<void> {
  await using server = await startPostgres();
  const [url, other] = [await server.database(), await server.database()];
  await using held = await Load.start(url);
  await using control = await Load.start(other);
  const before = await work(performance.now() + COMPARED_MS, held, control);
  const postgres = await openPostgres(url);
  const end = await leaveOpen(postgres);
  const opened = performance.now();
  await work(opened + OPEN_MS - COMPARED_MS, held, control);
  const last = await work(opened + OPEN_MS, held, control);
  const seconds = Math.round((performance.now() - opened) / 1000);
  await end();
  await postgres.close();

  const kept = last.ratio / before.ratio;
  const figures =
    `before ${before}, after ${seconds} s ${last}: ${kept.toFixed(2)} of it is left; ` +
    `${held.count} events, each handled`;
  // deno-lint-ignore no-console -- the figures of this run
  console.log(figures);
  assert.ok(kept >= LEAST_RATIO, figures);
}

Deno.test({
  name: "a node publishes and consumes beside a transaction that is left open for ten minutes",
  ignore: dose(1) < 10,
  fn: staysFast,
});
