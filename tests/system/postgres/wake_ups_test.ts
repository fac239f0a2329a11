/**
 * What one node appends, the others hear of: woken, or by looking for it when no wake-up comes.
 */
import assert from "node:assert/strict";
import { connect } from "../../../mod.ts";
import { openPostgres } from "../../../core/postgres/connection.ts";
import { readTarget } from "../../../core/postgres/url.ts";
import { WakeUps } from "../../../core/postgres/wake_ups.ts";
import { planAppend } from "../../../core/store/postgres/append_plan.ts";
import { PostgresEventStore } from "../../../core/store/postgres/postgres_event_store.ts";
import { Producer } from "../../../core/store/postgres/producer.ts";
import type { Appended } from "../../../core/store/store.ts";
import { newEvent } from "../../../testing/new_event.ts";
import { FakeClock } from "../../helpers/fake_clock.ts";
import { type PostgresServer, startPostgres } from "../../helpers/postgres.ts";
import { startPostgresProxy } from "../../helpers/postgres_proxy.ts";
import { Cuts } from "./cuts.ts";
import { appendOne, twoNodes } from "./two_nodes.ts";

const NEVER = 3_600_000;
const DAY = 86_400_000;

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** What a node is told, as numbers: they must come in order and without a gap. */
function heard(store: PostgresEventStore): Appended[] {
  const all: Appended[] = [];
  store.onAppended((appended) => void all.push(appended));
  return all;
}

async function wakes(server: PostgresServer): Promise<void> {
  // Nothing but a wake-up can tell.
  await using nodes = await twoNodes(server, { pollInterval: NEVER });
  const { here, there } = nodes;
  const told = heard(there);
  for (let n = 1; n <= 20; n++) {
    await appendOne(here);
    await until(() => told.at(-1)?.lastSeq === n);
    assert.equal(there.head("t").lastSeq, n, "the head is known when it is told");
    assert.equal((await there.readPage("t", { from: n, to: n, limit: 1 })).events.length, 1);
  }
  assert.deepEqual(told[0], { topic: "t", firstSeq: 1, lastSeq: 1 });
  let next = 1;
  for (const { firstSeq, lastSeq } of told) {
    assert.equal(firstSeq, next);
    next = lastSeq + 1;
  }
}

async function wakesBoth(server: PostgresServer): Promise<void> {
  await using nodes = await twoNodes(server, { pollInterval: NEVER });
  const { here, there } = nodes;
  const told = [heard(here), heard(there)];
  const own: number[][] = [[], []];
  await Promise.all([here, there].map(async (store, i) => {
    for (let n = 0; n < 50; n++) own[i]!.push(await appendOne(store));
  }));
  await until(() => here.head("t").lastSeq === 100 && there.head("t").lastSeq === 100);
  const knows = (i: number) => {
    const numbers = new Set(own[i]);
    for (const { firstSeq, lastSeq } of told[i]!) {
      for (let seq = firstSeq; seq <= lastSeq; seq++) numbers.add(seq);
    }
    return numbers.size;
  };
  // Each hears of all that it did not store itself.
  await until(() => knows(0) === 100 && knows(1) === 100);
}

async function looksByItself(server: PostgresServer): Promise<void> {
  await using nodes = await twoNodes(server, { pollInterval: 50 });
  const { url, there } = nodes;
  const told = heard(there);
  const postgres = await openPostgres(url);
  // An append that nobody sends a wake-up for.
  const producer = new Producer({ postgres, patience: 1000 });
  await producer.append([null, DAY, ...planAppend([{ topic: "t", events: [newEvent()] }]).values]);
  await until(() => there.head("t").lastSeq === 1);
  assert.deepEqual(told, [{ topic: "t", firstSeq: 1, lastSeq: 1 }], "told when it is found");
  await postgres.close();
}

