/**
 * A broker of this process on a PostgreSQL database: events and everything else are there. `connect`
 * loads this, and what it imports, only for the URL of a database.
 */
import "./shared_modules.ts";
import { defined } from "../base/defined.ts";
import { machineName } from "../base/machine_name.ts";
import { environment } from "../protocol/paths.ts";
import { PASSWORD_VARIABLE } from "../protocol/database_url.ts";
import { passwordFor } from "../postgres/password.ts";
import { type PostgresOptions, readTarget } from "../postgres/url.ts";
import { PostgresState } from "../state/postgres/postgres_state.ts";
import { PostgresEventStore } from "../store/postgres/postgres_event_store.ts";
import type { BrokerOptions } from "./broker_options.ts";
import { EventBroker } from "./event_broker.ts";

/** The settings of such a broker; its store and state are in the database. */
export type SharedBrokerOptions =
  & Pick<BrokerOptions, "clock" | "handlerGraceMs" | "tracing" | "onError">
  & Pick<PostgresOptions, "ca">;

/** Opens it. */
// deno-lint-ignore no-explicit-any -- without a map every topic, type and payload goes
export async function openSharedBroker<E = any>(
  url: string,
  { ca, ...options }: SharedBrokerOptions,
): Promise<EventBroker<E>> {
  const place = readTarget({ url, ...defined({ ca }) });
  const password = place.password ?? passwordFor(place, {
    variable: environment(PASSWORD_VARIABLE),
    passfile: environment("PGPASSFILE"),
  });
  const database = { url, ...defined({ password, ca }) };
  const eventStore = await PostgresEventStore.open(database);
  const node = { host: machineName(), wakeUps: eventStore.wakeUps };
  const state = await PostgresState.open(database, node).catch(async (error) => {
    await eventStore.close();
    throw error;
  });
  const broker = new EventBroker<E>({ ...options, eventStore, state });
  try {
    await broker.ready;
  } catch (error) {
    // Its connections would keep the process from ending, and it among the nodes.
    await broker.close();
    throw error;
  }
  return broker;
}
