/** Limits on dead letters: how many and how old ones stay, and how many went. */
import assert from "node:assert/strict";
import { EventBroker, MemoryEventStore, MemoryState } from "../../../mod.ts";
import type { TopicOptions } from "../../../core/event/topic_options.ts";
import { FakeClock } from "../../helpers/fake_clock.ts";

const DAY = 86_400_000;

/** A broker on a state that outlives it. */
class Rig {
  readonly clock = new FakeClock();
  readonly #state = new MemoryState();
  readonly #eventStore = new MemoryEventStore();
  broker = this.#open();

  #open(): EventBroker {
    return new EventBroker({ clock: this.clock, state: this.#state, eventStore: this.#eventStore });
  }

  /** The process is killed, and another one goes on. */
  restart(): void {
    this.broker = this.#open();
  }

  async die(name: string, count: number): Promise<void> {
    const { broker } = this;
    const messages = Array.from({ length: count }, (_, payload) => ({ type: "x", payload }));
    await broker.publishBatch("t", messages);
    const { deliveries } = await broker.subscriptions.lease(name, { max: 100 }, { consumer: "c" });
    const failed = deliveries.map(({ token }) => ({ lease: token, error: "no", dead: true }));
    await broker.subscriptions.nack(name, failed);
  }

  /** The seqs of a subscription's dead letters, oldest first. */
  async seqs(subscription: string): Promise<number[]> {
    const page = { limit: 100, oldest: true };
    return (await this.broker.deadLetters.records({ subscription }, page)).records.map(({ seq }) =>
      seq
    );
  }
}

async function withTopic(
  options: Partial<TopicOptions>,
  work: (rig: Rig) => Promise<void>,
): Promise<void> {
  const rig = new Rig();
  await rig.broker.topics.create("t", options);
  for (const name of ["a", "b"]) await rig.broker.subscriptions.put(name, { topic: "t" });
  try {
    await work(rig);
  } finally {
    await rig.broker.close();
  }
}

Deno.test("DeadLetterLimits keeps the newest dead letters of each subscription, exactly as many as it may", () =>
  withTopic({ deadMax: 3 }, async (rig) => {
    await rig.die("a", 3);
    assert.deepEqual(await rig.broker.deadLetterLimits.pass(), []);
    await rig.die("a", 2);
    await rig.die("b", 0);
    assert.deepEqual(await rig.seqs("b"), [1, 2, 3, 4, 5]);
    assert.deepEqual(await rig.broker.deadLetterLimits.pass(), [
      { subscription: "a", topic: "t", expired: 0, capped: 2 },
      { subscription: "b", topic: "t", expired: 0, capped: 2 },
    ]);
    for (const name of ["a", "b"]) assert.deepEqual(await rig.seqs(name), [3, 4, 5]);
  }));

Deno.test("DeadLetterLimits counts what it removed, with the removal, through restarts", () =>
  withTopic({ deadMax: 1 }, async (rig) => {
    const counts = () =>
      rig.broker.deadLetterLimits.removed().map(({ subscription, capped }) => [
        subscription,
        capped,
      ]);
    await rig.die("a", 3);
    await rig.broker.deadLetterLimits.pass();
    assert.deepEqual(counts(), [["a", 2]]);
    rig.restart();
    assert.deepEqual(counts(), [["a", 2]]);
    await rig.die("a", 1);
    await rig.broker.deadLetterLimits.pass();
    assert.deepEqual(counts(), [["a", 3]]);
  }));

Deno.test("DeadLetterLimits removes a dead letter after its time, never early, whatever the clock does", () =>
  withTopic({ deadRetention: DAY }, async (rig) => {
    const pass = () => rig.broker.deadLetterLimits.pass();
    await rig.die("a", 2);
    await pass();
    rig.clock.jump(30 * DAY);
    await pass();
    await rig.clock.pass(DAY - 1);
    await pass();
    assert.deepEqual(await rig.seqs("a"), [1, 2]);
    await rig.clock.pass(DAY / 32 + 1);
    assert.deepEqual(await pass(), [{ subscription: "a", topic: "t", expired: 2, capped: 0 }]);
    assert.deepEqual(await rig.seqs("a"), []);
  }));
