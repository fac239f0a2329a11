/**
 * Appends whose connection is cut: behind the commit, at every byte of the answer; before it; and
 * with a request that reaches the server late. Each event is stored once, with the number that its
 * publisher is told.
 */
import assert from "node:assert/strict";
import { PostgresEventStore } from "../../../core/store/postgres/postgres_event_store.ts";
import { newEvent, stored } from "../../../testing/new_event.ts";
import { dose } from "../../helpers/dose.ts";
import { type PostgresServer, startPostgres } from "../../helpers/postgres.ts";
import { type ProxyLink, startPostgresProxy } from "../../helpers/postgres_proxy.ts";

/** The connection that appends, from the moment it sends an append. */
const isAppend = (link: ProxyLink, bytes: Uint8Array) =>
  link.name === "evs append" && new TextDecoder().decode(bytes).includes("cut-here");

const append = (store: PostgresEventStore) =>
  store.append([{
    topic: "t",
    events: [newEvent({ payload: '"cut-here"', key: "k" }), newEvent(), newEvent()],
  }]);

/** How many events the topic has, how many ids, and the last number. */
const counts = (server: PostgresServer, url: string) =>
  server.sql(
    `SELECT count(*), count(DISTINCT id), max(seq), (SELECT last_seq FROM evs.heads)
     FROM evs.events`,
    new URL(url).pathname.slice(1),
  );

async function cutsAnswers(server: PostgresServer): Promise<void> {
  const url = await server.database();
  /** How many bytes of the next answer the client gets; undefined: all. */
  let passed: number | undefined;
  let answering = false;
  let longest = 0;
  let cuts = 0;
  await using proxy = startPostgresProxy(url, {
    toServer: (bytes, link) => {
      answering ||= isAppend(link, bytes);
      return bytes;
    },
    toClient: (bytes, link) => {
      if (!answering || link.name !== "evs append") return bytes;
      longest = Math.max(longest, bytes.length);
      if (passed === undefined) return bytes;
      const part = bytes.subarray(0, passed);
      answering = false;
      passed = undefined;
      cuts++;
      queueMicrotask(() => link.cut());
      return part.length > 0 ? part : undefined;
    },
  });
  const store = await PostgresEventStore.open(proxy.url);
  await append(store);
  let expected = 4;
  const step = Math.max(1, Math.round(longest / dose(30, longest)));
  for (let at = 0; at < longest; at += step) {
    passed = at;
    answering = false;
    const outcome = stored((await append(store))[0]);
    assert.deepEqual([outcome.firstSeq, outcome.count], [expected, 3], `cut at byte ${at}`);
    assert.equal(outcome.keySeqs![0], (expected + 2) / 3);
    expected += 3;
  }
  assert.ok(cuts >= dose(30, longest) - 1, `${cuts} cuts`);
  const last = expected - 1;
  assert.equal((await counts(server, url)).trim(), `${last}|${last}|${last}|${last}`);
  await store.close();
}

async function cutsRequests(server: PostgresServer): Promise<void> {
  const url = await server.database();
  let passed: number | undefined;
  let cuts = 0;
  await using proxy = startPostgresProxy(url, {
    toServer: (bytes, link) => {
      if (passed === undefined || !isAppend(link, bytes)) return bytes;
      const part = bytes.subarray(0, passed);
      passed = undefined;
      cuts++;
      queueMicrotask(() => link.cut());
      return part.length > 0 ? part : undefined;
    },
  });
  const store = await PostgresEventStore.open(proxy.url);
  await append(store);
  for (let n = 0; n < 10; n++) {
    passed = n * 37;
    assert.equal(stored((await append(store))[0]).firstSeq, 4 + 3 * n);
  }
  assert.equal(cuts, 10);
  assert.equal((await counts(server, url)).trim(), "33|33|33|33");
  await store.close();
}

