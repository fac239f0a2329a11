/**
 * Acts on rows that other nodes own, on a PostgreSQL that is really there: an act and the commits of
 * owners wait for each other, what an owner decided before is refused, and of two acts on one dead
 * letter one gets it.
 */
import assert from "node:assert/strict";
import { moveDeadLetters, removeDeadLetters } from "../../../core/dead_letter/move.ts";
import type { SubscriptionManager } from "../../../core/delivery/manager.ts";
import { retriesPage } from "../../../core/delivery/scheduled_retries.ts";
import type { SubscriptionDriver } from "../../../core/delivery/driver.ts";
import type { RetriesRequest } from "../../../core/state/shared_retries.ts";
import { seekShared } from "../../../core/delivery/shared_seek.ts";
import { redeliveryOf } from "../../../core/delivery/redeliver.ts";
import { partOf } from "../../../core/event/part.ts";
import { openPostgres, type Postgres, type Query } from "../../../core/postgres/connection.ts";
import { TryAgainError } from "../../../core/postgres/errors.ts";
import { PostgresState } from "../../../core/state/postgres/postgres_state.ts";
import type {
  DeadLetterRecord,
  StateChange,
  SubscriptionRecord,
} from "../../../core/state/state.ts";
import { PostgresEventStore } from "../../../core/store/postgres/postgres_event_store.ts";
import { dose } from "../../helpers/dose.ts";
import { emptyDatabase, endServer, giveBack } from "./states.ts";

Deno.test.afterAll(endServer);

const PARTS = 4;
const LAST = 1000;

interface Nodes {
  here: PostgresState;
  there: PostgresState;
  /** Connections of nobody in particular; each takes one transaction at a time. */
  raw: Postgres;
  query: Query;
}

async function withNodes(body: (nodes: Nodes) => Promise<void>): Promise<void> {
  const url = await emptyDatabase();
  // The topics are the store's.
  await (await PostgresEventStore.open(url)).close();
  const [here, there] = [await PostgresState.open(url), await PostgresState.open(url)];
  const raw = await openPostgres(url);
  const query: Query = (text, values) => raw.query("read", text, values);
  try {
    await here.commit(["s", "other"].map((name) => subscription(name)));
    await query(`INSERT INTO evs.topics (name, last_seq) VALUES ('t', ${LAST})`);
    await body({ here, there, raw, query });
  } finally {
    for (const one of [here, there, raw]) await one.close();
    await giveBack(url);
  }
}

function subscription(name: string): StateChange {
  const settings = { maxRetries: 1, backoff: { kind: "fixed", ms: 1 }, eventTypes: [] };
  const record = { name, topic: "t", from: "start", paused: false, createdAt: 1, parts: PARTS };
  const more = { settings: { ...settings, breaker: null, maxDeliveries: 0 } };
  return { op: "subscription.put", record: { ...record, ...more } } as unknown as StateChange;
}

function deadLetter(seq: number, of = "s"): DeadLetterRecord {
  const about = { subscription: of, topic: "t", id: `e${seq}`, seq, type: "x", key: `k${seq}` };
  return { ...about, reason: "no", diedAt: 1, attempts: [], line: new Uint8Array([1]) };
}

const put = (state: PostgresState, ...seqs: number[]) =>
  state.commit(seqs.map((seq) => ({ op: "dead.put", record: deadLetter(seq) })));
const entryOf = (seq: number) => redeliveryOf(deadLetter(seq));
const partOfSeq = (seq: number) => partOf({ seq, key: `k${seq}` }, PARTS);

/** All that is asked of a manager. */
const subscriptions = {
  require: (name: string) => ({
    record: { name, topic: "t" },
    ledger: { lasts: true },
    now: () => ({ wall: 5, mono: 0 }),
  }),
  has: () => true,
} as unknown as SubscriptionManager;

const retry = (state: PostgresState, seqs: readonly number[], to?: string) =>
  moveDeadLetters(seqs.map(entryOf), { state, subscriptions, to });

