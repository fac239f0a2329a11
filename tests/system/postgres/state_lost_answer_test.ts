/**
 * Shows that a commit whose answer is lost is stored once and said to be stored, wherever the
 * connection is cut, and what is said when the server is away.
 */
import assert from "node:assert/strict";
import { defined } from "../../../core/base/defined.ts";
import { CannotStoreError } from "../../../core/base/errors.ts";
import { audited } from "../../../core/state/audited.ts";
import { PostgresState } from "../../../core/state/postgres/postgres_state.ts";
import type { State, StateChange } from "../../../core/state/state.ts";
import { loaded } from "../../core/state/conformance.ts";
import { put } from "../../core/state/group_letters.ts";
import { dose } from "../../helpers/dose.ts";
import { Cuts } from "./cuts.ts";
import { emptyDatabase, endServer, giveBack, theServer } from "./states.ts";

Deno.test.afterAll(endServer);

interface Under {
  state: PostgresState;
  proxy: Cuts;
  /** The same database, without the proxy. */
  beside: PostgresState;
  sql(text: string): Promise<string>;
}

async function behindProxy(
  body: (under: Under) => Promise<void>,
  options: { patience?: number } = {},
): Promise<void> {
  const url = await emptyDatabase();
  const proxy = new Cuts(url);
  const beside = await PostgresState.open(url);
  const state = await PostgresState.open(proxy.url, options);
  try {
    const server = await theServer();
    const sql = (text: string) => server.sql(text, new URL(url).pathname.slice(1));
    await body({ state, proxy, beside, sql });
  } finally {
    await state.close();
    await proxy[Symbol.asyncDispose]();
    await beside.close();
    await giveBack(url);
  }
}

/** Changes that do something else when they are done twice, in a transaction of one request. */
const simple = (): StateChange[] => [
  { op: "generation.next" },
  ...audited({ way: "cli", at: 1 }, { act: "topic.create" }),
];
/** The same, in a transaction of several requests. */
const planned = (n: number): StateChange[] => [...simple(), put(`${n}`, "down")];

/** Each with the text of the request after which it may be kept; cut every so many bytes. */
const KINDS = [
  { kind: "one request", changes: simple, last: "evs.note_commit", step: 8 },
  { kind: "several requests", changes: planned, last: "COMMIT\0", step: 1 },
] as const;

/** Each commit was kept once. */
async function assertDone(state: State, times: number): Promise<void> {
  const { generation } = await loaded(state);
  const acts = await state.audit({ limit: 999 });
  assert.deepEqual([generation, acts.length], [times, times]);
  for (const { total } of await state.deadLetterGroups()) assert.equal(total, times);
}

for (const { kind, changes, last, step } of KINDS) {
  Deno.test(`PostgresState stores a commit of ${kind} once, wherever its answer is cut`, () =>
    behindProxy(async ({ state, proxy, beside }) => {
      let commits = 0;
      for (let answered = 0;; answered += Math.round(step / dose(1, step))) {
        const { cuts } = proxy;
        proxy.cutAt({ text: last, answered });
        await state.commit(changes(++commits));
        await assertDone(beside, commits);
        if (proxy.cuts === cuts) break;
      }
      assert.ok(proxy.cuts >= 5, `cut ${proxy.cuts} times`);
    }));

  Deno.test(`PostgresState stores a commit of ${kind} once, if a part of it does not reach the server`, () =>
    behindProxy(async ({ state, proxy, beside }) => {
      let commits = 0;
      for (let later = 0;; later++) {
        const { cuts } = proxy;
        proxy.cutAt({ text: kind === "one request" ? last : "BEGIN\0", later });
        await state.commit(changes(++commits));
        await assertDone(beside, commits);
        if (proxy.cuts === cuts) break;
      }
      assert.ok(proxy.cuts >= (kind === "one request" ? 1 : 5), `cut ${proxy.cuts} times`);
    }));
}

Deno.test("PostgresState takes another row for its commits, and stores each once meanwhile", () =>
  behindProxy(async ({ state, proxy, beside, sql }) => {
    const next = () => state.commit([{ op: "generation.next" }]);
    for (let commits = 1; commits <= 499; commits++) await next();
    for (const answered of [0, undefined]) {
      proxy.cutAt({ text: "DELETE FROM evs.state_commits", ...defined({ answered }) });
      await next();
    }
    for (let commits = 1; commits <= 9; commits++) await next();
    assert.equal((await loaded(beside)).generation, 510);
    assert.equal(proxy.cuts, 1, "the second one found the row that was made");
    assert.equal(await sql("SELECT count(*) FROM evs.state_commits WHERE number = 10"), "1\n");
  }));

