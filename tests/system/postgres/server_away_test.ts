/**
 * The database is away for a while, in the middle of the work of two nodes: publishers wait or are
 * told so in an error that says what to do, nobody ends, what was acknowledged is there once, every
 * event is handled, and all goes on by itself.
 */
import assert from "node:assert/strict";
import { EventBroker, type EvsError, PostgresEventStore, PostgresState } from "../../../mod.ts";
import { DATABASE_AWAY } from "../../../core/protocol/database_url.ts";
import { dose } from "../../helpers/dose.ts";
import { until } from "../../helpers/evs.ts";
import { startPostgres } from "../../helpers/postgres.ts";

const isNightly = dose(1) >= 10;
const AWAY_MS = isNightly ? 60_000 : 2000;
/** As released at nightly. */
const TTL_MS = isNightly ? 10_000 : 500;
const PUBLISHERS = 4;
/** Acknowledged before it goes away, and after it is back. */
const BETWEEN = 200;
/** What may be told of a database that is away, by publishers and in the background. */
const TOLD = [DATABASE_AWAY, "store/outcome-unknown", "postgres/outcome-unknown"];

const codeOf = (error: unknown) => (error as EvsError).code;

class Node implements AsyncDisposable {
  readonly acked = new Map<string, number>();
  readonly handled: number[] = [];
  readonly refusals: string[] = [];
  /** What was told in the background. */
  readonly errors: string[];
  readonly #broker: EventBroker;
  readonly #store: PostgresEventStore;
  #running: Promise<unknown> = Promise.resolve();
  #stops = false;

  private constructor(broker: EventBroker, store: PostgresEventStore, errors: string[]) {
    this.#broker = broker;
    this.#store = store;
    this.errors = errors;
  }

  static async start(url: string, host: string): Promise<Node> {
    const state = await PostgresState.open(url, { host, ttlMs: TTL_MS });
    const store = new PostgresEventStore(url);
    const errors: string[] = [];
    const onError = (error: unknown) => void errors.push(codeOf(error) ?? String(error));
    const node = new Node(new EventBroker({ state, eventStore: store, onError }), store, errors);
    node.#broker.subscribe("t", ({ seq }) => void node.handled.push(seq!), {
      name: "s",
      from: "start",
      concurrency: 8,
      maxDeliveries: 1000,
    });
    return node;
  }

  publish(host: string): void {
    this.#running = Promise.all(
      Array.from({ length: PUBLISHERS }, (_, n) => this.#publish(`${host}-${n}`)),
    );
  }

  async #publish(name: string): Promise<void> {
    for (let n = 0; !this.#stops; n++) {
      const id = `${name}-${n}`;
      while (!this.acked.has(id)) {
        try {
          const { seq } = await this.#broker.publish("t", "x", n, { id, key: name });
          this.acked.set(id, seq!);
        } catch (error) {
          // It may be stored: the same id again stores nothing twice.
          this.refusals.push(codeOf(error) ?? String(error));
        }
      }
    }
  }

  async stop(): Promise<void> {
    this.#stops = true;
    await this.#running;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#broker.close();
    await this.#store.close();
  }
}

Deno.test("two nodes go on by themselves when the database was away", async () => {
  await using server = await startPostgres();
  await using a = await Node.start(server.url, "a");
  await using b = await Node.start(server.url, "b");
  const nodes = [a, b];
  const acked = () => a.acked.size + b.acked.size;
  const more = async (count: number) => {
    const before = nodes.map((node) => node.acked.size);
    await until(() => nodes.every((node, n) => node.acked.size >= before[n]! + count));
  };
  a.publish("a");
  b.publish("b");
  await more(BETWEEN);
  await server.stop("immediate");
  const atEnd = acked();
  await new Promise((resolve) => setTimeout(resolve, AWAY_MS / 2));
  // What the server has answered at the end may be read only now: of each publisher, one.
  const before = acked();
  assert.ok(before - atEnd <= nodes.length * PUBLISHERS, `${before - atEnd} since its end`);
  await new Promise((resolve) => setTimeout(resolve, AWAY_MS / 2));
  assert.equal(acked(), before, "nothing is acknowledged without the database");
  await server.start();
  const back = performance.now();
  await until(() => acked() > before);
  const served = performance.now() - back;
  await more(BETWEEN);
  await Promise.all(nodes.map((node) => node.stop()));
  const last = acked();
  const handled = () => new Set(nodes.flatMap((node) => node.handled));
  await until(() => handled().size === last);

  const rows = (await server.sql("SELECT seq, id FROM evs.events ORDER BY seq"))
    .trim().split("\n").map((line) => line.split("|") as [string, string]);
  assert.deepEqual(rows.map(([seq]) => Number(seq)), rows.map((_, at) => at + 1), "no gaps");
  assert.equal(rows.length, last, "what was not acknowledged was published again until it was");
  assert.equal(new Set(rows.map(([, id]) => id)).size, rows.length, "none is there twice");
  const seqs = new Map(rows.map(([seq, id]) => [id, Number(seq)]));
  for (const node of nodes) {
    for (const [id, seq] of node.acked) assert.equal(seqs.get(id), seq, id);
  }
  const told = nodes.flatMap((node) => [...node.refusals, ...node.errors]);
  assert.deepEqual(told.filter((code) => !TOLD.includes(code)), []);
  const refused = nodes.flatMap(({ refusals }) => refusals).length;
  if (isNightly) assert.ok(refused > 0, "who waits for longer than 30 s is told");
  const twice = nodes.flatMap((node) => node.handled).length - last;
  const claims = await server.sql("SELECT sum(epoch - 1) FROM evs.claims");
  // deno-lint-ignore no-console -- the figures of this run
  console.log(
    `${
      AWAY_MS / 1000
    } s away: ${last} acknowledged, 0 lost, 0 twice, no gaps; ${refused} refused; ` +
      `${twice} handled twice, ${claims.trim()} parts taken over; ` +
      `served again after ${(served / 1000).toFixed(1)} s`,
  );
});
