/**
 * The network between a node and its database loses every packet, and tells nobody: to both sides the
 * connections are as they were. The node stops delivering before another takes over, nothing is kept
 * of what it commits late, its publishers wait or are told, and when packets arrive again it goes on
 * by itself, in the same process.
 */
import assert from "node:assert/strict";
import { EventBroker, PostgresEventStore, PostgresState } from "@env/env-event-stream";
import { certificate } from "../../helpers/certificate.ts";
import { dose } from "../../helpers/dose.ts";
import { until } from "../../helpers/evs.ts";
import { Network } from "../../helpers/network.ts";
import { type PostgresServer, startPostgres } from "../../helpers/postgres.ts";
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
const TTL_MS = 4000;
const KEYS = 40;
/** Events of which a node that can lease one by one gets enough, whatever its share is. */
const TO_LEASE = 20_000;
/** What publishers are told that are told something. */
const REFUSALS = ["postgres/unavailable", "store/outcome-unknown"];

/** One clock for all processes of a machine. */
const now = () => performance.timeOrigin + performance.now();
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** A process in a network of its own. */
class Node {
  readonly network: Network;
  readonly handled: Handled[] = [];
  /** When it leased something. */
  readonly leased: number[] = [];
  /** What it published: the seq, or the code of the refusal. */
  readonly published = new Map<string, number | string>();
  readonly errors: string[] = [];
  name: string | undefined;
  isClosed = false;
  readonly #process: NodeProcess;
  readonly #stdin: WritableStreamDefaultWriter<Uint8Array>;
  readonly #host: string;
  #killed: Promise<void> | undefined;
  #ids = 0;

  constructor(network: Network, how: { url: string; ca: string; host: string; ttlMs: number }) {
    this.network = network;
    this.#host = how.host;
    this.#process = new NodeProcess("far_node.ts", [
      how.url,
      how.ca,
      how.host,
      String(how.ttlMs),
    ], {
      note: (line) => this.#note(line),
      command: (program, options) => network.command(program, options),
      stdin: "piped",
      mayEnd: () => this.isClosed,
    });
    this.#stdin = this.#process.stdin.getWriter();
  }

  #note(line: string): void {
    const [what, ...words] = line.split(" ");
    const [first, second] = words;
    if (what === "node") this.name = first;
    else if (what === "error") this.errors.push(line);
    else if (what === "closed") this.isClosed = true;
    else if (what === "leased") this.leased.push(Number(second));
    else if (what === "acked") this.published.set(first!, Number(second));
    else if (what === "refused") this.published.set(first!, second!);
    else this.handled.push(handledOf(words));
  }

  /** Has it publish an event; returns its id. */
  async publish(id = `${this.#host}-${++this.#ids}`): Promise<string> {
    this.published.delete(id);
    await this.#stdin.write(new TextEncoder().encode(`${id}\n`));
    return id;
  }

  /** Has it close, and waits for its end. */
  async close(): Promise<void> {
    await this.#stdin.close();
    await (this.#killed = this.#process.ended);
    assert.ok(this.isClosed);
  }

  kill(): Promise<void> {
    return this.#killed ??= (async () => {
      await this.#stdin.abort().catch(() => {});
      await this.#process.kill();
    })();
  }
}

/** Three nodes behind networks, and a broker beside the server that publishes. */
class Rig {
  readonly #stack: AsyncDisposableStack;
  readonly server: PostgresServer;
  readonly nodes: readonly Node[];
  readonly #broker: EventBroker;
  count = 0;

  private constructor(of: {
    stack: AsyncDisposableStack;
    server: PostgresServer;
    nodes: Node[];
    broker: EventBroker;
  }) {
    this.#stack = of.stack;
    this.server = of.server;
    this.nodes = of.nodes;
    this.#broker = of.broker;
  }

