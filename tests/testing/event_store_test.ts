/** The published suites: what they accept, and what they catch. */
import assert from "node:assert/strict";
import {
  type Event,
  type EventQuery,
  type EventStore,
  FileDeadLetterQueue,
  MemoryEventStore,
} from "../../mod.ts";
import { testDeadLetterQueue, testEventStore } from "../../testing.ts";
import { eventsOf, type StoreRequest } from "../../core/store/pack.ts";
import { SqliteEventStore } from "../../core/store/sqlite/sqlite_event_store.ts";
import type { AppendOutcome, JournalStore } from "../../core/store/store.ts";
import type { StoreCapabilities } from "../../testing/event_store.ts";
import type { UnderTest } from "../../testing/suite.ts";
import { MongoDeadLetterQueue } from "../seed/mongo_dead_letter_queue.ts";

/** The least that a store can be: an array, and three methods. */
class ArrayStore implements EventStore {
  protected events: string[] = [];

  saveEvent(event: Event): Promise<void> {
    this.events.push(JSON.stringify(event));
    return Promise.resolve();
  }

  getEvents(topic: string, options: EventQuery = {}): Promise<Event[]> {
    const { fromTimestamp = -Infinity, toTimestamp = Infinity, eventTypes, limit } = options;
    const found = this.events.map((text) => JSON.parse(text) as Event)
      .filter((event) =>
        event.topic === topic && event.timestamp >= fromTimestamp &&
        event.timestamp <= toTimestamp &&
        (!eventTypes?.length || eventTypes.includes(event.type))
      );
    return Promise.resolve(found.slice(0, limit || undefined));
  }

  deleteEvents(topic: string, beforeTimestamp: number): Promise<number> {
    const before = this.events.length;
    this.events = this.events.filter((text) => {
      const event = JSON.parse(text) as Event;
      return event.topic !== topic || event.timestamp >= beforeTimestamp;
    });
    return Promise.resolve(before - this.events.length);
  }
}

testEventStore({
  name: "a store with three methods",
  create: () => Promise.resolve({ store: new ArrayStore() }),
  capabilities: { stableOrder: true, expiry: true },
});

let folders = 0;

testDeadLetterQueue({
  name: "FileDeadLetterQueue",
  create: async () => {
    const dir = await Deno.makeTempDir({ prefix: "evs-dlq-" });
    let queue = new FileDeadLetterQueue(dir);
    return {
      store: queue,
      reopen: async () => {
        await queue.close();
        return queue = new FileDeadLetterQueue(dir);
      },
      dispose: async () => {
        await queue.close();
        await Deno.remove(dir, { recursive: true });
      },
    };
  },
  capabilities: { durable: true, unique: true },
});

testDeadLetterQueue({
  name: "the seed's MongoDeadLetterQueue",
  create: () => {
    const open = () => new MongoDeadLetterQueue(`mongodb://localhost/suite-${folders}`);
    folders++;
    return Promise.resolve({ store: open(), reopen: () => Promise.resolve(open()) });
  },
});

/** Runs the suite and returns which of its tests fail. */
async function failures(
  create: () => Promise<UnderTest<EventStore>>,
  capabilities: StoreCapabilities,
): Promise<string[]> {
  const tests: { name: string; body: () => Promise<void> }[] = [];
  testEventStore({
    name: "it",
    create,
    capabilities,
    test: (name, body) => void tests.push({ name, body }),
  });
  const failed: string[] = [];
  for (const { name, body } of tests) {
    await body().catch(() => failed.push(name.slice("it ".length)));
  }
  return failed;
}

const sound = () => Promise.resolve({ store: new MemoryEventStore() });

Deno.test("testEventStore finds nothing in a sound store", async () => {
  assert.deepEqual(await failures(sound, { sequences: true, expiry: true }), []);
});

