/**
 * What a crash leaves of a daemon under load: a copy of its data dir while it stands still, and what
 * must be in it.
 */
import assert from "node:assert/strict";
import { Client } from "../../../core/client/client.ts";
import { copyFolder } from "../../helpers/copy_folder.ts";
import { newDaemon, type TestDaemon } from "../../helpers/daemon.ts";
import { evs, until } from "../../helpers/evs.ts";
import { KEEPS, type Ledger, LIMITED, type Load, SUBSCRIPTION } from "./load.ts";

/** A copy, and what was confirmed before it was begun. */
export interface Image {
  dataDir: string;
  ledger: Ledger;
}

/**
 * Copies the files of a daemon that is stopped meanwhile. `keepsShm`: the index of SQLite's log,
 * which is in memory until a machine goes down, is there.
 */
export async function takeImage(
  daemon: TestDaemon,
  load: Load,
  { dataDir, keepsShm }: { dataDir: string; keepsShm: boolean },
): Promise<Image> {
  Deno.kill(daemon.pid, "SIGSTOP");
  try {
    await until(() => isStopped(daemon.pid));
    const ledger = load.ledger.copy();
    await copyFolder(daemon.dataDir, dataDir, (name) => keepsShm || !name.endsWith("-shm"));
    return { dataDir, ledger };
  } finally {
    Deno.kill(daemon.pid, "SIGCONT");
  }
}

/** True if every thread of it stands still. */
function isStopped(pid: number): boolean {
  try {
    return [...Deno.readDirSync(`/proc/${pid}/task`)].every(({ name }) =>
      /^State:\s+T/m.test(Deno.readTextFileSync(`/proc/${pid}/task/${name}/status`))
    );
  } catch (error) {
    // A thread has ended meanwhile (ENOENT, or ESRCH when its file was open): not all of them stood.
    const hasEnded = error instanceof Deno.errors.NotFound ||
      error instanceof Error && error.message.includes("(os error 3)");
    if (hasEnded) return false;
    throw error;
  }
}

interface Stored {
  seq: number;
  id: string;
}

/** Opens an image with a daemon of its own, and checks all that was promised. */
export async function verifyImage(
  { dataDir, ledger }: Image,
  { store, more = [], also = () => Promise.resolve() }: {
    store: string;
    /** Topics that were there before the load. */
    more?: readonly string[];
    /** Checks something else of the daemon before it is asked for anything. */
    also?: (daemon: TestDaemon) => Promise<void>;
  },
): Promise<void> {
  await using daemon = await newDaemon({ store, dataDir });
  await daemon.start();
  await also(daemon);
  using client = new Client({ socket: daemon.socket });
  await verifyScheduled(daemon, ledger);
  for (const topic of [...KEEPS, ...more, LIMITED]) {
    verifyEvents(topic, await daemon.replay(topic), ledger);
  }
  await verifyRepeats(daemon, ledger);
  await verifyConsumed(client, daemon, ledger);
  await verifyMade(client, ledger);
  await verifyCounts(daemon);
  await daemon.stop();
  const { code, stdout, stderr } = await evs(["doctor"], { at: daemon });
  assert.equal(code, 0, `${stdout}${stderr}`);
  const log = await Deno.readTextFile(`${dataDir}/log/daemon.log`);
  assert.doesNotMatch(log, /"level":"error"/);
  await assert.rejects(Deno.stat(`${dataDir}/quarantine`), Deno.errors.NotFound);
}

/** What was acknowledged is where it was, nothing is there twice, and nothing that nobody sent. */
function verifyEvents(topic: string, events: readonly Stored[], ledger: Ledger): void {
  const first = events[0]?.seq ?? 1;
  events.forEach(({ seq }, i) => assert.equal(seq, first + i, `${topic} has no gap`));
  if (topic !== LIMITED) assert.equal(first, 1, topic);
  const seqs = new Map(events.map(({ id, seq }) => [id, seq]));
  assert.equal(seqs.size, events.length, `${topic} has no id twice`);
  const stored = ledger.stored.get(topic) ?? new Map<string, number>();
  const lost = [...stored].filter(([id, seq]) => seq >= first && seqs.get(id) !== seq);
  assert.deepEqual(lost, [], `acknowledged and lost from ${topic}`);
  assert.ok((events.at(-1)?.seq ?? 0) >= Math.max(0, ...stored.values()), topic);
  const sent = ledger.sent.get(topic) ?? new Set<string>();
  const invented = events.filter(({ id }) => /^[ps]\d*-/.test(id) && !sent.has(id));
  assert.deepEqual(invented, [], `nobody sent it to ${topic}`);
}

