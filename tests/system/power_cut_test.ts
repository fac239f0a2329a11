/**
 * Contract row 3: a power cut while eight clients publish and one consumes. `always` loses nothing
 * that was acknowledged, `interval` at most the newest events of about that time; topics, schemas,
 * subscriptions and confirmed consumer acknowledgements are there.
 */
import assert from "node:assert/strict";
import { Client } from "../../core/client/client.ts";
import { ConnectionLostError, NoDaemonError, RemoteError } from "../../core/base/errors.ts";
import { newDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { Disk } from "../helpers/disk.ts";
import { dose } from "../helpers/dose.ts";
import { evs } from "../helpers/evs.ts";
import { heldInOneOf, type Series } from "../helpers/series.ts";
import { needTools } from "../helpers/shell.ts";

const PUBLISHERS = 8;
/**
 * One of them sends now and then an event that is so large that the next append is written while it
 * is synced.
 */
const LARGE = " ".repeat(270_000);
/**
 * How much later than the interval what was acknowledged is on the disk, ms, unless the machine is
 * very busy; and how long to wait before a cut, so that it matters.
 */
const [SLACK, AT_LEAST] = [500, 1200];

interface Setup {
  store: string;
  durability: string;
  /** What may be lost of the latest acknowledgements, ms. */
  interval: number;
  cuts: number;
}

/** Together a tenth of the floor, and more. */
const SETUPS: Setup[] = [
  { store: "sqlite", durability: "always", interval: 0, cuts: dose(1) },
  { store: "sqlite", durability: "interval:50ms", interval: 50, cuts: dose(1) },
  { store: "file", durability: "always", interval: 0, cuts: dose(1) },
  { store: "file", durability: "interval:50ms", interval: 50, cuts: dose(1) },
];

/** What was confirmed before the power went. */
class Confirmed {
  readonly events: { seq: number; id: string; at: number }[] = [];
  readonly acks = new Set<number>();
  topics: string[] = [];
  gone = false;
  #changed = Promise.withResolvers<void>();

  publish(event: { seq: number; id: string }): void {
    this.events.push({ ...event, at: performance.now() });
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  async reach(count: number): Promise<void> {
    while (this.events.length < count) await this.#changed.promise;
  }
}

/** Runs until the power is gone: then everything fails, and nothing that fails was confirmed. */
async function untilGone(confirmed: Confirmed, step: () => Promise<void>): Promise<void> {
  while (!confirmed.gone) {
    try {
      await step();
    } catch (error) {
      const expected = error instanceof ConnectionLostError || error instanceof NoDaemonError ||
        error instanceof RemoteError;
      if (!expected || !confirmed.gone) throw error;
    }
  }
}

async function work(daemon: TestDaemon, confirmed: Confirmed): Promise<void> {
  const client = () => new Client({ socket: daemon.socket });
  const publishers = Array.from({ length: PUBLISHERS }, async (_, publisher) => {
    using own = client();
    let n = 0;
    await untilGone(confirmed, async () => {
      const ids = Array.from({ length: publisher % 2 ? 1 : 10 }, () => `p${publisher}-${++n}`);
      const fill = publisher === 1 && n % 10 === 0 ? LARGE : "";
      const body = ids.map((id) => `{"type":"n","id":"${id}","payload":"${id}${fill}"}\n`).join("");
      const reply = await own.call<{ events: { seq: number; id: string }[] }>({
        method: "POST",
        path: "/v1/topics/cut/events",
        body,
        contentType: "application/x-ndjson",
      });
      if (!confirmed.gone) { for (const event of reply.events) confirmed.publish(event); }
    });
  });
  const consumer = async () => {
    using own = client();
    await untilGone(confirmed, async () => {
      const { deliveries } = await own.lease("reader", { max: 5, waitMs: 100 });
      const leases = deliveries.map(({ lease }) => lease);
      if (leases.length === 0) return;
      await own.ack("reader", { leases });
      if (confirmed.gone) return;
      for (const { event } of deliveries) confirmed.acks.add((event as { seq: number }).seq);
    });
  };
  const maker = async () => {
    using own = client();
    let n = 0;
    await untilGone(confirmed, async () => {
      const name = `made-${++n}`;
      await own.call({ method: "PUT", path: `/v1/topics/${name}`, body: "{}" });
      if (!confirmed.gone) confirmed.topics.push(name);
    });
  };
  await Promise.all([...publishers, consumer(), maker()]);
}

/** Returns those that are lost of the events that were acknowledged in time. */
async function verify(
  daemon: TestDaemon,
  confirmed: Confirmed,
  inTime: number,
): Promise<string[]> {
  const stored: { seq: number; id: string; payload: string }[] = await daemon.replay("cut");
  stored.forEach(({ seq, id, payload }, i) => {
    assert.equal(seq, i + 1, "there is no hole");
    assert.equal(payload.trimEnd(), id);
  });
  const lost: string[] = [];
  for (const { seq, id, at } of confirmed.events) {
    const there = stored[seq - 1]?.id === id;
    if (seq <= stored.length) assert.ok(there, `what is left is a prefix: ${seq} (${id})`);
    if (at <= inTime && !there) lost.push(`${seq} (${id})`);
  }
  const { topics } = (await daemon.http("GET", "/v1/topics")).json;
  const names = new Set(topics.map(({ name }: { name: string }) => name));
  assert.deepEqual(confirmed.topics.filter((name) => !names.has(name)), [], "confirmed topics");
  assert.equal((await daemon.http("GET", "/v1/schemas/kept")).status, 200, "the confirmed schema");
  const subscription = (await daemon.http("GET", "/v1/subscriptions/reader")).json;
  const next: number = subscription.cursors[0].next;
  // What the store has lost of the events, the cursor cannot be behind of.
  const done = [...confirmed.acks].filter((seq) => seq <= stored.length);
  assert.ok(
    done.every((seq) => seq < next),
    `acknowledged up to ${Math.max(...done)}, next ${next}`,
  );
  assert.equal((await daemon.publish("cut", "n", "after")).firstSeq, stored.length + 1);
  return lost;
}

/** Cuts the power under load, and says what is there afterwards. */
async function cutOnce({ store, durability, interval }: Setup): Promise<Series> {
  // Larger than what is written until the power goes, however fast that is.
  await using disk = await Disk.make(512);
  await using daemon = await newDaemon({ store, durability, dataDir: `${disk.path}/data` });
  await daemon.start();
  await daemon.http("PUT", "/v1/topics/cut", {});
  await daemon.http("PUT", "/v1/schemas/kept", { type: "object" });
  await daemon.http("PUT", "/v1/subscriptions/reader", { topic: "cut", from: "start" });
  const confirmed = new Confirmed();
  const working = work(daemon, confirmed);
  const began = performance.now();
  const least = interval === 0 ? 0 : AT_LEAST;
  do {
    const more = 1 + Math.floor(Math.random() * 800);
    await Promise.race([confirmed.reach(confirmed.events.length + more), working]);
  } while (performance.now() - began < least);
  // Confirmations that arrive after this moment do not count: the power may be gone already.
  confirmed.gone = true;
  const cutAt = performance.now();
  await disk.cutPower();
  await daemon.kill();
  await working;
  await disk.unmount();
  await disk.mount();
  await daemon.start();
  const inTime = interval === 0 ? Infinity : cutAt - interval - SLACK;
  const lost = await verify(daemon, confirmed, inTime);
  if (interval === 0) assert.deepEqual(lost, [], "nothing that was acknowledged is lost");
  await daemon.stop();
  const doctor = await evs(["doctor"], { at: daemon });
  assert.equal(doctor.code, 0, `a power cut damages nothing: ${doctor.stdout}`);
  const figures = `${lost.length} acknowledged in time are lost, the first ${lost[0]}`;
  return { holds: lost.length === 0, figures };
}

for (const setup of SETUPS) {
  Deno.test(`what was confirmed is there when the power goes: ${setup.store}, ${setup.durability}`, async () => {
    needTools("mkfs.ext4", "mount", "perl");
    // How late an interval's timer fires is chance on a busy machine.
    for (let cut = 0; cut < setup.cuts; cut++) await heldInOneOf(() => cutOnce(setup));
  });
}