  static async start(ttlMs: number): Promise<Rig> {
    await using stack = new AsyncDisposableStack();
    const networks: Network[] = [];
    for (let n = 0; n < 3; n++) networks.push(stack.use(await Network.make()));
    const { server, ca } = await serverOn(networks, stack);
    const state = await PostgresState.open(server.url);
    const eventStore = new PostgresEventStore(server.url);
    const broker = new EventBroker({ state, eventStore });
    stack.defer(async () => {
      await broker.close();
      await eventStore.close();
    });
    await broker.topics.create("t");
    await broker.subscriptions.put("slow", { topic: "u", from: "start" });
    const events = Array.from({ length: TO_LEASE }, (_, n) => ({
      type: "x",
      payload: 0,
      key: `${n}`,
    }));
    for (let n = 0; n < TO_LEASE; n += 1000) {
      await broker.publishBatch("u", events.slice(n, n + 1000));
    }
    await server.sql(WATCH);
    const nodes = networks.map((network, n) => {
      const url = `postgres://evs@${network.here}:${server.port}/postgres`;
      return new Node(network, { url, ca, host: "abc"[n]!, ttlMs });
    });
    stack.defer(async () => void await Promise.all(nodes.map((node) => node.kill())));
    await until(() => nodes.every(({ name }) => name !== undefined));
    return new Rig({ stack: stack.move(), server, nodes, broker });
  }

  async publish(): Promise<void> {
    const failing_ = failing(++this.count);
    await this.#broker.publish("t", "x", { failing: failing_ }, { key: `k${this.count % KEYS}` });
  }

  /** How many parts of both subscriptions a node owns. */
  async owned({ name }: Node): Promise<number> {
    return Number(await this.server.sql(`SELECT count(*) FROM evs.claims WHERE node = '${name}'`));
  }

  /** How many commits were refused for what they were decided from. */
  get refusals(): number {
    return this.server.log().split("another node owns or has changed a part").length - 1;
  }

  async end(): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

/** A server that the networks reach, by TLS alone, and the certificate that it has. */
async function serverOn(
  networks: readonly Network[],
  stack: AsyncDisposableStack,
): Promise<{ server: PostgresServer; ca: string }> {
  const { cert, key } = await certificate(networks.map(({ here }) => `IP:${here}`).join());
  const ca = await Deno.makeTempFile({ suffix: ".pem" });
  stack.defer(() => Deno.remove(ca));
  await Deno.writeTextFile(ca, cert);
  const server = stack.use(
    await startPostgres({
      settings: {
        fsync: "off",
        ssl: "on",
        listen_addresses: ["127.0.0.1", ...networks.map(({ here }) => here)].join(),
      },
      files: { "server.crt": cert, "server.key": key },
      hba: ["local all all trust", "host all all 127.0.0.1/32 trust"]
        .concat(networks.map(({ there }) => `hostssl all all ${there}/32 trust`)),
    }),
  );
  return { server, ca };
}

/** Publishes all the time. */
async function publishAlways(rig: Rig, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await rig.publish();
    await sleep(2);
  }
}

/** The node is cut off for a while, and back; true if it has delivered something without a network. */
async function cutOff(rig: Rig, node: Node, awayMs: number): Promise<boolean> {
  await until(async () => await rig.owned(node) > 1);
  const leasedBefore = node.leased.length;
  await until(() => node.leased.length > leasedBefore);
  const id = await node.publish();
  await until(() => node.published.has(id));
  const others = rig.nodes.filter((other) => other !== node);

  await node.network.drop();
  const dropped = now();
  const waiting = await node.publish();
  await until(async () => await rig.owned(node) === 0);
  const takenOver = now();
  const [publishing] = [Promise.all(others.map((other) => other.publish()))];
  await Promise.all((await publishing).map((id, n) => until(() => others[n]!.published.has(id))));
  await sleep(Math.max(0, dropped + awayMs - now()));
  // It stops after half a TTL since its last heartbeat began; others wait for a whole one.
  const delivered = Math.max(...node.leased) - dropped;
  assert.ok(2 * delivered <= takenOver - dropped, `${delivered} of ${takenOver - dropped} ms`);

  const handledBefore = node.handled.length;
  await node.network.pass();
  await until(async () => await rig.owned(node) > 1);
  await until(() => node.handled.length > handledBefore && node.leased.at(-1)! > takenOver);
  await until(() => node.published.has(waiting));
  const told = node.published.get(waiting)!;
  if (typeof told === "number") return delivered > 0;
  assert.ok(REFUSALS.includes(told), told);
  // As it was told: publishing again with the same id stores nothing twice.
  await node.publish(waiting);
  await until(() => node.published.has(waiting));
  assert.equal(typeof node.published.get(waiting), "number", String(node.published.get(waiting)));
  return delivered > 0;
}

