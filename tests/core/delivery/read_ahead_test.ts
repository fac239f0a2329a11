/** What is read ahead while outcomes are being committed. */
import assert from "node:assert/strict";
import { EventBroker } from "../../../core/broker/event_broker.ts";
import { MemoryState } from "../../../core/state/memory.ts";
import type { StateChange } from "../../../core/state/state.ts";
import { MemoryEventStore } from "../../../core/store/memory.ts";
import type { PageQuery } from "../../../core/store/store.ts";

class CountingStore extends MemoryEventStore {
  reads = 0;
  /** What reads fail with. */
  fault: Error | undefined;
  override readPage(topic: string, query: PageQuery) {
    this.reads++;
    if (this.fault) throw this.fault;
    return super.readPage(topic, query);
  }
}

/** A state whose commits take as long as the test likes. */
class SlowState extends MemoryState {
  gate: Promise<void> = Promise.resolve();
  override async commit(changes: readonly StateChange[]): Promise<void> {
    await this.gate;
    await super.commit(changes);
  }
}

/** A subscription with many events before it, whose commits do not end before `open` is called. */
async function rig(
  body: (rig: {
    store: CountingStore;
    broker: EventBroker;
    lease(max: number): Promise<{ tokens: string[]; seqs: number[] }>;
    open(): void;
    /** Failures that nobody waited for. */
    told: unknown[];
  }) => Promise<void>,
): Promise<void> {
  const [store, state] = [new CountingStore(), new SlowState()];
  const told: unknown[] = [];
  const onError = (error: unknown) => void told.push(error);
  const broker = new EventBroker({ eventStore: store, state, onError });
  const lease = async (max: number) => {
    const { deliveries } = await broker.subscriptions.lease("s", { max }, { consumer: "c" });
    return {
      tokens: deliveries.map(({ token }) => token),
      seqs: deliveries.map(({ entry }) => entry.seq),
    };
  };
  try {
    await Promise.all(Array.from({ length: 5000 }, (_, n) => broker.publish("t", "x", n)));
    await broker.subscriptions.put("s", { topic: "t", from: "start" });
    const { promise, resolve } = Promise.withResolvers<void>();
    state.gate = promise;
    await body({ store, broker, lease, open: resolve, told });
    resolve();
  } finally {
    await broker.close();
  }
}

/** A few turns, in which whatever is not held up has happened. */
async function turns(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setTimeout(resolve, 0));
}

Deno.test("SubscriptionDriver reads what the next lease needs while acks are on their way to disk", () =>
  rig(async ({ store, broker, lease, open }) => {
    const first = await lease(1000);
    await turns();
    const before = store.reads;
    const acked = broker.subscriptions.ack("s", first.tokens);
    await turns();
    assert.equal(store.reads, before + 1, "one page, with the acks not yet durable");
    const second = await lease(1000);
    assert.equal(store.reads, before + 1, "and none for the lease");
    assert.deepEqual(second.seqs, Array.from({ length: 1000 }, (_, i) => 1001 + i));
    open();
    assert.equal((await acked).settled, 1000);
  }));

Deno.test("SubscriptionDriver reads nothing ahead for who takes little of what is at hand", () =>
  rig(async ({ store, broker, lease }) => {
    const first = await lease(10);
    const before = store.reads;
    const acked = broker.subscriptions.ack("s", first.tokens);
    acked.catch(() => {});
    await turns();
    assert.equal(store.reads, before);
  }));

Deno.test("SubscriptionDriver reads nothing more once it is closed", () =>
  rig(async ({ store, broker, lease, open }) => {
    const first = await lease(1000);
    const before = store.reads;
    const acked = broker.subscriptions.ack("s", first.tokens);
    await Promise.resolve(); // the commit has begun
    const closed = broker.close();
    await turns();
    assert.equal(store.reads, before);
    open();
    assert.equal((await acked).settled, 1000);
    await closed;
  }));

Deno.test("SubscriptionDriver outlives a read that fails, ahead or for a lease, and reads it again", () =>
  rig(async ({ store, broker, lease, open, told }) => {
    const first = await lease(1000);
    const acked = broker.subscriptions.ack("s", first.tokens);
    store.fault = new Error("too many open files");
    await turns();
    assert.deepEqual(told, [store.fault], "nobody waits for what is read ahead");
    await assert.rejects(lease(1000), store.fault);
    store.fault = undefined;
    const second = await lease(1000);
    assert.deepEqual(second.seqs, Array.from({ length: 1000 }, (_, i) => 1001 + i));
    open();
    assert.equal((await acked).settled, 1000);
  }));
