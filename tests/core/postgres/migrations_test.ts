/** Databases that are refused before anything is written, seen through what they answer. */
import assert from "node:assert/strict";
import type { Postgres, Query } from "../../../core/postgres/connection.ts";
import { migrate } from "../../../core/postgres/migrations.ts";
import { readTarget } from "../../../core/postgres/url.ts";

/** A server that says this of itself, and notes what it is asked in a transaction. */
function server(version: number, encoding: string): { postgres: Postgres; asked: string[] } {
  const asked: string[] = [];
  const query = (text: string) => {
    asked.push(text);
    return Promise.resolve([]);
  };
  return {
    asked,
    postgres: {
      place: "h:5432/db",
      target: readTarget("postgres://h/db"),
      query: () =>
        Promise.resolve([{ version, shown: String(version / 10_000), encoding }] as never),
      transaction: (_role, work) => work(query as Query),
      connected: 1,
      hurry: () => {},
      close: () => Promise.resolve(),
    },
  };
}

Deno.test("migrate refuses a server that is too old or does not keep UTF-8, and writes nothing", async () => {
  const refused = async (version: number, encoding: string) => {
    const { postgres, asked } = server(version, encoding);
    const tables = { part: "store", steps: ["CREATE TABLE evs.t ()"] };
    const code = await migrate(postgres, tables).then(() => "ok", (error) => error.code);
    return [code, asked.length];
  };
  assert.deepEqual(await refused(130_012, "UTF8"), ["postgres/too-old", 0]);
  assert.deepEqual(await refused(150_000, "SQL_ASCII"), ["postgres/encoding", 0]);
  assert.equal((await refused(140_000, "UTF8"))[0], "ok");
});