Deno.test("testEventStore finds a store that forgets when events expire, if it claims to keep that", async () => {
  /** As a table without a column for it does. */
  class WithoutColumn extends ArrayStore {
    override saveEvent({ expiresAt: _, ...event }: Event): Promise<void> {
      return super.saveEvent(event);
    }
  }
  const create = () => Promise.resolve({ store: new WithoutColumn() });
  assert.deepEqual(await failures(create, {}), []);
  assert.deepEqual(await failures(create, { expiry: true }), [
    "keeps when an event expires, and gives no other an end",
  ]);

  class DropsTheEnd extends MemoryEventStore {
    override append(requests: readonly StoreRequest[]): Promise<AppendOutcome[]> {
      return super.append(requests.map((request) => ({
        topic: request.topic,
        events: eventsOf(request).map(({ expiresAt: _, ...event }) => event),
      })));
    }
  }
  const journal = () => Promise.resolve({ store: new DropsTheEnd() });
  const failed = await failures(journal, { sequences: true, expiry: true });
  assert.ok(failed.includes("gives an event's end with it, however it is read"), `${failed}`);
});

/** Hands an append on event by event, changed as a broken store would. */
class Broken extends MemoryEventStore {
  protected change(requests: readonly StoreRequest[]): StoreRequest[] {
    return [...requests];
  }

  override append(requests: readonly StoreRequest[]): Promise<AppendOutcome[]> {
    return super.append(this.change(requests));
  }
}

/**
 * Loses order: the events of an append are stored the other way round, and those of a moment too.
 */
class LosesOrder extends Broken {
  protected override change(requests: readonly StoreRequest[]): StoreRequest[] {
    return requests.map(({ topic, expected, ...request }) => ({
      topic,
      expected,
      events: eventsOf({ topic, expected, ...request } as StoreRequest).toReversed(),
    }));
  }
}

/** Drops a batch: requests that arrive during another append are answered and not stored. */
class DropsABatch extends MemoryEventStore {
  #busy = false;

  override async append(requests: readonly StoreRequest[]): Promise<AppendOutcome[]> {
    if (this.#busy) {
      return requests.map((request) => {
        const { lastSeq } = this.head(request.topic);
        const count = eventsOf(request).length;
        return {
          ok: true,
          count,
          firstSeq: lastSeq + 1,
          lastSeq: lastSeq + count,
          duplicates: [],
        };
      });
    }
    this.#busy = true;
    const outcomes = await super.append(requests);
    await Promise.resolve();
    this.#busy = false;
    return outcomes;
  }
}

/** Ignores a filter: the upper end of the time range. */
class IgnoresAFilter extends ArrayStore {
  override getEvents(topic: string, { toTimestamp: _, ...rest }: EventQuery = {}) {
    return super.getEvents(topic, rest);
  }
}

/** Reuses a seq: when all of a topic was removed, it counts from 1 again. */
class ReusesASeq extends Broken {
  readonly #fresh = new Map<string, MemoryEventStore>();

  override async removeTopic(topic: string): Promise<void> {
    await super.removeTopic(topic);
    this.#fresh.set(topic, new MemoryEventStore());
  }

  override async append(requests: readonly StoreRequest[]): Promise<AppendOutcome[]> {
    const outcomes: AppendOutcome[] = [];
    for (const request of requests) {
      const fresh = this.#fresh.get(request.topic);
      const [outcome] = await (fresh ? fresh.append([request]) : super.append([request]));
      outcomes.push(outcome!);
    }
    return outcomes;
  }
}

Deno.test("testEventStore finds a store that loses order", async () => {
  const failed = await failures(
    () => Promise.resolve({ store: new LosesOrder() }),
    { sequences: true },
  );
  assert.ok(failed.includes("gives back what it was given when every field is set"), `${failed}`);

  /** The newest first, as some databases answer without an ORDER BY. */
  class NewestFirst extends ArrayStore {
    override async getEvents(topic: string, options?: EventQuery): Promise<Event[]> {
      return (await super.getEvents(topic, options)).reverse();
    }
  }
  const plain = await failures(() => Promise.resolve({ store: new NewestFirst() }), {});
  assert.ok(plain.includes("gives the oldest first"), `${plain}`);
});

