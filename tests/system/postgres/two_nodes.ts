/** Several nodes on one PostgreSQL, for tests. */
import {
  PostgresEventStore,
  type PostgresStoreOptions,
} from "../../../core/store/postgres/postgres_event_store.ts";
import { newEvent, stored } from "../../../testing/new_event.ts";
import type { PostgresServer } from "../../helpers/postgres.ts";

/** Appends one event; returns its seq. */
export const appendOne = (store: PostgresEventStore, topic = "t") =>
  store.append([{ topic, events: [newEvent()] }]).then(([outcome]) => stored(outcome).lastSeq);

/** Two nodes on a database of their own. */
export async function twoNodes(server: PostgresServer, options: PostgresStoreOptions = {}) {
  const url = await server.database();
  const [here, there] = await Promise.all([
    PostgresEventStore.open({ url, ...options }),
    PostgresEventStore.open({ url, ...options }),
  ]);
  return {
    url,
    here: here!,
    there: there!,
    async [Symbol.asyncDispose]() {
      await Promise.all([here!.close(), there!.close()]);
    },
  };
}
