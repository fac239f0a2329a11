/** A group of events that is refused leaves no topic behind that it would have created. */
import assert from "node:assert/strict";
import {
  type AddressedMessage,
  ConflictError,
  EventBroker,
  EvsError,
  MemoryEventStore,
} from "../../../mod.ts";

const event = (topic: string, more: Partial<AddressedMessage> = {}): AddressedMessage => ({
  topic,
  type: "x",
  payload: 1,
  ...more,
});

const never = new Promise<never>(() => {});

function names(broker: EventBroker): string[] {
  return broker.topics.list().map(({ name }) => name);
}

Deno.test("publishAll creates no topic when what is expected of it is refused", async () => {
  await using broker = new EventBroker();
  await broker.publish("there", "x", 1);
  for (
    const refused of [
      event("new", { expected: 7 }),
      event("new", { expected: "exists" }),
      event("new", { key: "k", expected: "exists" }),
      event("new", { key: "k", expected: { topic: "none", key: 3 } }),
    ]
  ) {
    for (const group of [[refused], [event("other"), refused], [event("there"), refused]]) {
      await assert.rejects(broker.publishAll(group), (error) => {
        assert.ok(error instanceof ConflictError, String(error));
        assert.equal(error.details?.["element"], group.length);
        assert.match(error.message, /nothing was stored/);
        return true;
      });
      assert.deepEqual(names(broker), ["there"]);
    }
  }
  const [stored] = await broker.publishAll([event("new", { expected: "none" }), event("there")]);
  assert.equal(stored!.seq, 1);
  assert.deepEqual(names(broker), ["new", "there"]);
});

Deno.test("publishAll judges a topic that was removed by its last seq, and goes on from it", async () => {
  await using broker = new EventBroker();
  await broker.publish("gone", "x", 1);
  await broker.topics.remove("gone");
  await assert.rejects(broker.publishAll([event("gone", { expected: "none" })]), ConflictError);
  assert.deepEqual(names(broker), []);
  const [stored] = await broker.publishAll([event("gone", { expected: 1 })]);
  assert.equal(stored!.seq, 2);
});

Deno.test("publishAll creates no topic when its topics are of different stores, and lets others go on", async () => {
  const files = Object.assign(new MemoryEventStore(), { kind: "file" as const });
  const eventStore = Object.assign(new MemoryEventStore(), { kind: "sqlite" as const });
  const stores = { durability: "os" as const, opened: [eventStore, files], open: () => never };
  await using broker = new EventBroker({ eventStore, stores });
  await broker.createTopic("files", { store: "file" }).ready;
  const refused = broker.publishAll([event("files"), event("new")]);
  const after = broker.publish("new", "x", 2);
  await assert.rejects(refused, (error) => {
    assert.ok(error instanceof EvsError && error.code === "store/not-atomic", String(error));
    return true;
  });
  assert.equal((await after).seq, 1);
  await assert.rejects(broker.publishAll([event("files"), event("newer")]), EvsError);
  assert.deepEqual(names(broker), ["files", "new"]);
});
