/** The suite for an in-process broker on SQLite files. */
import { EventBroker } from "../../../mod.ts";
import { SqliteState } from "../../../core/state/sqlite.ts";
import { SqliteEventStore } from "../../../core/store/sqlite/sqlite_event_store.ts";
import { brokerSuite } from "./suite.ts";

brokerSuite({
  name: "EventBroker on SQLite",
  async open() {
    const folder = await Deno.makeTempDir({ prefix: "evs-suite-" });
    const errors: unknown[] = [];
    const make = () =>
      new EventBroker({
        state: new SqliteState(`${folder}/state.db`),
        eventStore: new SqliteEventStore(`${folder}/events.db`),
        onError: (error) => errors.push(error),
      });
    let broker = make();
    return {
      broker,
      errors,
      async reopen() {
        await broker.close();
        return broker = make();
      },
      async [Symbol.asyncDispose]() {
        await broker.close();
        await Deno.remove(folder, { recursive: true });
      },
    };
  },
});