/** Each id is stored once, and under the number that was told. */
async function assertPublishedOnce({ server, nodes }: Rig): Promise<void> {
  const rows = (await server.sql(
    "SELECT id, seq FROM evs.events JOIN evs.topics USING (topic_id) WHERE name = 'p' ORDER BY seq",
  )).trim().split("\n").map((line) => line.split("|"));
  assert.deepEqual(rows.map(([, seq]) => Number(seq)), rows.map((_, at) => at + 1));
  const told = nodes.flatMap(({ published }) => [...published]).map(([id, seq]) => [id, `${seq}`]);
  const byId = (one: string[], other: string[]) => one[0]! < other[0]! ? -1 : 1;
  assert.deepEqual(rows.toSorted(byId), told.toSorted(byId));
}

async function dropPackets(
  { rounds, ttlMs, awayMs }: { rounds: number; ttlMs: number; awayMs: number },
): Promise<void> {
  const rig = await Rig.start(ttlMs);
  const stop = new AbortController();
  const working = Promise.all([
    publishAlways(rig, stop.signal),
    watchAttempts(rig.server, stop.signal),
  ]);
  working.catch(() => {}); // awaited below
  const back: number[] = [];
  let deliveredAlone = 0;
  for (let round = 0; round < rounds; round++) {
    const begun = now();
    if (await cutOff(rig, rig.nodes[round % rig.nodes.length]!, awayMs)) deliveredAlone++;
    back.push(now() - begun);
  }
  stop.abort();
  await working;
  await untilSettled(rig.server, rig.count);
  await Promise.all(rig.nodes.map((node) => node.kill()));
  const handled = rig.nodes.flatMap((node) => node.handled);
  await assertOnePlaceEach(rig.server, { handled, count: rig.count });
  assertKeyOrder(handled);
  assert.equal(await rig.server.sql("SELECT * FROM watch.violations"), "");
  assert.ok(rig.refusals > 0, "what it commits late is refused");
  assert.ok(deliveredAlone > 0, "it delivers while it may, without the database");
  await assertPublishedOnce(rig);
  const twice = handled.length - new Set(handled.map((one) => `${one.seq} ${one.attempt}`)).size;
  const seconds = back.map((ms) => (ms / 1000).toFixed(1)).join(" ");
  // deno-lint-ignore no-console -- the figures of this run
  console.log(
    `${rounds} times cut off, seconds until it was back: ${seconds}; ${rig.count} events, 0 lost, ` +
      `${twice} attempts twice, ${rig.refusals} commits refused`,
  );
  await rig.end();
}

Deno.test("a node whose packets are dropped stops in time, is fenced, and comes back by itself", () =>
  dropPackets({
    rounds: dose(2),
    ttlMs: TTL_MS,
    awayMs: dose(1) < 10 ? 1.5 * TTL_MS : 3 * TTL_MS,
  }));

Deno.test({
  name: "a node whose packets are dropped is back after longer than anybody waits",
  // The statement under way then has given up, and so has whoever published.
  ignore: dose(1) < 10,
  fn: () => dropPackets({ rounds: 3, ttlMs: REAL_TTL_MS, awayMs: 75_000 }),
});

Deno.test({
  name: "a node closes while its packets are dropped",
  // It waits for the deadlines of what is under way.
  ignore: dose(1) < 10,
  fn: async () => {
    const rig = await Rig.start(TTL_MS);
    const node = rig.nodes[0]!;
    await until(async () => await rig.owned(node) > 1);
    await node.network.drop();
    // Not when the system gives the connections up, nor when packets arrive again.
    await node.close();
    await rig.end();
  },
});
