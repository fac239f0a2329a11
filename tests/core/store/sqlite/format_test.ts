/**
 * Contract row 12: every older format of the event database is read; a newer one is refused and
 * left untouched.
 */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { DataDirError } from "../../../../core/base/errors.ts";
import { SqliteState } from "../../../../core/state/sqlite.ts";
import { SqliteEventStore } from "../../../../core/store/sqlite/sqlite_event_store.ts";
import { fixtureLines, fixtureText, unpackFixture } from "../../../helpers/fixture.ts";
import { inFolder } from "../../../helpers/start.ts";

const decoder = new TextDecoder();

function linesOf(store: SqliteEventStore, topic: string): string {
  let text = "";
  const { firstSeq, lastSeq } = store.head(topic);
  for (let from = firstSeq; from <= lastSeq;) {
    const page = store.readLines(topic, { from, to: lastSeq, limit: 1024 });
    text += decoder.decode(page.bytes);
    from = page.next;
  }
  return text;
}

async function sha256(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return new Uint8Array(digest).toHex();
}

/** Each fixture of the event database, and a time soon after it was made. */
const FIXTURES = { "format-1": 1_795_547_290_000, "format-2": 1_795_919_000_000 };

for (const [fixture, madeAt] of Object.entries(FIXTURES)) {
  Deno.test(`SqliteEventStore reads every byte of ${fixture} when it has brought it to its own format`, async () => {
    await inFolder(async (folder) => {
      await unpackFixture(fixture, folder);
      for (const opened of ["migrated", "opened again"]) {
        const store = new SqliteEventStore(`${folder}/events.db`);
        assert.deepEqual(store.topics().sort(), ["numbers", "orders", "short"], opened);
        assert.equal(linesOf(store, "orders"), fixtureText(fixture, "orders.ndjson"));
        assert.equal(linesOf(store, "short"), fixtureText(fixture, "short.ndjson"));
        const digest = fixtureText(fixture, "numbers.sha256").trim();
        assert.equal(await sha256(linesOf(store, "numbers")), digest);
        for (const { name, firstSeq, lastSeq, bytes } of fixtureLines(fixture, "topics.ndjson")) {
          assert.deepEqual(store.head(name), { firstSeq, lastSeq, bytes });
        }
        assert.deepEqual(store.damage(), []);
        await store.close();
      }
    });
  });

  Deno.test(`SqliteEventStore goes on where ${fixture} ended: seqs, given ids, keys and positions in time`, async () => {
    await inFolder(async (folder) => {
      await unpackFixture(fixture, folder);
      const clock = { now: () => madeAt, monotonic: () => 0, setTimer: () => () => {} };
      const store = new SqliteEventStore(`${folder}/events.db`, { clock });
      const orders = fixtureLines(fixture, "orders.ndjson");
      const given = orders.find(({ id }) => id === "given-1");
      assert.equal(store.find("orders", "given-1")?.seq, given.seq);
      assert.equal(store.find("orders", orders[6].id)?.seq, 7);
      assert.equal(store.seekTime("orders", orders[9].timestamp) <= 10, true);
      const [outcome] = await store.append([{
        topic: "orders",
        events: [event("given-1", true), event("made", false)],
      }]);
      assert.ok(outcome?.ok);
      assert.deepEqual(outcome.duplicates, [{ index: 0, seq: given.seq }]);
      assert.equal(outcome.firstSeq, orders.length + 1);
      assert.equal(await store.truncate("numbers", 2000), 1999);
      assert.equal(store.readPage("numbers", { from: 1, to: 1e9, limit: 1 }).events[0]?.seq, 2000);
      await store.close();
    });
  });
}

function event(id: string, idGiven: boolean) {
  const payload = new TextEncoder().encode("1");
  return { id, idGiven, type: "t", timestamp: 1, schemaVersion: "1.0", metadata: "{}", payload };
}

for (
  const { file, open } of [
    { file: "events.db", open: (path: string) => new SqliteEventStore(path) },
    { file: "state.db", open: (path: string) => new SqliteState(path) },
  ]
) {
  Deno.test(`${file} of a newer format is refused in words and left as it is`, async () => {
    await inFolder(async (folder) => {
      await unpackFixture("format-1", folder);
      const database = new DatabaseSync(`${folder}/${file}`);
      database.exec("PRAGMA user_version = 99; PRAGMA journal_mode = DELETE");
      database.close();
      const before = await Deno.readFile(`${folder}/${file}`);
      assert.throws(() => open(`${folder}/${file}`), (error) => {
        assert.ok(error instanceof DataDirError);
        assert.equal(error.code, "datadir/newer-format");
        assert.match(error.message, /format 99, and this version reads up to \d+; .*untouched/);
        return true;
      });
      assert.deepEqual(await Deno.readFile(`${folder}/${file}`), before);
      assert.deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name).sort(), [
        "events.db",
        "state.db",
      ]);
    });
  });
}

Deno.test("SqliteState reads format 4 as it was left", async () => {
  await inFolder(async (folder) => {
    await unpackFixture("format-1", folder);
    const state = new SqliteState(`${folder}/state.db`);
    const { topics, subscriptions, retries, schemas } = state.load();
    assert.deepEqual(topics.map(({ name }) => name), ["numbers", "orders", "short"]);
    assert.deepEqual(subscriptions.map(({ name }) => name), ["later", "mailer"]);
    assert.deepEqual(retries.map(({ seq }) => seq), [1, 2, 3]);
    assert.deepEqual(schemas.map(({ type }) => type), ["order.placed"]);
    const [dead] = state.deadLetters({}, { limit: 10 }).records;
    const kept = JSON.parse(fixtureText("format-1", "dead_letters.ndjson"));
    assert.equal(dead?.id, kept.id);
    assert.equal(dead?.reason, kept.reason);
    await state.close();
  });
});

Deno.test("SqliteState reads format 5 as it was left", async () => {
  await inFolder(async (folder) => {
    await unpackFixture("format-2", folder);
    for (const opened of ["migrated", "opened again"]) {
      const state = new SqliteState(`${folder}/state.db`);
      const { topics, subscriptions, retries, schemas } = state.load();
      assert.deepEqual(topics.map(({ name }) => name), ["numbers", "orders", "short"], opened);
      assert.deepEqual(
        subscriptions.map(({ name, paused, pauseReason }) => [name, paused, pauseReason]),
        [["halted", true, "mail server moves"], ["later", false, undefined], [
          "mailer",
          false,
          undefined,
        ]],
      );
      assert.deepEqual(retries.map(({ seq, failures }) => [seq, failures]), [[1, 1], [2, 1], [
        3,
        1,
      ]]);
      assert.deepEqual(schemas.map(({ type }) => type), ["order.placed"]);
      const [dead] = state.deadLetters({}, { limit: 10 }).records;
      const [kept] = fixtureLines("format-2", "dead_letters.ndjson");
      assert.deepEqual([dead?.id, dead?.reason], [kept.id, kept.reason]);
      await state.close();
    }
  });
});
