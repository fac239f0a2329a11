/**
 * Whatever an application passes by mistake, a text, a number, `undefined` or an object in the wrong
 * place, is refused with a coded error in words: in process and over `connect()`, at every argument
 * of every public method.
 */
import assert from "node:assert/strict";
import * as library from "../../mod.ts";
import { EvsError } from "../../mod.ts";
import { startDaemon } from "../helpers/daemon.ts";
import { inFolder } from "../helpers/start.ts";

const WRONG: Record<string, unknown> = {
  undefined: undefined,
  null: null,
  "an object": {},
  "an array": [],
  "an array with undefined": [undefined],
  "an array with null": [null],
  "an array with an object": [{}],
  "a number": 7,
  NaN: NaN,
  "a bigint": 7n,
  true: true,
  "a symbol": Symbol("s"),
  "an object without a prototype": Object.create(null),
};

/** A function, its right arguments, and whether that was checked with these alone. */
type Calls = Record<string, readonly unknown[]>;

/** What became of it, once it is over. */
async function outcomeOf(work: () => unknown): Promise<unknown> {
  try {
    const result = await work() as { ready?: unknown; unsubscribe?(): unknown } | undefined;
    // What is started is ended again, whether or not it could be.
    if (typeof result?.unsubscribe === "function") {
      const outcome = await Promise.resolve(result.ready).then(() => undefined, (error) => error);
      await Promise.resolve(result.unsubscribe()).catch(() => {});
      return outcome;
    }
    if (result instanceof library.Topic) await result.ready;
    if (result instanceof library.EventStream) await result[Symbol.asyncIterator]().return?.();
    return undefined;
  } catch (error) {
    return error;
  }
}

/** Calls each function with something wrong in each place, and lists what was not refused in words. */
// deno-lint-ignore no-explicit-any -- the whole point is what the types exclude
async function faultsOf(name: string, of: any, calls: Calls): Promise<string[]> {
  const faults: string[] = [];
  for (const [method, right] of Object.entries(calls)) {
    assert.equal(typeof of[method], "function", `${name}.${method}`);
    const tries = [...right.keys()].flatMap((place) =>
      Object.entries(WRONG).map(([what, wrong]) => ({
        what,
        args: right.with(place, wrong),
        place,
      }))
    );
    for (const { what, args, place } of tries) {
      const outcome = await outcomeOf(() => of[method](...args));
      const isInWords = outcome instanceof EvsError && !outcome.code.startsWith("internal/");
      if (outcome !== undefined && !isInWords) {
        faults.push(`${name}.${method}, ${what} as argument ${place + 1}: ${outcome}`);
      }
    }
  }
  return faults;
}

const handler = () => {};
const event = {
  id: "e1",
  type: "x",
  topic: "t",
  payload: 1,
  metadata: {},
  timestamp: 1,
  schemaVersion: "1.0",
};

const BROKER: Calls = {
  createTopic: ["t", {}],
  getTopic: ["t"],
  publish: ["t", "x", 1, { key: "k" }],
  publishBatch: ["t", [{ type: "x", payload: 1 }], {}],
  publishAll: [[{ topic: "t", type: "x", payload: 1 }], {}],
  scheduledEvents: [{}],
  cancelScheduled: [{ ids: ["a"] }],
  subscribe: ["t", handler, { name: "s" }],
  subscribeBatch: ["t", handler, { size: 2 }],
  stream: ["t", {}],
  getNewest: ["t", "k"],
  whenProcessed: [{ topic: "t", seq: 1 }, {}],
  registerSchema: ["registered", {}, {}],
  retryDeadLetter: ["a"],
  redact: ["t", "nothing", {}],
};
const TOPIC: Calls = { publish: ["x", 1, {}], subscribe: [handler, {}] };
const SUBSCRIPTION: Calls = {
  retries: [{}],
  retryNow: [{ ids: [] }],
  whenProcessed: [{ topic: "t", seq: 1 }, {}],
};
const STORE: Calls = { saveEvent: [event], getEvents: ["t", {}], deleteEvents: ["t", 1] };
const QUEUE: Calls = {
  addEvent: [event, new Error("no"), "s"],
  getEvents: [{}],
  retryEvent: ["a"],
  removeEvent: ["a"],
};

async function brokerFaults(broker: library.EventBroker | library.RemoteBroker): Promise<string[]> {
  await broker.createTopic("t").ready;
  await broker.publish("t", "x", 1, { key: "k" });
  const subscription = broker.subscribe("t", handler, { name: "whole" });
  await subscription.ready;
  return [
    ...await faultsOf("broker", broker, BROKER),
    ...await faultsOf("topic", await broker.getTopic("t"), TOPIC),
    ...await faultsOf("subscription", subscription, SUBSCRIPTION),
    ...await faultsOf("store", broker.getEventStore(), STORE),
    ...await faultsOf("queue", broker.getDeadLetterQueue(), QUEUE),
  ];
}

Deno.test("EventBroker refuses wrong arguments in words, in every place, and works afterwards", async () => {
  await using broker = new library.EventBroker({ onError: () => {} });
  assert.deepEqual(await brokerFaults(broker), []);
  assert.ok((await broker.publish("t", "x", 2)).seq);
});

Deno.test("connect() refuses wrong arguments in words, in every place, and works afterwards", async () => {
  await using daemon = await startDaemon();
  await using broker = await library.connect({ socket: daemon.socket, onError: () => {} });
  assert.deepEqual(await brokerFaults(broker), []);
  assert.ok((await broker.publish("t", "x", 2)).seq);
});

Deno.test("the library's functions and constructors refuse wrong arguments in words", () =>
  inFolder(async (folder) => {
    const functions: Calls = {
      connect: [{ socket: `${folder}/nowhere.sock` }],
      fromCloudEvent: [{ specversion: "1.0", id: "a", source: "s", type: "x" }],
      toCloudEvent: [event, {}],
      redactionOf: [event],
      causedBy: [event],
      retry: [{ afterMs: 1 }],
      deadLetter: ["no"],
      skip: ["no"],
      retryOn: [{}],
      dedup: [{}],
      timeout: [5, {}],
      reliable: [{}],
      deadLetterOn: [{}],
      compareSchemas: [{}, {}],
    };
    const makes: Calls = {
      EventBroker: [{}],
      MemoryEventStore: [{}],
      FileEventStore: [`${folder}/events`, {}],
      SqliteEventStore: [`${folder}/events.db`, {}],
      SqliteState: [`${folder}/state.db`, {}],
      FileDeadLetterQueue: [`${folder}/dead`, {}],
      JsonSchemaRegistry: [{}],
      EventSourcedRepository: [() => {}, {}],
      Projection: [{ name: "p", topic: "t", initial: 0, on: {} }, {}],
    };
    const made = Object.fromEntries(
      Object.keys(makes).map((name) => [name, (...args: unknown[]) => {
        // deno-lint-ignore no-explicit-any -- as above
        const one = new (library as any)[name](...args);
        return typeof one.closeSync === "function" ? one.closeSync() : one.close?.();
      }]),
    );
    assert.deepEqual([
      ...await faultsOf("library", library, functions),
      ...await faultsOf("new", made, makes),
      ...await faultsOf("registry", new library.JsonSchemaRegistry(), {
        registerSchema: ["x", {}, "1.0"],
      }),
      ...await faultsOf("upcasters", new library.Upcasters(), {
        add: ["x", { from: "1.0", to: "2.0" }, handler],
      }),
      ...await faultsOf("queue", new library.FileDeadLetterQueue(`${folder}/queue`), QUEUE),
    ], []);
  }));
