/**
 * The event store on a server that is away for a while, beside an old transaction that holds up
 * vacuum, on damaged rows, and with settings that make it less than durable.
 */
import assert from "node:assert/strict";
import { systemClock } from "../../../core/base/clock.ts";
import { openPostgres } from "../../../core/postgres/connection.ts";
import { PostgresEventStore } from "../../../core/store/postgres/postgres_event_store.ts";
import { newEvent } from "../../../testing/new_event.ts";
import { dose } from "../../helpers/dose.ts";
import { type PostgresServer, startPostgres } from "../../helpers/postgres.ts";
import { appendOne, twoNodes } from "./two_nodes.ts";

const NEVER = 3_600_000;
const DAY = 86_400_000;
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** The server is away for a while: who has patience waits, who has none is told. */
async function goesOn(server: PostgresServer): Promise<void> {
  const url = await server.database();
  const patient = await PostgresEventStore.open({ url, patience: NEVER });
  const hurried = await PostgresEventStore.open({ url, patience: 300 });
  await appendOne(patient);
  await server.stop("immediate");
  const waiting = appendOne(patient);
  const reading = patient.readPage("t", { from: 1, to: 9, limit: 9 });
  const begun = performance.now();
  await assert.rejects(appendOne(hurried), {
    code: "postgres/unavailable",
    name: "CannotStoreError",
  });
  await assert.rejects(hurried.find("t", "x"), { code: "postgres/unavailable" });
  await sleep(Math.max(0, dose(2000, 60_000) - (performance.now() - begun)));
  assert.equal(await Promise.race([waiting, Promise.resolve("waits")]), "waits");
  await server.start();
  assert.equal(await waiting, 2);
  assert.ok((await reading).events.length >= 1);
  assert.equal(await onceThere(() => appendOne(hurried)), 3);
  await Promise.all([patient.close(), hurried.close()]);
}

/** Asks again as long as the server is away; each refusal has stored nothing. */
async function onceThere<T>(ask: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      assert.equal((error as { code?: string }).code, "postgres/unavailable");
    }
  }
}

/**
 * Appends beside a transaction that has been open for as long as they run, and beside none, by
 * turns: vacuum works for one database and not for the other.
 */
async function outlivesTransactions(server: PostgresServer): Promise<void> {
  const urls = [await server.database(), await server.database()];
  const [held, free] = await Promise.all(urls.map((url) => PostgresEventStore.open(url)));
  const events = () => Array.from({ length: 50 }, () => newEvent());
  const timed = async (store: PostgresEventStore) => {
    const begun = performance.now();
    await store.append([{ topic: "t", events: events() }]);
    return performance.now() - begun;
  };
  await timed(held!);
  await timed(free!);
  const old = await openPostgres(urls[0]!);
  await old.transaction("read", async (query) => {
    await query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ");
    await query("SET LOCAL idle_in_transaction_session_timeout = 0");
    await query("SELECT count(*) FROM evs.events");
    const times: [number[], number[]] = [[], []];
    for (let n = 0; n < dose(400, 20_000); n++) {
      times[0].push(await timed(held!));
      times[1].push(await timed(free!));
    }
    const [slow, control] = times.map((all) => median(all.slice(-200)));
    assert.ok(slow! <= control! / 0.7, `${slow} ms beside an old transaction, ${control} without`);
  });
  await Promise.all([old.close(), held!.close(), free!.close()]);
}

const median = (numbers: number[]) => numbers.sort((a, b) => a - b)[numbers.length >> 1]!;

async function tellsDamage(server: PostgresServer): Promise<void> {
  const url = await server.database({ name: "damaged" });
  const store = await PostgresEventStore.open(url);
  await store.append([{ topic: "t", events: Array.from({ length: 9 }, () => newEvent()) }]);
  for (
    const change of [
      "payload = '0' WHERE seq = 2",
      "key = 'k' WHERE seq = 3",
      "ts = ts + 1 WHERE seq = 4",
      "key_seq = 7 WHERE seq = 5",
    ]
  ) await server.sql(`UPDATE evs.events SET ${change}`, "damaged");
  await server.sql("DELETE FROM evs.events WHERE seq = 7", "damaged");
  await server.sql("UPDATE evs.events SET seq = 17 WHERE seq = 9", "damaged");
  await server.sql("UPDATE evs.topics SET last_seq = 17", "damaged");
  const page = await store.readPage("t", { from: 1, to: 99, limit: 99 });
  assert.deepEqual(page.events.map(({ seq }) => seq), [1, 6, 8]);
  assert.equal(page.next, 100);
  const found = store.damage().filter(({ lost }) => lost).map((one) => [one.firstSeq, one.lastSeq]);
  const sorted = found.sort((a, b) => a[0]! - b[0]!);
  assert.deepEqual(sorted, [[2, 2], [3, 3], [4, 4], [5, 5], [7, 7], [9, 16], [17, 17]]);
  store.acceptDamage();
  assert.ok(store.damage().every(({ accepted }) => accepted));
  await store.close();
}