/** Resolves when a connection waits for a lock of another one; `who` is not to end before. */
async function waitsForLock(query: Query, who: Promise<unknown>): Promise<void> {
  let ended = false;
  who.finally(() => ended = true).catch(() => {}); // the test gets the error
  for (;;) {
    assert.equal(ended, false, "it does not wait");
    const [row] = await query<{ n: string }>(
      `SELECT count(*)::text AS n FROM pg_stat_activity WHERE datname = current_database()
         AND wait_event_type = 'Lock'`,
    );
    if (Number(row!.n) > 0) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Makes a node the owner of all parts. */
async function own(query: Query, node: string): Promise<void> {
  await query("INSERT INTO evs.nodes (node, seen) VALUES ($1, now())", [node]);
  await query("INSERT INTO evs.members VALUES ('s', $1, true)", [node]);
  await query(
    "INSERT INTO evs.claims SELECT 's', part, $1, 1, 0, now() FROM generate_series(0, 3)" +
      " AS part",
    [node],
  );
}

/** Holds the parts as a commit of their owner does, decided when they had this rev. */
function holdParts(query: Query, parts: readonly number[], rev: number): Promise<unknown> {
  const text = (values: readonly number[]) => `{${values.join()}}`;
  return query(
    `SELECT evs.hold_claims_2('a', array_fill('s'::text, ARRAY[$1::int]), $2::text::bigint[],
       $3::text::bigint[], $4::text::bigint[])`,
    [parts.length, text(parts), text(parts.map(() => 1)), text(parts.map(() => rev))],
  );
}

const column = async (query: Query, text: string) =>
  (await query<Record<string, unknown>>(text)).map((row) => Object.values(row).join(" "));

Deno.test("an act waits for the commit of an owner that is under way, and sees what it has kept", () =>
  withNodes(async ({ here, raw, query }) => {
    await put(here, 1, 2);
    await own(query, "a");
    let acting: Promise<unknown> | undefined;
    await raw.transaction("append", async (owner) => {
      await holdParts(owner, [partOfSeq(1)], 0);
      acting = retry(here, [1, 2]);
      await waitsForLock(query, acting);
      // Its handler has just failed for the event again.
      await owner(
        "INSERT INTO evs.retries SELECT 's', 't', 'e1', $1, 1, 'k1', 'x', 99, 0, 5, 1," +
          " '[]', 'x', NULL, 1",
        [partOfSeq(1)],
      );
    });
    await acting;
    assert.deepEqual(
      await column(query, "SELECT id, due_at FROM evs.retries ORDER BY id"),
      ["e1 99", "e2 5"],
      "the retry that was there stays as it is",
    );
    assert.equal(await here.countDeadLetters({}), 0);
  }));

Deno.test("an act has an owner's commits refused that were decided before, of its parts alone", () =>
  withNodes(async ({ here, raw, query }) => {
    await put(here, 1);
    await own(query, "a");
    const others = [0, 1, 2, 3].filter((part) => part !== partOfSeq(1));
    const commit = (parts: number[], rev: number) =>
      raw.transaction("append", (owner) => holdParts(owner, parts, rev));
    await commit([0, 1, 2, 3], 0);
    await retry(here, [1]);
    await assert.rejects(commit([partOfSeq(1)], 0), { state: "EVF01" });
    await commit(others, 0);
    await commit([partOfSeq(1)], 1);
    const epochs = await column(query, "SELECT node, epoch FROM evs.claims");
    assert.deepEqual(new Set(epochs), new Set(["a 1"]), "it still owns all of them");
  }));

Deno.test("an act holds up who claims a part that nobody ever owned, until there is all to read", () =>
  withNodes(async ({ here, there, query }) => {
    await put(here, 1);
    const decided = Promise.withResolvers<void>();
    const go = Promise.withResolvers<void>();
    const acting = here.transact({
      on: [{ subscription: "s", of: [{ seq: 1, key: "k1" }] }],
      async decide(rows) {
        const [place] = await rows.places("s", [entryOf(1)]);
        decided.resolve();
        await go.promise;
        const mark = { subscription: "s", topic: "t", seqs: [1], part: place!.part };
        return { changes: [{ op: "done.put", ...mark }], result: place };
      },
    });
    await decided.promise;
    await query("INSERT INTO evs.members VALUES ('s', 'b', true)");
    const claimed = query("SELECT * FROM evs.claim_parts('b', 's', $1::text::bigint[], NULL)", [
      `{${partOfSeq(1)}}`,
    ]);
    const reads = claimed.then(() => there.shared.loadQueue("s", [partOfSeq(1)]));
    await waitsForLock(query, reads);
    go.resolve();
    assert.deepEqual(await acting, { part: partOfSeq(1), isRetry: false, isOpen: true });
    assert.deepEqual((await reads).done.map(({ seq }) => seq), [1]);
  }));

Deno.test("a dead letter that two nodes retry at once, to one subscription or to two, goes to one", () =>
  withNodes(async ({ here, there, query }) => {
    const seqs = Array.from({ length: 20 }, (_, n) => n + 1);
    for (let round = 0; round < dose(10); round++) {
      await put(here, ...seqs);
      const acts = [
        retry(here, seqs),
        retry(there, seqs.toReversed(), "other"),
        removeDeadLetters(seqs.map(entryOf), { state: there, subscriptions }),
      ];
      const [own, other, removed] = await Promise.all(acts);
      assert.equal(own!.length + other!.length + removed!.length, seqs.length);
      assert.equal(await here.countDeadLetters({}), 0);
      const counts = await column(
        query,
        "SELECT subscription, count(*) FROM evs.retries GROUP BY subscription ORDER BY 1 DESC",
      );
      const expected = [["s", own!.length], ["other", other!.length]] as const;
      assert.deepEqual(
        counts,
        expected.filter(([, count]) => count > 0).map((one) => one.join(" ")),
      );
      await query("DELETE FROM evs.retries");
    }
  }));

Deno.test("an act takes no dead letter that is another one than was found", () =>
  withNodes(async ({ here }) => {
    await put(here, 1, 2);
    const upTo = (await here.deadLetterKeys({ limit: 1, newest: true }))[0]!.number;
    await put(here, 1);
    const entries = [1, 2].map(entryOf);
    const moved = await moveDeadLetters(entries, { state: here, subscriptions, upTo, to: "s" });
    assert.deepEqual(moved.map(({ seq }) => seq), [2]);
    assert.equal(await here.countDeadLetters({}), 1);
  }));

Deno.test("an act knows what of a part is still to be delivered, by its cursor, that of all parts, and its marks", () =>
  withNodes(async ({ here, query }) => {
    const places = (...seqs: number[]) =>
      here.transact({
        on: [{ subscription: "s" }],
        decide: async (rows) => ({
          changes: [],
          result: await rows.places("s", seqs.map(entryOf)),
        }),
      });
    const open = async (...seqs: number[]) =>
      (await places(...seqs)).flatMap(({ isOpen }, n) => isOpen ? [seqs[n]] : []);
    assert.deepEqual(await open(0, 1, LAST, LAST + 1), [1, LAST], "without a cursor");
    const part = partOfSeq(7);
    await query("INSERT INTO evs.cursors VALUES ('s', 't', -1, 6), ('s', 't', $1, 8)", [part]);
    const others = [5, 6, 8, 9].filter((seq) => partOfSeq(seq) !== part);
    const own = [7, 8, 9, 10, 11, 12].filter((seq) => partOfSeq(seq) === part);
    assert.deepEqual(await open(...others), others.filter((seq) => seq >= 6));
    assert.deepEqual(await open(...own), own.filter((seq) => seq >= 8));
    await here.commit([{
      op: "done.put",
      subscription: "s",
      topic: "t",
      seqs: [100],
      ...partOfSeq(100) === 0 ? {} : { part: partOfSeq(100) },
    }]);
    assert.deepEqual(await open(100, 101), [101]);
  }));

Deno.test("a seek takes all parts from their owners, and a removal, too; another of that name goes on with their epochs", () =>
  withNodes(async ({ here, raw, query }) => {
    await own(query, "a");
    const context = {
      record: { name: "s", topic: "t", settings: {}, parts: PARTS } as SubscriptionRecord,
      store: { head: () => ({ firstSeq: 1, lastSeq: LAST, bytes: 0 }) },
      now: () => ({ wall: 5, mono: 0 }),
      transact: here.transact,
      shared: { loadQueue: () => Promise.reject(new Error("asked for what it would do")) },
      also: () => [],
    };
    await query("INSERT INTO evs.cursors VALUES ('s', 't', -1, 6), ('s', 't', 2, 8)");
    await query("INSERT INTO evs.done VALUES ('s', 't', 2, 9)");
    const seek = (seq: number) => seekShared({}, { ...context, starts: [{ topic: "t", seq }] });
    const commit = () => raw.transaction("append", (owner) => holdParts(owner, [1], 0));
    let seeking: Promise<unknown> | undefined;
    await raw.transaction("append", async (owner) => {
      await holdParts(owner, [1], 0);
      seeking = seek(3);
      await waitsForLock(query, seeking);
    });
    await seeking;
    await assert.rejects(commit(), { state: "EVF01" });
    const claims = () => column(query, "SELECT epoch, coalesce(node, '-') FROM evs.claims");
    assert.deepEqual(await claims(), Array(PARTS).fill("2 -"));
    assert.deepEqual(await column(query, "SELECT part, next FROM evs.cursors"), ["-1 3"]);
    assert.deepEqual(await column(query, "SELECT seq FROM evs.done"), []);

    const remove = (): Promise<void> => {
      const first: StateChange[] = [{ op: "subscription.remove", name: "s", before: 0 }];
      const decide = () => ({ changes: [], result: undefined });
      return here.transact({ on: [{ subscription: "s", seize: true }], first, decide });
    };
    await remove();
    assert.deepEqual(await claims(), Array(PARTS).fill("3 -"));
    assert.deepEqual(await column(query, "SELECT * FROM evs.members"), []);
    assert.deepEqual(await column(query, "SELECT * FROM evs.cursors"), []);
    await assert.rejects(remove(), { code: "state/stale" });
    await here.commit([subscription("s")]);
    await query("INSERT INTO evs.members VALUES ('s', 'b', true)");
    const claim = "SELECT DISTINCT epoch FROM evs.claim_parts('b', 's', '{0,1,2,3}', NULL)";
    assert.deepEqual(await column(query, claim), ["4"]);
  }));

Deno.test("retries that other nodes have are listed page by page, those that are due first in front", () =>
  withNodes(async ({ here }) => {
    const due = [50, 20, 20, 20, 40];
    const letters = due.map((_, n) => deadLetter(n + 1));
    await here.commit(letters.map((letter, n): StateChange => {
      const { reason: _reason, diedAt: _diedAt, ...event } = letter;
      const rest = { dueAt: due[n]!, waitMs: 0, nextAttempt: 2, failures: 1 };
      return { op: "retry.put", record: { ...event, ...rest } };
    }));
    const ledger = { retries: (request: RetriesRequest) => here.shared.retries(request) };
    const driver = { record: { name: "s" }, ledger } as unknown as SubscriptionDriver;
    const seqs: number[] = [];
    let after: string | undefined;
    do {
      const page = await retriesPage(driver, { limit: 2, ...after === undefined ? {} : { after } });
      assert.equal(page.total, due.length);
      seqs.push(...page.retries.map(({ seq }) => seq));
      after = page.next;
    } while (after !== undefined);
    assert.deepEqual(seqs, [2, 3, 4, 5, 1]);
  }));

Deno.test("an act decides again when its transaction is tried again, and rejects with what it throws", () =>
  withNodes(async ({ here, query }) => {
    let times = 0;
    const next: StateChange = { op: "generation.next" };
    const decide = () => {
      if (++times === 1) throw new TryAgainError("two met");
      return { changes: [next], result: times };
    };
    assert.equal(await here.transact({ on: [{ subscription: "s" }], decide }), 2);
    const refuse = () => {
      throw new Error("nothing there");
    };
    const committed = here.commit([next]);
    await assert.rejects(here.transact({ on: [{ subscription: "s" }], decide: refuse }), /nothing/);
    await committed;
    assert.deepEqual(await column(query, "SELECT value FROM evs.generation"), ["2"]);
    assert.deepEqual(
      await column(query, "SELECT DISTINCT rev FROM evs.claims"),
      ["0"],
      "a part that nobody ever owned has nothing to compare with",
    );
    await assert.rejects(retry(here, [1], "gone"), { code: "subscription/not-found" });
  }));
