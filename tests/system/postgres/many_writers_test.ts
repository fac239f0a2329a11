/**
 * Eight publishers in three processes on one topic, while processes, connections and the server are
 * killed: whoever reads sees every number up to the last one, at any time; no event that was
 * acknowledged is missing, and none is there twice.
 */
import assert from "node:assert/strict";
import { openPostgres } from "../../../core/postgres/connection.ts";
import { patiently } from "../../../core/postgres/patience.ts";
import { systemClock } from "../../../core/base/clock.ts";
import { PostgresEventStore } from "../../../core/store/postgres/postgres_event_store.ts";
import { dose } from "../../helpers/dose.ts";
import { type PostgresServer, startPostgres } from "../../helpers/postgres.ts";
import { NodeProcess } from "./node_process.ts";

const WRITERS = [3, 3, 2];
const KILLS = dose(20, 200);

/** What a node said before it ended. */
interface Told {
  sent: Set<string>;
  acked: Map<string, number>;
  lines: number;
}

/** A node that is started again whenever it was killed. */
class Node {
  readonly told: Told = { sent: new Set(), acked: new Map(), lines: 0 };
  readonly #url: string;
  readonly #name: string;
  readonly #writers: number;
  #lives = 0;
  #process: NodeProcess | undefined;

  constructor(url: string, { name, writers }: { name: string; writers: number }) {
    this.#url = url;
    this.#name = name;
    this.#writers = writers;
  }

  start(): void {
    this.#process = new NodeProcess("writing_node.ts", [
      this.#url,
      `${this.#name}${++this.#lives}`,
      String(this.#writers),
    ], { note: (line) => this.#note(line) });
  }

  #note(line: string): void {
    const [what, ...words] = line.split(" ");
    if (what === "sent") { for (const id of words) this.told.sent.add(id); }
    if (what === "acked") {
      const [first, ...ids] = words;
      ids.forEach((id, i) => this.told.acked.set(id, Number(first) + i));
      this.told.lines++;
    }
  }

  async kill(): Promise<void> {
    await this.#process!.kill();
  }

  /** Waits until it has more acknowledgements, so that every kill meets work. */
  async progress(): Promise<void> {
    for (const { lines } = this.told; this.told.lines === lines;) await sleep(5);
  }
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Reads all the time: how many events there are is the last number. */
async function readAlways(url: string, signal: AbortSignal): Promise<number> {
  const postgres = await openPostgres(url);
  const how = { clock: systemClock, patience: 60_000 };
  let reads = 0;
  for (; !signal.aborted; reads++) {
    const [row] = await patiently(() =>
      postgres.query(
        "read",
        `SELECT count(*) AS count, coalesce(max(seq), 0) AS max,
           (SELECT coalesce(max(last_seq), 0) FROM evs.heads) AS last FROM evs.events`,
      ), how);
    const { count, max, last } = row as { count: number; max: number; last: number };
    assert.deepEqual([count, max], [last, last], "count, highest seq, last seq");
    await sleep(5);
  }
  await postgres.close();
  return reads;
}

async function killThings(server: PostgresServer, nodes: readonly Node[]): Promise<void> {
  for (let n = 0; n < KILLS; n++) {
    const node = nodes[n % nodes.length]!;
    await node.progress();
    if (n % 10 === 9) {
      await server.kill();
      await server.start();
    } else if (n % 2 === 0) {
      await server.sql(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE application_name = 'evs append'`,
      );
    } else {
      await node.kill();
      node.start();
    }
  }
}

Deno.test("append keeps every acknowledged event once when writers, connections and the server die", async () => {
  await using server = await startPostgres();
  await (await PostgresEventStore.open(server.url)).close();
  const nodes = WRITERS.map((writers, i) => new Node(server.url, { name: `n${i}`, writers }));
  for (const node of nodes) node.start();
  const stop = new AbortController();
  const reading = readAlways(server.url, stop.signal);
  await killThings(server, nodes);
  for (const node of nodes) await node.progress();
  await Promise.all(nodes.map((node) => node.kill()));
  stop.abort();
  assert.ok(await reading > KILLS, "the reader read throughout");

  const there = new Map<string, number>();
  const rows = (await server.sql("SELECT id, seq FROM evs.events ORDER BY seq")).trim().split("\n");
  for (const [at, row] of rows.entries()) {
    const [id, seq] = row.split("|") as [string, string];
    assert.ok(!there.has(id), `${id} is there twice`);
    assert.equal(Number(seq), at + 1);
    there.set(id, Number(seq));
  }
  let acked = 0;
  for (const { told } of nodes) {
    for (const [id, seq] of told.acked) assert.equal(there.get(id), seq, `${id} at its seq`);
    acked += told.acked.size;
  }
  const sent = new Set(nodes.flatMap(({ told }) => [...told.sent]));
  for (const id of there.keys()) assert.ok(sent.has(id), `${id} was sent`);
  // deno-lint-ignore no-console -- the figures of this run
  console.log(`${KILLS} kills, ${acked} acknowledged, ${there.size} stored, 0 lost, 0 twice`);
});