async function deletesInSteps(server: PostgresServer): Promise<void> {
  await using nodes = await twoNodes(server);
  const { here, there, url } = nodes;
  const events = Array.from({ length: 12_000 }, () => newEvent());
  await here.append([{ topic: "t", events }]);
  assert.equal(await here.seekAge("t", -1), 12_001, "all are older than that");
  assert.equal(await here.seekAge("t", DAY), 1);
  // A process that ended after the first statement of a deletion left the rows.
  const name = new URL(url).pathname.slice(1);
  await server.sql("SELECT evs.truncate_1('t', 11001, false)", name);
  const page = await there.readPage("t", { from: 1, to: 20_000, limit: 10 });
  assert.equal(page.events[0]?.seq, 11_001);
  assert.equal(there.head("t").firstSeq, 11_001, "head knows what the page showed");
  assert.equal(await there.find("t", events[0]!.id), undefined);
  const opened = await PostgresEventStore.open(url);
  const rows = () => server.sql("SELECT count(*) FROM evs.events", name);
  while ((await rows()).trim() !== "1000") await sleep(20);
  await opened.close();
}

async function saysWhatIsDurable(server: PostgresServer): Promise<void> {
  const url = await server.database({ name: "durable" });
  const durable = async () => {
    const store = new PostgresEventStore(url);
    assert.equal(store.durable, false, "nobody has asked the server yet");
    await store.refresh();
    await store.close();
    return store.durable;
  };
  assert.equal(await durable(), true);
  await server.sql("ALTER DATABASE durable SET synchronous_commit = off");
  assert.equal(await durable(), false);
  await server.sql("ALTER DATABASE durable SET synchronous_commit = local");
  assert.equal(await durable(), true);
  // Of one that runs, each append says so.
  await server.sql("ALTER DATABASE durable RESET synchronous_commit");
  const store = await PostgresEventStore.open(url);
  const says = async (expected: boolean) => {
    do await appendOne(store); while (store.durable !== expected);
  };
  await says(true);
  for (const change of ["SET synchronous_commit = off", "RESET synchronous_commit"]) {
    await server.sql(`ALTER SYSTEM ${change}`);
    await server.sql("SELECT pg_reload_conf()");
    await says(change.startsWith("RESET"));
  }
  await store.close();
  for (const setting of ["fsync", "full_page_writes"]) {
    await server.stop();
    await server.start({ [setting]: "off" });
    assert.equal(await durable(), false, setting);
  }
  await server.stop();
  await server.start({});
}

async function waitsForNobody(server: PostgresServer): Promise<void> {
  const url = await server.database();
  const clock = { ...systemClock, now: () => 1 };
  const store = await PostgresEventStore.open({ url, clock });
  await appendOne(store);
  const late = appendOne(store);
  await store.close();
  assert.equal(await late, 2, "what was under way is stored");
  for (const work of [() => appendOne(store), () => store.refresh(), () => store.find("t", "x")]) {
    await assert.rejects(work(), { code: "broker/closed" });
  }
}

Deno.test("the event store on a PostgreSQL that is not at its best", async (t) => {
  await using server = await startPostgres();
  const step = (name: string, body: (server: PostgresServer) => Promise<void>) =>
    t.step(name, () => body(server));
  await step("append waits for a server that is away, or says so", goesOn);
  await step("append stays fast beside an old transaction", outlivesTransactions);
  await step("readPage passes over damaged rows and tells them", tellsDamage);
  await step("truncate hides events at once and is finished by the next start", deletesInSteps);
  await step("durable is what the server's settings say", saysWhatIsDurable);
  await step("close stores what is under way and refuses what comes later", waitsForNobody);
});
