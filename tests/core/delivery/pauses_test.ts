/** What may end a pause: a manual one lasts until `resume` or its end, across all restarts. */
import assert from "node:assert/strict";
import { connect, EventBroker, EvsError, MemoryEventStore, MemoryState } from "../../../mod.ts";
import { startDaemon } from "../../helpers/daemon.ts";
import { FakeClock } from "../../helpers/fake_clock.ts";

const HOUR = 3_600_000;

function rig() {
  const [clock, state, eventStore] = [new FakeClock(), new MemoryState(), new MemoryEventStore()];
  const errors: unknown[] = [];
  const open = () =>
    new EventBroker({ clock, state, eventStore, onError: (error) => errors.push(error) });
  return { clock, errors, open };
}

Deno.test("SubscriptionManager keeps a person's pause when a consumer starts, and ends that of a breaker or a command", async () => {
  const { open } = rig();
  for (const by of [undefined, "person", "breaker", "command"] as const) {
    let broker = open();
    await broker.subscriptions.put("s", { topic: "t" });
    await broker.subscriptions.pause("s", { by });
    await broker.close();
    broker = open();
    const stays = by === undefined || by === "person";
    assert.equal((await broker.subscriptions.put("s", { topic: "t" })).paused, true);
    assert.equal((await broker.subscriptions.put("s", { topic: "t", resume: true })).paused, stays);
    assert.equal((await broker.subscriptions.resume("s")).paused, false);
    await broker.close();
  }
});

Deno.test("SubscriptionManager leaves a person's pause as it is when a breaker or a command would pause it, too", async () => {
  const broker = rig().open();
  await broker.subscriptions.put("s", { topic: "t" });
  await broker.subscriptions.pause("s", { reason: "do NOT charge" });
  const info = await broker.subscriptions.pause("s", { reason: "cannot run", by: "command" });
  assert.deepEqual([info.pausedBy, info.pauseReason], ["person", "do NOT charge"]);
  await broker.close();
});

Deno.test("SubscriptionManager ends a timed pause by the wall clock, corrected while it waits, through a restart", async () => {
  const { clock, open } = rig();
  let broker = open();
  await broker.subscriptions.put("s", { topic: "t" });
  const { pausedUntil } = await broker.subscriptions.pause("s", { forMs: HOUR });
  assert.equal(pausedUntil, clock.now() + HOUR);
  await clock.pass(HOUR / 2);
  await broker.close();
  broker = open();
  await broker.subscriptions.put("s", { topic: "t", resume: true });
  await clock.pass(HOUR / 2 - 1);
  assert.equal((await broker.subscriptions.info("s")).paused, true);
  await clock.pass(1);
  assert.equal((await broker.subscriptions.info("s")).paused, false);

  await broker.subscriptions.pause("s", { forMs: HOUR });
  clock.jump(-HOUR);
  await clock.pass(HOUR);
  assert.equal((await broker.subscriptions.info("s")).paused, true, "the clock was set back");
  clock.jump(HOUR);
  await clock.pass(60_000);
  const after = await broker.subscriptions.info("s");
  assert.deepEqual([after.paused, after.pausedBy, after.pausedUntil], [
    false,
    undefined,
    undefined,
  ]);
  await broker.close();
});

Deno.test("SubscriptionManager forgets the end of a pause that was resumed and paused again", async () => {
  const { clock, open } = rig();
  const broker = open();
  await broker.subscriptions.put("s", { topic: "t" });
  await broker.subscriptions.pause("s", { forMs: 1000 });
  await broker.subscriptions.resume("s");
  await broker.subscriptions.pause("s", { reason: "for good" });
  await clock.pass(120_000);
  assert.equal((await broker.subscriptions.info("s")).paused, true);
  await broker.close();
});

Deno.test("EventBroker says that a person paused a subscription and waits, and idle does not wait for it", async () => {
  const { errors, open } = rig();
  let broker = open();
  await broker.subscriptions.put("s", { topic: "t" });
  await broker.subscriptions.pause("s", { reason: "do NOT charge" });
  await broker.close();
  broker = open();
  const seen: unknown[] = [];
  const subscription = broker.subscribe("t", (event) => void seen.push(event.payload), {
    name: "s",
  });
  await subscription.ready;
  await broker.publish("t", "x", 1);
  await broker.idle();
  assert.deepEqual(seen, []);
  assert.match(String(errors[0]), /the subscription s is paused \(do NOT charge\): waiting/);
  assert.equal((errors[0] as EvsError).code, "subscription/paused");
  await broker.subscriptions.resume("s");
  await broker.idle();
  assert.deepEqual(seen, [1]);
  await broker.close();
});

Deno.test("RemoteBroker says that a person paused a subscription and waits, through restarts of the daemon", async () => {
  await using daemon = await startDaemon();
  const notices: string[] = [];
  await using broker = await connect({
    socket: daemon.socket,
    onNotice: (text) => notices.push(text),
  });
  await broker.client.putSubscription("s", { topic: "t" });
  await broker.client.pauseSubscription("s", { reason: "do NOT charge" });
  await daemon.kill();
  await daemon.start();
  const seen: unknown[] = [];
  const subscription = broker.subscribe("t", (event) => void seen.push(event.payload), {
    name: "s",
  });
  await subscription.ready;
  await broker.publish("t", "x", 1);
  await broker.idle();
  assert.deepEqual(seen, []);
  assert.match(notices.join("\n"), /the subscription s is paused \(do NOT charge\): waiting/);
  await broker.client.resumeSubscription("s");
  await broker.idle();
  assert.deepEqual(seen, [1]);
});
