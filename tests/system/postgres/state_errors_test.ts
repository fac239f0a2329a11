/** Shows what the state in PostgreSQL says when it cannot open or keep something. */
import assert from "node:assert/strict";
import { CannotStoreError } from "../../../core/base/errors.ts";
import { defaultTopicOptions } from "../../../core/event/topic_options.ts";
import { PostgresState } from "../../../core/state/postgres/postgres_state.ts";
import { audited } from "../../../core/state/audited.ts";
import type { StateChange } from "../../../core/state/state.ts";
import { loaded } from "../../core/state/conformance.ts";
import { put } from "../../core/state/group_letters.ts";
import { emptyDatabase, endServer, giveBack, theServer } from "./states.ts";

Deno.test.afterAll(endServer);

const of = { subscription: "s", topic: "t" };
const topic = (name: string, createdAt = 1): StateChange => {
  return { op: "topic.put", record: { name, options: defaultTopicOptions, createdAt } };
};
/** A change that PostgreSQL refuses. */
const bad = topic("bad", null as unknown as number);

async function withState(
  body: (
    state: PostgresState,
    sql: (text: string) => Promise<string>,
    url: string,
  ) => Promise<void>,
): Promise<void> {
  const url = await emptyDatabase();
  const server = await theServer();
  const state = await PostgresState.open(url);
  try {
    await body(state, (text) => server.sql(text, new URL(url).pathname.slice(1)), url);
  } finally {
    await state.close();
    await giveBack(url);
  }
}

const topicsOf = async (state: PostgresState) =>
  (await loaded(state)).topics.map(({ name }) => name);

Deno.test("PostgresState keeps nothing of a commit that PostgreSQL refuses, and all of the others", () =>
  withState(async (state) => {
    const [first, refused, last] = await Promise.allSettled([
      state.commit([topic("a")]),
      state.commit([topic("b"), bad]),
      state.commit([topic("c")]),
    ]);
    assert.deepEqual([first.status, refused.status, last.status], [
      "fulfilled",
      "rejected",
      "fulfilled",
    ]);
    assert.match(String((refused as PromiseRejectedResult).reason), /not-null|null value/);
    assert.deepEqual(await topicsOf(state), ["a", "c"]);
    // What is known of groups is of what was kept.
    await assert.rejects(state.commit([put("1", "down"), bad]));
    await state.commit([put("2", "down")]);
    const groups = (await state.deadLetterGroups()).map(({ total }) => total);
    assert.deepEqual(groups, [1]);
  }));

Deno.test("PostgresState says that the server's disk is full, and goes on when it is not", () =>
  withState(async (state, sql) => {
    await sql(`CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$`);
    await sql(`CREATE TRIGGER full_disk BEFORE INSERT ON evs.topic_options
      FOR EACH ROW EXECUTE FUNCTION full_disk()`);
    await assert.rejects(
      state.commit([{ op: "generation.next" }, topic("a")]),
      (error) => error instanceof CannotStoreError && error.code === "store/disk-full",
    );
    assert.equal((await loaded(state)).generation, 0);
    await sql("DROP FUNCTION full_disk CASCADE");
    await state.commit([{ op: "generation.next" }, topic("a")]);
    assert.deepEqual([(await loaded(state)).generation, await topicsOf(state)], [1, ["a"]]);
  }));

Deno.test("PostgresState waits for the server's disk, unless nobody asked for that", () =>
  withState(async (state, sql) => {
    await sql(`CREATE TABLE public.modes (number serial, mode text);
      CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO public.modes (mode) VALUES (current_setting('synchronous_commit'));
        RETURN NEW; END $$;
      CREATE TRIGGER note BEFORE INSERT ON evs.topic_options FOR EACH ROW EXECUTE FUNCTION note()`);
    await state.commit([topic("a")], { sync: false });
    await state.commit([topic("b")]);
    // One that waits for the disk is not made to forgo it by those that share its transaction.
    await Promise.all([
      state.commit([topic("c")], { sync: false }),
      state.commit([topic("d")]),
    ]);
    const modes = (await sql("SELECT mode FROM modes ORDER BY number")).trim().split("\n");
    assert.deepEqual(modes, ["off", "on", "on", "on"]);
    await sql("DROP FUNCTION note CASCADE; DROP TABLE modes");
  }));

Deno.test("PostgresState tries again when it and another transaction wait for each other", () =>
  withState(async (state, sql) => {
    // The first one fails as one does that the server chose to end a deadlock.
    await sql(`CREATE SEQUENCE public.met; CREATE FUNCTION deadlock() RETURNS trigger
      LANGUAGE plpgsql AS $$ BEGIN IF nextval('public.met') < 3 THEN
        RAISE EXCEPTION 'met' USING ERRCODE = '40P01'; END IF;
      RETURN NEW; END $$`);
    await sql(`CREATE TRIGGER deadlock BEFORE INSERT ON evs.topic_options
      FOR EACH ROW EXECUTE FUNCTION deadlock()`);
    await state.commit([{ op: "generation.next" }, topic("a")]);
    assert.deepEqual([(await loaded(state)).generation, await topicsOf(state)], [1, ["a"]]);
    await sql("DROP FUNCTION deadlock CASCADE; DROP SEQUENCE met");
  }));