/** The producer's row is another one after 500 appends, which is asked for with the answer lost. */
async function takesRows(server: PostgresServer): Promise<void> {
  const url = await server.database();
  let [appended, cuts] = [0, 0];
  await using proxy = startPostgresProxy(url, {
    toServer: (bytes, link) => {
      if (link.name !== "evs append" || appended < 500 || cuts === 2) return bytes;
      // On a new connection the statement comes with its text, and does not reach the server.
      const isTaking = cuts === 0 ||
        new TextDecoder().decode(bytes).includes("DELETE FROM evs.producers");
      if (!isTaking) return bytes;
      queueMicrotask(() => link.cutClient());
      return ++cuts === 1 ? bytes : undefined;
    },
  });
  const store = await PostgresEventStore.open(proxy.url);
  for (; appended < 510; appended++) {
    const [outcome] = await store.append([{ topic: "t", events: [newEvent()] }]);
    assert.equal(stored(outcome).firstSeq, appended + 1);
  }
  assert.equal(cuts, 2);
  assert.equal((await counts(server, url)).trim(), "510|510|510|510");
  const rows = "SELECT count(*) FROM evs.producers";
  assert.equal((await server.sql(rows, new URL(url).pathname.slice(1))).trim(), "1");
  await store.close();
}

async function refusesLateRequests(server: PostgresServer): Promise<void> {
  const url = await server.database();
  let held: { link: ProxyLink; bytes: Uint8Array } | undefined;
  let holds = false;
  await using proxy = startPostgresProxy(url, {
    toServer: (bytes, link) => {
      if (!holds || !isAppend(link, bytes)) return bytes;
      holds = false;
      held = { link, bytes };
      queueMicrotask(() => link.cutClient());
      return undefined;
    },
  });
  const store = await PostgresEventStore.open(proxy.url);
  await append(store);
  for (let n = 0; n < 3; n++) {
    holds = true;
    assert.equal(stored((await append(store))[0]).firstSeq, 4 + 3 * n);
    // Now the server gets the request that was held up, on its old connection.
    await held!.link.sendLate(held!.bytes);
    await until(() => server.log().split("old epoch").length - 1 > n);
    held!.link.cut();
  }
  assert.equal(stored((await append(store))[0]).firstSeq, 13);
  assert.equal((await counts(server, url)).trim(), "15|15|15|15");
  await store.close();
}

async function opensAnyway(server: PostgresServer): Promise<void> {
  const url = await server.database();
  // The commit of the migrations, the question about settings, and the start of a deletion.
  const wanted = ["COMMIT", "current_setting('fsync')", "SELECT * FROM evs.truncate_1"];
  await using proxy = startPostgresProxy(url, {
    toServer: (bytes, link) => {
      const text = new TextDecoder().decode(bytes);
      const at = wanted.findIndex((words) => text.includes(words));
      if (at < 0) return bytes;
      wanted.splice(at, 1);
      // The server gets it, and the client no answer.
      queueMicrotask(() => link.cutClient());
      return bytes;
    },
  });
  const store = new PostgresEventStore(proxy.url);
  assert.equal(stored((await append(store))[0]).firstSeq, 1);
  assert.equal(await store.truncate("t", 3), 2, "as many as were there when it began");
  assert.equal(store.head("t").firstSeq, 3);
  assert.deepEqual(wanted, [], "each was cut once");
  await store.close();
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 10));
}

Deno.test("appends whose connection is cut", async (t) => {
  await using server = await startPostgres({ settings: { fsync: "off" } });
  const step = (name: string, body: (server: PostgresServer) => Promise<void>) =>
    t.step(name, () => body(server));
  await step("append answers the same seq once when its answer is cut at any byte", cutsAnswers);
  await step("append stores once when its request is cut", cutsRequests);
  await step("append takes a row of its own anew, and stores once meanwhile", takesRows);
  await step("what can be done again is done again when its answer is lost", opensAnyway);
  await step("append is refused when it arrives after it was given up", refusesLateRequests);
});
