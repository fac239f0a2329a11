/**
 * Three processes deliver one subscription while they are stopped for longer than the TTL, killed, and
 * cut off from the database: each event ends in exactly one of done and dead, attempts only rise, the
 * events of a key are delivered first in their order, and nothing is kept of what a node commits that
 * does not own the part any more. That last is what the database itself watches, in each commit.
 */
import assert from "node:assert/strict";
import { EventBroker, PostgresEventStore, PostgresState } from "@env/env-event-stream";
import { dose } from "../../helpers/dose.ts";
import { until } from "../../helpers/evs.ts";
import { type PostgresServer, startPostgres } from "../../helpers/postgres.ts";
import { Cuts } from "./cuts.ts";
import { NodeProcess } from "./node_process.ts";
import {
  assertKeyOrder,
  assertOnePlaceEach,
  failing,
  type Handled,
  handledOf,
  untilSettled,
  WATCH,
  watchAttempts,
} from "./takeover_checks.ts";

/** As released; the suite has a shorter one. */
const REAL_TTL_MS = 10_000;
const TTL_MS = 500;
const KEYS = 40;
/** Events that are published in a round, before and after what happens in it. */
const A_ROUND = 60;

/** A process that is started again whenever it was killed. */
class Node {
  readonly cuts: Cuts;
  readonly handled: Handled[] = [];
  readonly errors: string[] = [];
  /** Its name among the nodes; another one with each start. */
  name: string | undefined;
  readonly #host: string;
  readonly #ttlMs: number;
  #process: NodeProcess | undefined;

  constructor(url: string, { host, ttlMs }: { host: string; ttlMs: number }) {
    this.cuts = new Cuts(url);
    this.#host = host;
    this.#ttlMs = ttlMs;
  }

  async start(): Promise<void> {
    this.name = undefined;
    this.#process = new NodeProcess("consuming_node.ts", [
      this.cuts.url,
      this.#host,
      String(this.#ttlMs),
    ], { note: (line) => this.#note(line) });
    await until(() => this.name !== undefined);
  }

  #note(line: string): void {
    const [what, ...words] = line.split(" ");
    if (what === "node") this.name = words[0]!;
    else if (what === "error") this.errors.push(line);
    else this.handled.push(handledOf(words));
  }

  signal(signal: Deno.Signal): void {
    this.#process!.signal(signal);
  }

  async kill(): Promise<void> {
    await this.#process!.kill();
  }
}

/** Publishes events with keys; they are numbered as their seqs are. */
class Publisher {
  readonly #broker: EventBroker;
  count = 0;

  constructor(broker: EventBroker) {
    this.#broker = broker;
  }

  async publish(count: number): Promise<void> {
    for (let n = 0; n < count; n++) {
      const seq = ++this.count;
      const event = await this.#broker.publish("t", "x", { failing: failing(seq) }, {
        key: `k${seq % KEYS}`,
      });
      assert.equal(event.seq, seq);
    }
  }
}

/** Does something to a node until another one has all of its parts; returns what. */
async function trouble(server: PostgresServer, node: Node, round: number): Promise<string> {
  const owned = async () =>
    Number(await server.sql(`SELECT count(*) FROM evs.claims WHERE node = '${node.name}'`));
  await until(async () => await owned() > 0);
  const isTakenOver = () => until(async () => await owned() === 0);
  switch (round % 3) {
    case 0:
      node.signal("SIGSTOP");
      await isTakenOver();
      node.signal("SIGCONT");
      return "stopped";
    case 1:
      await node.kill();
      await isTakenOver();
      await node.start();
      return "killed";
    default:
      node.cuts.away = true;
      await isTakenOver();
      node.cuts.away = false;
      return "cut off";
  }
}

/** Three nodes, and something that happens to one of them in each round. */
async function takeOver({ rounds, ttlMs }: { rounds: number; ttlMs: number }): Promise<void> {
  await using server = await startPostgres({ settings: { fsync: "off" } });
  const state = await PostgresState.open(server.url);
  const eventStore = new PostgresEventStore(server.url);
  const broker = new EventBroker({ state, eventStore });
  const publisher = new Publisher(broker);
  await publisher.publish(1);
  await server.sql(WATCH);
  const nodes = ["a", "b", "c"].map((host) => new Node(server.url, { host, ttlMs }));
  await Promise.all(nodes.map((node) => node.start()));
  const stop = new AbortController();
  const watching = watchAttempts(server, stop.signal);
  // It is awaited below.
  watching.catch(() => {});
  const done = new Map<string, number>();
  for (let round = 0; round < rounds; round++) {
    const node = nodes[round % nodes.length]!;
    const [what] = await Promise.all([
      trouble(server, node, Math.floor(round / nodes.length) + round),
      publisher.publish(A_ROUND),
    ]);
    done.set(what, (done.get(what) ?? 0) + 1);
  }
  await untilSettled(server, publisher.count);
  stop.abort();
  assert.ok(await watching > rounds);
  await Promise.all(nodes.map((node) => node.kill()));
  await Promise.all(nodes.map(({ cuts }) => cuts[Symbol.asyncDispose]()));
  await broker.close();
  await eventStore.close();

  const handled = nodes.flatMap((node) => node.handled);
  const { count } = publisher;
  await assertOnePlaceEach(server, { handled, count });
  assertKeyOrder(handled);
  assert.equal(await server.sql("SELECT * FROM watch.violations"), "");
  const commits = Number(await server.sql("SELECT last_value FROM watch.commits"));
  assert.ok(commits > count / 10, `${commits} changes were watched`);
  const twice = handled.length - new Set(handled.map((one) => `${one.seq} ${one.attempt}`)).size;
  const how = [...done].map(([what, times]) => `${times} ${what}`).join(", ");
  // deno-lint-ignore no-console -- the figures of this run
  console.log(
    `${how}; ${count} events, 0 lost, ${twice} attempts twice, ${commits} changes watched`,
  );
}

Deno.test("nodes that are stopped, killed and cut off lose no event and keep nothing of what they lost", () =>
  takeOver({ rounds: dose(20, 200), ttlMs: TTL_MS }));

Deno.test({
  name: "nodes lose nothing with the TTL that is released",
  // Each takeover takes that long.
  ignore: dose(1) < 10,
  fn: () => takeOver({ rounds: dose(1, 12), ttlMs: REAL_TTL_MS }),
});
