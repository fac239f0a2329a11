/** What each node says of a subscription whose parts others own, on a PostgreSQL that is really there. */
import assert from "node:assert/strict";
import { EventBroker } from "../../../mod.ts";
import { retriesPage } from "../../../core/delivery/scheduled_retries.ts";
import { PostgresState } from "../../../core/state/postgres/postgres_state.ts";
import { PostgresEventStore } from "../../../core/store/postgres/postgres_event_store.ts";
import { emptyDatabase, endServer, giveBack } from "./states.ts";

Deno.test.afterAll(endServer);

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!await holds()) await new Promise((resolve) => setTimeout(resolve, 50));
}

Deno.test("each node counts what is to be delivered of a subscription, whoever has it", async () => {
  const url = await emptyDatabase();
  const states = [await PostgresState.open(url), await PostgresState.open(url)];
  const nodes: EventBroker[] = [];
  for (const state of states) {
    nodes.push(new EventBroker({ state, eventStore: await PostgresEventStore.open(url) }));
    await nodes.at(-1)!.ready;
  }
  const [{ subscriptions: here }, { subscriptions: there }] = nodes as [EventBroker, EventBroker];
  const backoff = { kind: "fixed" as const, base: 3_600_000, max: 3_600_000, jitter: false };
  await here.put("s", { topic: "t", settings: { maxRetries: 3, backoff } });
  for (let n = 0; n < 10; n++) await nodes[0]!.publish("t", "x", n, { key: `k${n}` });
  await until(() => Promise.resolve(there.has("s")));
  const counts = async (of: typeof here) => {
    const { pending, leased, scheduled } = await of.info("s");
    return [pending, leased, scheduled].join();
  };
  for (const  of of[here, there]) await until(async () => await counts(of) === "10,0,0");
  const inUse = async () => [...await nodes[1]!.shared!.inUse()].join();
  assert.equal(await inUse(), "", "nobody has asked for any");
  // Whoever waits gets all parts; the other one hears of it at the next beat.
  const { deliveries } = await here.lease("s", { max: 4, waitMs: 60_000 }, { consumer: "c" });
  await here.ack("s", [deliveries[0]!.token]);
  await here.nack("s", [{ lease: deliveries[1]!.token, error: "no" }]);
  for (const  of of[here, there]) await until(async () => await counts(of) === "6,2,1");
  await until(async () => await inUse() === "s");
  const [ofHere, ofThere] = [(await here.list())[0]!, (await there.list())[0]!];
  assert.deepEqual(ofThere.cursors.map(({ lastSeq }) => lastSeq), [10]);
  assert.equal(ofThere.leasedSince, ofHere.leasedSince);
  // The second event waits for a retry, and others are leased: that holds on whichever node is asked.
  const waits = await Promise.all([here, there].map(async (of) => {
    const driver = of.require("s");
    await assert.rejects(driver.whenProcessed("t", 4, AbortSignal.timeout(600)));
    return driver.whenProcessed("t", 1);
  }));
  await Promise.all(waits);
  const all = await Promise.all([here, there].map((of) => retriesPage(of.require("s"))));
  for (const { retries, total } of all) {
    const shown = retries.map(({ seq, attempt, reason }) => [seq, attempt, reason]);
    assert.deepEqual([total, shown], [1, [[2, 2, "no"]]]);
  }
  // The node that has the retry drops it once another one has redacted its event.
  await nodes[1]!.redactor.redact("t", 2);
  for (const  of of[here, there]) await until(async () => await counts(of) === "6,2,0");
  // Nor does it keep what it has leased: the answer is lost, and the event is not delivered again.
  const leased = deliveries[2]!;
  await nodes[1]!.redactor.redact("t", leased.entry.seq);
  const { outcomes } = await here.nack("s", [{ lease: leased.token, error: "no", dead: true }]);
  assert.deepEqual([outcomes, await nodes[1]!.deadLetters.count()], [["lost"], 0]);
  const again = await here.lease("s", { max: 100, waitMs: 60_000 }, { consumer: "c" });
  assert.equal(again.deliveries.some(({ entry }) => entry.seq === leased.entry.seq), false);
  await here.release("s", again.deliveries.map(({ token }) => token));
  // It is seen by what is stored alone once its node is gone.
  await nodes[0]!.close();
  await until(async () => /^[78],0,0$/.test(await counts(there)));
  await until(async () => await inUse() === "");
  await nodes[1]!.close();
  for (const state of states) await state.close();
  await giveBack(url);
});
