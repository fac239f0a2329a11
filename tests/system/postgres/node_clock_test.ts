/**
 * Shows that the clocks of nodes may be wrong by an hour: no part changes hands for it, and what one
 * node has put off is not due on another before its time.
 */
import assert from "node:assert/strict";
import { EventBroker, PostgresEventStore, PostgresState } from "@env/env-event-stream";
import { type Clock, systemClock } from "../../../core/base/clock.ts";
import { until } from "../../helpers/evs.ts";
import { emptyDatabase, endServer, giveBack } from "./states.ts";

Deno.test.afterAll(endServer);

const HOUR = 3_600_000;
const RETRY_MS = 2000;
/** The clocks of nodes may differ by less than this. */
const TOLERANCE_MS = 600;

/** A clock that is wrong by this. */
const wrongBy = (ms: number): Clock => ({ ...systemClock, now: () => Date.now() + ms });

/** A node whose clock is wrong by this. */
async function nodeOn(url: string, ms: number) {
  const clock = wrongBy(ms);
  const state = await PostgresState.open(url, { clock });
  const eventStore = new PostgresEventStore(url);
  const onError = (error: unknown) => assert.fail(String(error));
  const broker = new EventBroker({ state, clock, eventStore, onError });
  return {
    state,
    broker,
    async close() {
      await broker.close();
      await eventStore.close();
    },
  };
}

/** Has a node say that it is there, and look at the claims of the others. */
async function beat(state: PostgresState): Promise<void> {
  const node = state.shared.coordinator({ clock: state.shared.clock, onError: () => {} });
  const seenMs = async () => (await state.nodes()).find((one) => one.node === node.node)!.seenMs;
  const asked = performance.now();
  node.look();
  await until(async () => await seenMs() < performance.now() - asked);
}

const claims = async ({ state }: { state: PostgresState }) =>
  (await state.shared.loadQueue("s")).parts;

Deno.test("nodes whose clocks are wrong by an hour keep their parts", async () => {
  const url = await emptyDatabase();
  const [ahead, behind] = [await nodeOn(url, HOUR), await nodeOn(url, -HOUR)];
  const handled: unknown[] = [];
  for (const { broker } of [ahead, behind]) {
    broker.subscribe("t", ({ seq }) => void handled.push(seq), { name: "s", from: "start" });
    // The other one finds the subscription there.
    await broker.publish("t", "x", 0);
  }
  // Parts that are on their way from one to the other are nobody's.
  const owners = async () =>
    (await ahead.state.owners("s")).map(({ node, parts }) =>
      `${node !== undefined} ${parts.length}`
    );
  await until(async () => (await owners()).join() === "true 8,true 8");
  const before = await claims(ahead);
  for (let n = 0; n < 20; n++) {
    await ahead.broker.publish("t", "x", 1, { key: `k${n}` });
    for (const { state } of [ahead, behind]) await beat(state);
  }
  assert.deepEqual(await claims(ahead), before, "a part has changed hands");
  await until(() => handled.length === 22);
  for (const node of [ahead, behind]) await node.close();
  await giveBack(url);
});

for (const [first, second] of [[-HOUR, HOUR], [HOUR, -HOUR]] as const) {
  const how = first < 0 ? "behind" : "ahead";
  Deno.test(`a retry of a node whose clock is ${how} is due on another when it should be`, async () => {
    const url = await emptyDatabase();
    const attempts: { attempt: number; at: number }[] = [];
    const subscribe = ({ broker }: { broker: EventBroker }) =>
      broker.subscribe("t", (_event, { attempt }) => {
        attempts.push({ attempt, at: performance.now() });
        if (attempt === 1) throw new Error("not yet");
      }, { name: "s", from: "start", retryDelay: RETRY_MS });
    const one = await nodeOn(url, first);
    subscribe(one);
    await one.broker.publish("t", "x", 0);
    await until(() => attempts.length === 1);
    const retries = async () => (await one.state.shared.loadQueue("s")).retries.length;
    await until(async () => await retries() === 1);
    const other = await nodeOn(url, second);
    await one.close();
    subscribe(other);
    await until(() => attempts.length === 2);
    const waited = attempts[1]!.at - attempts[0]!.at;
    assert.ok(waited > RETRY_MS - TOLERANCE_MS, `after ${waited} ms`);
    assert.deepEqual(attempts.map(({ attempt }) => attempt), [1, 2]);
    await other.close();
    await giveBack(url);
  });
}
