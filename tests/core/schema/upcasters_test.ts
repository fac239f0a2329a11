/**
 * Events go through the upcasters of their type step by step, and the stored events do not change.
 */
import assert from "node:assert/strict";
import { EventBroker } from "../../../core/broker/event_broker.ts";
import { InvalidArgumentError } from "../../../core/base/errors.ts";
import { MemoryState } from "../../../core/state/memory.ts";
import { Upcasters } from "../../../core/schema/upcasters.ts";

const upcasters = () =>
  new Upcasters()
    .add("user", { from: "1.0", to: "2.0" }, ({ name, ...rest }) => ({ ...rest, fullName: name }))
    .add(
      "user",
      { from: "2.0", to: "3.0" },
      (payload, event) => ({ ...payload, was: event.schemaVersion }),
    );

const event = (schemaVersion: string, payload: unknown, type = "user") => ({
  seq: 1,
  id: "i",
  type,
  topic: "users",
  timestamp: 1,
  schemaVersion,
  payload,
  metadata: {},
});

Deno.test("Upcasters lead an event from its own version to the last one", () => {
  const up = upcasters();
  const old = event("1.0", { id: 1, name: "n" });
  assert.deepEqual(up.upcast(old), {
    ...old,
    schemaVersion: "3.0",
    payload: { id: 1, fullName: "n", was: "2.0" },
  });
  assert.deepEqual(old.payload, { id: 1, name: "n" });
  const latest = event("3.0", { a: 1 });
  assert.equal(up.upcast(latest), latest);
  assert.equal(up.upcast({ ...old, type: "other" }).schemaVersion, "1.0");
});

Deno.test("Upcasters refuse two steps from one version, and a circle", () => {
  assert.throws(
    () => upcasters().add("user", { from: "1.0", to: "9.0" }, (payload) => payload),
    InvalidArgumentError,
  );
  for (const from of ["3.0", "4.0"]) {
    const to = from === "3.0" ? "1.0" : "4.0";
    assert.throws(() => upcasters().add("user", { from, to }, (payload) => payload), /in a circle/);
  }
});

Deno.test("Upcasters refuse a gap, and take the same steps in order, up or down", () => {
  const same = (payload: unknown) => payload;
  const gap = () =>
    new Upcasters().add("t", { from: "1", to: "2" }, same).add("t", { from: "3", to: "4" }, same);
  assert.throws(gap, (error) => {
    assert.ok(error instanceof InvalidArgumentError);
    assert.match(error.message, /the steps of t have a gap: they would end at 2 and at 4/);
    return true;
  });
  const steps = [["1", "2"], ["2", "3"], ["3", "4"]] as const;
  for (const order of [steps, steps.toReversed()]) {
    const up = new Upcasters();
    for (const [from, to] of order) up.add("t", { from, to }, same);
    up.add("other", { from: "1", to: "2" }, same);
    assert.equal(up.upcast(event("1", {}, "t")).schemaVersion, "4");
  }
});

Deno.test("a subscription gets events upcast, and a step that fails makes a dead letter of the old event", async () => {
  const state = new MemoryState();
  await using broker = new EventBroker({ state });
  const seen: unknown[] = [];
  const upcast = upcasters().add("broken", { from: "1.0", to: "2.0" }, () => {
    throw new Error("cannot read the old one");
  });
  const subscription = broker.subscribe("users", ({ payload, schemaVersion }) => {
    seen.push([schemaVersion, payload]);
  }, { name: "reader", maxRetries: 0, upcast });
  await subscription.ready;
  await broker.publish("users", "broken", { a: 1 }, { schemaVersion: "1.0" });
  await broker.publish("users", "user", { name: "n" }, { schemaVersion: "1.0" });
  while (seen.length < 1 || (await broker.subscriptions.info("reader")).dead < 1) {
    await new Promise((go) => setTimeout(go, 1));
  }
  assert.deepEqual(seen, [["3.0", { fullName: "n", was: "2.0" }]]);
  const [dead] = state.deadLetters({ subscription: "reader" }, { limit: 1 }).records;
  assert.match(dead!.reason, /cannot read the old one/);
  assert.equal(JSON.parse(new TextDecoder().decode(dead!.line)).schemaVersion, "1.0");
});