// One of several requests holds its row: whoever asks for it waits until the server gives it up.
Deno.test("PostgresState stores a commit once that reaches the server after it was sent again", () =>
  behindProxy(async ({ state, proxy, beside }) => {
    for (let commits = 1; commits <= dose(5); commits++) {
      proxy.cutAt({ text: "evs.note_commit", held: true });
      await state.commit(simple());
      await proxy.release();
      await assertDone(beside, commits);
    }
  }));

Deno.test("PostgresState says that it cannot store while the server is away, and goes on by itself", () =>
  behindProxy(async ({ state, proxy, beside }) => {
    await state.commit(planned(1));
    proxy.away = true;
    await assert.rejects(
      state.commit(planned(2)),
      (error) => error instanceof CannotStoreError && error.code === "postgres/unavailable",
    );
    await assert.rejects(state.retry("s", "t", "a"), { code: "postgres/unavailable" });
    await assertDone(beside, 1);
    proxy.away = false;
    await state.commit(planned(2));
    assert.equal(await state.retry("s", "t", "a"), undefined);
    await assertDone(beside, 2);
  }, { patience: 200 }));

Deno.test("PostgresState waits with reads and commits while the server is away for a moment", () =>
  behindProxy(async ({ state, proxy, beside }) => {
    await state.commit(planned(1));
    for (const kind of ["read", "commit"] as const) {
      proxy.away = true;
      const { refused } = proxy;
      const later = kind === "read" ? state.countDeadLetters({}) : state.commit(planned(2));
      while (proxy.refused === refused) await new Promise((resolve) => setTimeout(resolve, 5));
      proxy.away = false;
      assert.equal(await later, kind === "read" ? 1 : undefined);
    }
    await assertDone(beside, 2);
  }));

Deno.test("PostgresState waits with what may be stored until the server says", () =>
  behindProxy(async ({ state, proxy, beside }) => {
    for (const answered of [undefined, 0]) {
      const { generation } = await loaded(beside);
      proxy.awayAfterCut = true;
      proxy.cutAt({ text: "COMMIT\0", ...answered === undefined ? {} : { answered } });
      let settled = false;
      const first = state.commit(planned(generation + 1)).finally(() => settled = true);
      // What comes later is not stored for certain, and says so.
      await assert.rejects(state.commit([{ op: "generation.next" }, ...many()]), CannotStoreError);
      assert.equal(settled, false);
      proxy.awayAfterCut = proxy.away = false;
      await first;
      assert.equal((await loaded(beside)).generation, generation + 1);
    }
  }, { patience: 200 }));

Deno.test("PostgresState says nothing of a commit that may be stored while it cannot ask", () =>
  behindProxy(async ({ state, proxy, beside, sql }) => {
    await sql(
      `CREATE SEQUENCE public.asked; CREATE FUNCTION full_disk() RETURNS trigger
      LANGUAGE plpgsql AS $$ BEGIN IF nextval('public.asked') < 4 THEN
        RAISE EXCEPTION 'full' USING ERRCODE = '53100'; END IF;
      RETURN NEW; END $$`,
    );
    await sql(`CREATE TRIGGER full_disk BEFORE UPDATE ON evs.state_commits FOR EACH ROW
      WHEN (NEW.attempt <> OLD.attempt) EXECUTE FUNCTION full_disk()`);
    proxy.cutAt({ text: "evs.note_commit", answered: 0 });
    await state.commit(simple());
    await assertDone(beside, 1);
    assert.equal(await sql("SELECT last_value FROM asked"), "4\n");
    await sql("DROP FUNCTION full_disk CASCADE; DROP SEQUENCE asked");
  }));

/** More than shares a transaction with others. */
function many(): StateChange[] {
  return Array.from(
    { length: 10_001 },
    (_, seq) => ({ op: "done.put", subscription: "s", topic: "t", seqs: [seq] }),
  );
}

Deno.test("PostgresState.close ends while the server is away", () =>
  behindProxy(async ({ state, proxy }) => {
    await state.commit(planned(1));
    proxy.awayAfterCut = true;
    proxy.cutAt({ text: "COMMIT\0", answered: 0 });
    const open = assert.rejects(state.commit(planned(2)), { code: "postgres/outcome-unknown" });
    while (!proxy.away) await new Promise((resolve) => setTimeout(resolve, 5));
    await state.close();
    await open;
    await assert.rejects(state.commit(planned(3)), { code: "broker/closed" });
  }));
