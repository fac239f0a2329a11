/** A server for the tests of a file, and states on databases of their own. */
import "../../../core/broker/shared_modules.ts";
import { openPostgres } from "../../../core/postgres/connection.ts";
import { PostgresState } from "../../../core/state/postgres/postgres_state.ts";
import type { StateUnderTest } from "../../core/state/conformance.ts";
import { type PostgresServer, startPostgres } from "../../helpers/postgres.ts";

let server: Promise<PostgresServer> | undefined;
/** Databases that were used and emptied again: making one takes as long as a test. */
const spare: string[] = [];

/** The server of this file; {@link endServer} ends it. */
export function theServer(): Promise<PostgresServer> {
  // What the machine would lose is not asked here, and a sync is slow where several tests run.
  return server ??= startPostgres({ settings: { fsync: "off" } });
}

/** Ends the server, if there is one. */
export async function endServer(): Promise<void> {
  await (await server)?.[Symbol.asyncDispose]();
  server = undefined;
}

/** An empty database; the tables may be there. */
export async function emptyDatabase(): Promise<string> {
  return spare.pop() ?? await (await theServer()).database();
}

/** Empties a database for another test. */
export async function giveBack(url: string): Promise<void> {
  const postgres = await openPostgres(url);
  try {
    await postgres.query("state", EMPTY);
  } finally {
    await postgres.close();
  }
  spare.push(url);
}

const EMPTY = `
  DO $$ DECLARE name text; BEGIN
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'evs' AND tablename <> 'meta'
    LOOP EXECUTE format('DELETE FROM evs.%I', name); END LOOP;
  END $$;
  INSERT INTO evs.counters
    VALUES ('dead_letters', 0, 0), ('audit', 0, 0), ('catalog', 0, 0), ('schemas', 0, 0)`;

/** A state on an empty database. */
export async function postgresState(): Promise<StateUnderTest> {
  const url = await emptyDatabase();
  let state = await PostgresState.open(url);
  return {
    state,
    async reopen() {
      await state.close();
      return state = await PostgresState.open(url);
    },
    async dispose() {
      await state.close();
      await giveBack(url);
    },
  };
}