/** Ids are known, also of events that a limit has deleted: what is sent again is where it was. */
async function verifyRepeats(daemon: TestDaemon, ledger: Ledger): Promise<void> {
  for (const [topic, stored] of ledger.stored) {
    const some = [...stored].slice(-100);
    const body = some.map(([id]) => `{"type":"n","id":"${id}","payload":0}\n`).join("");
    const { status, json, text } = await daemon.http("POST", `/v1/topics/${topic}/events`, body, {
      "content-type": "application/x-ndjson",
    });
    assert.equal(status, 200, text);
    const again = json.events.map(({ id, seq, duplicate }: Stored & { duplicate?: true }) => {
      return [id, duplicate ? seq : `stored again, as ${seq}`];
    });
    assert.deepEqual(again, some, topic);
  }
}

/** Each event for later is published once. */
async function verifyScheduled(daemon: TestDaemon, ledger: Ledger): Promise<void> {
  await until(async () => (await daemon.http("GET", "/v1/scheduled")).json.total === 0);
  const times = new Map<string, number>();
  for (const { id } of await daemon.replay(KEEPS[1]!)) times.set(id, (times.get(id) ?? 0) + 1);
  for (const id of ledger.scheduled) assert.equal(times.get(id), 1, `${id} is published once`);
}

/** Every event is either done, or a dead letter, or it comes; none of them comes again. */
async function verifyConsumed(client: Client, daemon: TestDaemon, ledger: Ledger): Promise<void> {
  const come = new Set<number>();
  for (;;) {
    const { deliveries, pending, scheduled, leased } = await client.lease(SUBSCRIPTION, {
      max: 100,
      waitMs: 50,
    });
    if (deliveries.length === 0 && pending + scheduled + leased === 0) break;
    for (const { event } of deliveries) {
      const { seq } = event as Stored;
      assert.ok(!come.has(seq), `${seq} came twice`);
      come.add(seq);
      assert.ok(!ledger.acked.has(seq), `${seq} had been acknowledged`);
      assert.ok(!ledger.dead.has(seq), `${seq} was a dead letter`);
    }
    const leases = deliveries.map(({ lease }) => lease);
    if (leases.length > 0) await client.ack(SUBSCRIPTION, { leases });
  }
  const dead = await deadLetters(daemon);
  assert.equal(new Set(dead).size, dead.length, "no dead letter is there twice");
  assert.deepEqual([...ledger.dead].filter((seq) => !dead.includes(seq)), [], "dead and gone");
  assert.deepEqual(dead.filter((seq) => !ledger.giving.has(seq)), [], "nobody gave it up");
  for (const { seq } of await daemon.replay(KEEPS[0]!) as Stored[]) {
    const known = come.has(seq) || ledger.acking.has(seq) || dead.includes(seq);
    assert.ok(known, `${seq} was passed over`);
    assert.ok(!(come.has(seq) && dead.includes(seq)), `${seq} came, and is a dead letter`);
  }
  const info = await client.subscription(SUBSCRIPTION);
  assert.equal(info.dead, dead.length);
  assert.deepEqual(info.missed, []);
}

/** The seqs of the dead letters of the load's subscription. */
async function deadLetters(daemon: TestDaemon): Promise<number[]> {
  const seqs: number[] = [];
  for (let after = "";;) {
    const path = `/v1/dead-letters?subscription=${SUBSCRIPTION}&limit=1000${after}`;
    const { status, text, headers } = await daemon.http("GET", path);
    assert.equal(status, 200, text);
    seqs.push(...text.split("\n").filter(Boolean).map((line) => JSON.parse(line).seq));
    const next = headers.get("evs-next");
    if (next === null) return seqs;
    after = `&after=${encodeURIComponent(next)}`;
  }
}

async function verifyMade(client: Client, ledger: Ledger): Promise<void> {
  const topics = (await client.topics()).map(({ name }) => name);
  const names = new Set([...topics, ...(await client.subscriptions()).map(({ name }) => name)]);
  assert.deepEqual([...ledger.made].filter((name) => !names.has(name)), [], "made and gone");
}

/** What the status counts is what is there. */
async function verifyCounts(daemon: TestDaemon): Promise<void> {
  const { topics } = (await daemon.http("GET", "/v1/topics")).json;
  let events = 0;
  for (const { name, events: counted } of topics) {
    const there = (await daemon.replay(name)).length;
    assert.equal(counted, there, `the events of ${name}`);
    events += there;
  }
  const status = (await daemon.http("GET", "/v1/status")).json;
  assert.equal(status.events, events);
  assert.deepEqual([status.health, status.problems ?? []], ["ok", []]);
}
