/** The suite for a broker in memory. */
import { EventBroker, MemoryEventStore, MemoryState } from "../../../mod.ts";
import { brokerSuite } from "./suite.ts";

brokerSuite({
  name: "EventBroker in memory",
  open() {
    const [state, eventStore, errors] = [
      new MemoryState(),
      new MemoryEventStore(),
      [] as unknown[],
    ];
    const make = () =>
      new EventBroker({ state, eventStore, onError: (error) => errors.push(error) });
    let broker = make();
    return Promise.resolve({
      broker,
      errors,
      async reopen() {
        await broker.close();
        return broker = make();
      },
      [Symbol.asyncDispose]: () => broker.close(),
    });
  },
});