Deno.test("PostgresState keeps values as they are, whatever a database sets", () =>
  withState(async (_state, sql, url) => {
    const settings = ["array_nulls = off", "extra_float_digits = -15", "bytea_output = escape"]
      .concat("standard_conforming_strings = off", "backslash_quote = off");
    const name = new URL(url).pathname.slice(1);
    for (const setting of settings) await sql(`ALTER DATABASE ${name} SET ${setting}`);
    const state = await PostgresState.open(url);
    const at = 1_764_500_000_123;
    await state.commit([
      { op: "redaction.put", record: { topic: "NULL", seq: 1, id: "\\'", at, done: true } },
      put("1", "it's a \\ \""),
    ]);
    const { redactions } = await loaded(state);
    assert.deepEqual(redactions.map((one) => [one.topic, one.id, one.at]), [["NULL", "\\'", at]]);
    const { records } = await state.deadLetters({}, { limit: 9 });
    assert.deepEqual(records.map(({ reason }) => reason), ["it's a \\ \""]);
    await state.close();
    await sql(`ALTER DATABASE ${name} RESET ALL`);
  }));

Deno.test("PostgresState goes on when its row was removed as old", () =>
  withState(async (state, sql) => {
    await state.commit([topic("a")]);
    await sql("DELETE FROM evs.state_commits");
    await state.commit([{ op: "generation.next" }, topic("b")]);
    assert.deepEqual([(await loaded(state)).generation, await topicsOf(state)], [1, ["a", "b"]]);
  }));

Deno.test("PostgresState refuses a schema evs of somebody else and changes nothing in it", async () => {
  const server = await theServer();
  const url = await server.database();
  const name = new URL(url).pathname.slice(1);
  await server.sql("CREATE SCHEMA evs; CREATE TABLE evs.theirs (a int)", name);
  await assert.rejects(PostgresState.open(url), { code: "postgres/foreign-schema" });
  const tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'evs'";
  assert.equal((await server.sql(tables, name)).trim(), "theirs");
});

/** Does something to each of our tables. */
const eachTable = (what: string) => `
  DO $$ DECLARE name text; BEGIN
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'evs'
    LOOP EXECUTE format('ALTER TABLE evs.%I ${what}', name); END LOOP;
  END $$`;

Deno.test("PostgresState works beside a newer version that has added to each table", () =>
  withState(async (state, sql, url) => {
    const use = async (n: number) => {
      await state.commit([
        topic(`${n}`),
        put(`${n}`, "down"),
        put(`retry ${n}`, "no route"),
        { op: "dead.retry", ...of, ids: [`retry ${n}`], to: "s", dueAt: 1 },
        ...audited({ way: "cli", at: 1 }, { act: "topic.create" }),
        { op: "generation.next" },
      ]);
      assert.equal((await topicsOf(state)).length, n);
      assert.equal((await state.deadLetters({}, { limit: 9 })).records.length, n);
      assert.equal((await state.retry("s", "t", `retry ${n}`))?.id, `retry ${n}`);
      assert.equal((await state.audit({ limit: 9 })).length, n);
      assert.equal((await state.deadLetterGroups()).length, 2);
    };
    await use(1);
    await sql(`${eachTable("ADD COLUMN later text NOT NULL DEFAULT 1")};
      UPDATE evs.meta SET format = format + 1 WHERE part = 'state'`);
    await use(2);
    const another = await PostgresState.open(url);
    await another.close();
    await sql(`${eachTable("DROP COLUMN later")};
      UPDATE evs.meta SET format = format - 1 WHERE part = 'state'`);
  }));

Deno.test("two states share a database: dead letters have their numbers in the order of commits", async () => {
  const url = await emptyDatabase();
  const states = [await PostgresState.open(url), await PostgresState.open(url)];
  try {
    // One after the other in each, so that they do not share a transaction.
    await Promise.all(states.map(async (state, first) => {
      for (let n = first; n < 40; n += 2) {
        await state.commit([put(`${n}`, n % 3 === 0 ? "down" : "no route")]);
        // Whoever sees one sees all with lower numbers.
        const keys = await states[0]!.deadLetterKeys({ limit: 99 });
        assert.deepEqual(keys.map(({ number }) => number), keys.map((_, at) => at + 1));
      }
    }));
    const groups = await states[1]!.deadLetterGroups();
    const totals = Object.fromEntries(groups.map(({ reason, total }) => [reason, total]));
    assert.deepEqual(totals, { down: 14, "no route": 26 });
  } finally {
    for (const state of states) await state.close();
    await giveBack(url);
  }
});