async function listensAgain(server: PostgresServer): Promise<void> {
  await using nodes = await twoNodes(server, { pollInterval: NEVER });
  const { here, there } = nodes;
  const told = heard(there);
  await server.sql(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE application_name = 'evs wake-ups'`,
  );
  await appendOne(here);
  // Missed, or sent before it listened again: it looks when it does.
  await until(() => told.at(-1)?.lastSeq === 1);
  await appendOne(here);
  await until(() => told.at(-1)?.lastSeq === 2);
}

/** Its first connection for reads is lost once it listens: it opens again from the start. */
async function listensOnce(server: PostgresServer): Promise<void> {
  const url = await server.database({ name: "once" });
  await (await PostgresEventStore.open(url)).close();
  const listening = () =>
    server.sql(
      `SELECT count(*) FROM pg_stat_activity
       WHERE application_name = 'evs wake-ups' AND datname = 'once'`,
    );
  // The server ends its process after the client has gone.
  while ((await listening()).trim() !== "0");
  await using cuts = new Cuts(url);
  cuts.cutAt({ text: "SELECT name, first_seq, last_seq, bytes FROM evs.heads" });
  const store = new PostgresEventStore(cuts.url);
  await store.refresh();
  assert.equal(cuts.cuts, 1);
  assert.equal((await listening()).trim(), "1");
  await store.close();
  // One that stays keeps the process from ending.
  while ((await listening()).trim() !== "0");
}

/** Who sends before he listens does not have to send again. */
async function sendsLater(server: PostgresServer): Promise<void> {
  const target = readTarget(await server.database());
  const [here, there, control] = [new WakeUps(target), new WakeUps(target), new WakeUps(target)];
  await there.open();
  await control.open();
  const told: unknown[] = [];
  there.on("claims", (items) => void told.push(items));
  let count = 0;
  there.on("control", () => void count++);
  here.send("claims", "s");
  // It had its time to be sent.
  await new Promise((resolve) => setTimeout(resolve, 20));
  await here.open();
  for (let n = 1; n <= 20 && told.length === 0; n++) {
    control.send("control", `${n}`);
    await until(() => count === n);
  }
  assert.deepEqual(told, [["s"]]);
  await Promise.all([here, there, control].map((one) => one.close()));
}

/** What it has stored itself it need not look for, each 10 ms while it publishes. */
async function hearsOthers(server: PostgresServer): Promise<void> {
  const target = readTarget(await server.database());
  const [here, there] = [new WakeUps(target), new WakeUps(target)];
  await Promise.all([here.open(), there.open()]);
  const [others, all]: [string[], string[]] = [[], []];
  here.on("t", (items) => void others.push(...items!), { own: false });
  here.on("t", (items) => void all.push(...items!));
  here.send("t", "mine");
  await until(() => all.includes("mine"));
  there.send("t", "theirs");
  await until(() => others.length > 0);
  assert.deepEqual([others, all], [["theirs"], ["mine", "theirs"]]);
  await Promise.all([here.close(), there.close()]);
}

/** Where several share it, it listens until all of them have closed it. */
async function isShared(server: PostgresServer): Promise<void> {
  const target = readTarget(await server.database({ name: "shared" }));
  const [here, there] = [new WakeUps(target), new WakeUps(target)];
  const told: string[] = [];
  there.on("t", (items) => void told.push(...items!));
  assert.equal(here.share(), here);
  await Promise.all([here.open(), here.open(), there.open()]);
  const listening = `SELECT count(*) FROM pg_stat_activity WHERE datname = 'shared'`;
  assert.equal((await server.sql(listening)).trim(), "2", "one each");
  await here.close();
  here.send("t", "still");
  await until(() => told.includes("still"));
  await Promise.all([here.close(), there.close()]);
}

async function listensOnceANode(server: PostgresServer): Promise<void> {
  const url = await server.database({ name: "lone" });
  await using broker = await connect(url);
  await broker.publish("t", "x", 1);
  const listening = `SELECT count(*) FROM pg_stat_activity
    WHERE application_name = 'evs wake-ups' AND datname = 'lone'`;
  assert.equal((await server.sql(listening)).trim(), "1");
}

/** The network is gone, and nobody says so: what is sent gets nowhere, and nothing comes. */
async function noticesSilence(server: PostgresServer): Promise<void> {
  const url = await server.database();
  let isSilent = false;
  const pass = (bytes: Uint8Array) => isSilent ? undefined : bytes;
  await using proxy = startPostgresProxy(url, { toServer: pass, toClient: pass });
  const clock = new FakeClock();
  const there = new WakeUps(readTarget(proxy.url), { clock });
  const told: unknown[] = [];
  there.on("claims", (items) => void told.push(items));
  await there.open();
  // No faster than the server answers.
  const later = async (holds: () => boolean) => {
    for (; !holds(); await clock.pass(20)) await new Promise((resolve) => setTimeout(resolve, 20));
  };
  // It asks after half a minute, and waits for an answer; or it waits for that of what it sends.
  for (const sends of [false, true]) {
    told.length = 0;
    isSilent = true;
    if (sends) there.send("claims", "s");
    await clock.pass(45_000);
    isSilent = false;
    await later(() => told.length > 0);
    assert.equal(told[0], undefined, "some may have been missed");
  }
  // What was sent while nothing arrived.
  await later(() => told.length > 1);
  assert.deepEqual(told[1], ["s"]);
  await there.close();
}

Deno.test("wake-ups between nodes", async (t) => {
  await using server = await startPostgres({ settings: { fsync: "off" } });
  const step = (name: string, body: (server: PostgresServer) => Promise<void>) =>
    t.step(name, () => body(server));
  await step("onAppended tells of events of another node by a wake-up", wakes);
  await step("onAppended misses nothing when two nodes append at once", wakesBoth);
  await step("onAppended tells of events that nobody sent a wake-up for", looksByItself);
  await step("open listens once, however often it has to begin again", listensOnce);
  await step("send keeps what is sent before it listens", sendsLater);
  await step("on leaves out what was sent here, where that is known", hearsOthers);
  await step("close ends it when all who share it have closed it", isShared);
  await step("connect listens once for events and state", listensOnceANode);
  await step("a connection on which nothing comes any more is made again", noticesSilence);
  await step("onAppended tells what came while its connection was lost", listensAgain);
});
