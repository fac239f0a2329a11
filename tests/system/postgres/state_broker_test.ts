/** The suite for a broker whose state is in PostgreSQL, with events in SQLite files. */
import { EventBroker } from "../../../mod.ts";
import { PostgresState } from "../../../core/state/postgres/postgres_state.ts";
import { SqliteEventStore } from "../../../core/store/sqlite/sqlite_event_store.ts";
import { brokerSuite } from "../../core/broker_suite/suite.ts";
import { emptyDatabase, endServer, giveBack } from "./states.ts";

Deno.test.afterAll(endServer);

brokerSuite({
  name: "EventBroker with its state in PostgreSQL",
  async open() {
    const url = await emptyDatabase();
    const folder = await Deno.makeTempDir({ prefix: "evs-suite-" });
    const errors: unknown[] = [];
    const make = async () =>
      new EventBroker({
        state: await PostgresState.open(url),
        eventStore: new SqliteEventStore(`${folder}/events.db`),
        onError: (error) => errors.push(error),
      });
    let broker = await make();
    return {
      broker,
      errors,
      async reopen() {
        await broker.close();
        return broker = await make();
      },
      async [Symbol.asyncDispose]() {
        await broker.close();
        await Deno.remove(folder, { recursive: true });
        await giveBack(url);
      },
    };
  },
});