Deno.test("testEventStore finds a store that drops a batch", async () => {
  const failed = await failures(
    () => Promise.resolve({ store: new DropsABatch() }),
    { sequences: true },
  );
  assert.ok(failed.includes("keeps every event when many are saved at once"), `${failed}`);
});

Deno.test("testEventStore finds a store that ignores a filter", async () => {
  const failed = await failures(() => Promise.resolve({ store: new IgnoresAFilter() }), {});
  assert.deepEqual(failed, ["gives only what was asked for, by time"]);
});

Deno.test("testEventStore finds a store that reuses a seq", async () => {
  const failed = await failures(
    () => Promise.resolve({ store: new ReusesASeq() }),
    { sequences: true },
  );
  assert.deepEqual(failed, ["goes on after the last seq when a removed topic comes back"]);
});

Deno.test("testEventStore finds a store that forgets on reopen", async () => {
  const forgets = (make: () => EventStore) => () =>
    Promise.resolve({ store: make(), reopen: () => Promise.resolve(make()) });
  assert.deepEqual(await failures(forgets(() => new ArrayStore()), { durable: true }), [
    "has what was saved when it is opened again",
  ]);
  const failed = await failures(forgets(() => new MemoryEventStore()), {
    sequences: true,
    durable: true,
  });
  assert.ok(failed.includes("knows everything again when opened anew"), `${failed}`);

  /** Keeps the last batch in memory only. */
  const dir = await Deno.makeTempDir({ prefix: "evs-forget-" });
  let made = 0;
  const forgetsTheLast = (): Promise<UnderTest<EventStore>> => {
    const path = `${dir}/${++made}`;
    let store: JournalStore = new SqliteEventStore(`${path}.db`);
    let last = 0;
    const note = () => last = Math.max(0, store.head("t").lastSeq - 1);
    return Promise.resolve({
      store,
      reopen: async () => {
        note();
        const kept = await store.getEvents("t", { limit: last });
        await store.close();
        store = new SqliteEventStore(`${path}-${++made}.db`);
        for (const event of kept) await store.saveEvent(event);
        return store;
      },
    });
  };
  const partly = await failures(forgetsTheLast, { durable: true });
  assert.deepEqual(partly, ["has what was saved when it is opened again"]);
  await Deno.remove(dir, { recursive: true });
});

Deno.test("testDeadLetterQueue finds a queue that forgets and one that ignores a filter", async () => {
  const run = async (make: () => MongoDeadLetterQueue) => {
    const tests: { name: string; body: () => Promise<void> }[] = [];
    testDeadLetterQueue({
      name: "it",
      create: () => Promise.resolve({ store: make(), reopen: () => Promise.resolve(make()) }),
      capabilities: { durable: true, unique: true },
      test: (name, body) => void tests.push({ name, body }),
    });
    const failed: string[] = [];
    for (const { name, body } of tests) await body().catch(() => failed.push(name.slice(3)));
    return failed;
  };
  class Unfiltered extends MongoDeadLetterQueue {
    override getEvents({ eventType: _, ...rest }: { eventType?: string } = {}) {
      return super.getEvents(rest);
    }
  }
  const at = () => `mongodb://localhost/broken-${folders++}`;
  const forgetful = ["has what was added when it is opened again"];
  const twice = ["keeps an event once for each subscription that gave it up"];
  assert.deepEqual(await run(() => new MongoDeadLetterQueue(at())), [...forgetful, ...twice]);
  assert.deepEqual(await run(() => new Unfiltered(at())), [
    "gives only what was asked for",
    ...forgetful,
    ...twice,
  ]);
});
