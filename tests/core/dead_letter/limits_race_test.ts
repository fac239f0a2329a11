/**
 * Dead letters that a limit, a removal and a retry are after at the same time: each entry goes one
 * way, is counted once, and what was retried is delivered.
 */
import assert from "node:assert/strict";
import { EventBroker } from "../../../mod.ts";
import { MemoryState } from "../../../core/state/memory.ts";
import type { StateChange } from "../../../core/state/state.ts";
import { FakeClock, settled } from "../../helpers/fake_clock.ts";
import { until } from "../../helpers/evs.ts";

/** A state that holds back commits with a change of one kind until it is told to go on. */
class SlowState extends MemoryState {
  slow: StateChange["op"] | undefined;
  #held: (() => void)[] = [];

  get isHeld(): boolean {
    return this.#held.length > 0;
  }

  goOn(): void {
    this.slow = undefined;
    for (const resolve of this.#held.splice(0)) resolve();
  }

  override async commit(...args: Parameters<MemoryState["commit"]>): Promise<void> {
    if (args[0].some(({ op }) => op === this.slow)) {
      await new Promise<void>((resolve) => this.#held.push(resolve));
    }
    await super.commit(...args);
  }
}

const COUNT = 10;

/** A broker with dead letters of `worker`, and a handler that takes all that is retried. */
async function withDeadLetters(
  work: (
    parts: { broker: EventBroker; state: SlowState; handled: number[]; errors: unknown[] },
  ) => Promise<void>,
): Promise<void> {
  const state = new SlowState();
  const errors: unknown[] = [];
  const onError = (error: unknown) => errors.push(error);
  await using broker = new EventBroker({ clock: new FakeClock(), state, onError });
  const handled: number[] = [];
  let isWell = false;
  const subscription = broker.subscribe("jobs", (event) => {
    if (!isWell) throw new Error("no");
    handled.push(event.payload);
  }, { name: "worker", maxRetries: 0 });
  await subscription.ready;
  for (let n = 1; n <= COUNT; n++) await broker.publish("jobs", "x", n);
  await until(async () => (await broker.deadLetters.counts()).get("worker") === COUNT);
  isWell = true;
  await work({ broker, state, handled, errors });
  assert.deepEqual(errors.map(String).filter((text) => !/no$/.test(text)), []);
}

const all = { subscription: "worker" };
const left = async (broker: EventBroker) => (await broker.deadLetters.counts()).get("worker") ?? 0;
const capped = (broker: EventBroker) => broker.deadLetterLimits.removed()[0]?.capped ?? 0;

Deno.test("DeadLetterLimits removes nothing that is being retried, and counts none of it", () =>
  withDeadLetters(async ({ broker, state, handled }) => {
    await broker.topics.update("jobs", { deadMax: 4 });
    state.slow = "dead.retry";
    const retried = broker.deadLetters.retry(all);
    await until(() => state.isHeld);
    const removed = broker.deadLetterLimits.pass();
    await settled();
    state.goOn();
    assert.equal((await retried).count, COUNT);
    assert.deepEqual(await removed, []);
    await until(() => handled.length === COUNT);
    assert.deepEqual([await left(broker), capped(broker)], [0, 0]);
  }));

Deno.test("DeadLetters.retry delivers what a limit has left, and says how many", () =>
  withDeadLetters(async ({ broker, state, handled }) => {
    await broker.topics.update("jobs", { deadMax: 4 });
    state.slow = "dead.expire";
    const removed = broker.deadLetterLimits.pass();
    await until(() => state.isHeld);
    const retried = broker.deadLetters.retry(all);
    await settled();
    state.goOn();
    assert.equal((await removed)[0]?.capped, COUNT - 4);
    const { count, bySubscription } = await retried;
    assert.deepEqual([count, bySubscription], [4, { worker: 4 }]);
    await until(() => handled.length === 4);
    assert.deepEqual(handled.toSorted((a, b) => a - b), [7, 8, 9, 10]);
    assert.equal(await left(broker), 0);
  }));

Deno.test("DeadLetters.remove and retry of the same entries do one of both to each", () =>
  withDeadLetters(async ({ broker, state, handled }) => {
    state.slow = "dead.remove";
    const removed = broker.deadLetters.remove(all);
    await until(() => state.isHeld);
    const retried = broker.deadLetters.retry(all);
    await settled();
    state.goOn();
    assert.deepEqual([(await removed).count, (await retried).count], [COUNT, 0]);
    await broker.publish("jobs", "x", 11);
    await until(() => handled.length === 1);
    assert.deepEqual(handled, [11]);
  }));
