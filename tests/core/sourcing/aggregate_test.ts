/** Aggregates record events and rebuild their state from them. */
import assert from "node:assert/strict";
import { AggregateRoot, EventRefusedError, UnknownEventTypeError } from "../../../mod.ts";
import { Account } from "./account.ts";

Deno.test("AggregateRoot.recordEvent applies the event and counts it", () => {
  const account = new Account("a");
  account.open("first");
  account.deposit(5);
  assert.deepEqual(account.getState(), { owner: "first", balance: 5 });
  assert.equal(account.version, 2);
  assert.deepEqual(account.uncommittedEvents.map(({ type, payload }) => [type, payload]), [
    ["opened", { owner: "first" }],
    ["deposited", { amount: 5 }],
  ]);
});

Deno.test("AggregateRoot.recordEvent keeps what the payload was, whatever becomes of it", () => {
  const account = new Account("a");
  const payload = { amount: 5 };
  account.record("deposited", payload);
  payload.amount = 1_000_000;
  assert.equal(account.uncommittedEvents[0]!.payload.amount, 5);
});

Deno.test("AggregateRoot.recordEvent records nothing when the payload is not JSON", () => {
  const account = new Account("a");
  const cycle: Record<string, unknown> = {};
  cycle["self"] = cycle;
  for (const payload of [{ f: () => 1 }, cycle, { n: 1n }, undefined]) {
    assert.throws(() => account.record("deposited", payload), (error) => {
      assert.ok(error instanceof EventRefusedError);
      assert.equal(error.code, "event/invalid-payload");
      return true;
    });
  }
  assert.equal(account.version, 0);
  assert.deepEqual(account.uncommittedEvents, []);
});

Deno.test("AggregateRoot.refuseEvent names the aggregate and the type, and nothing is recorded", () => {
  const account = new Account("a-7");
  assert.throws(() => account.record("renamed", {}), (error) => {
    assert.ok(error instanceof UnknownEventTypeError);
    assert.equal(error.code, "aggregate/unknown-event");
    assert.match(error.message, /Account a-7 .* renamed/);
    return true;
  });
  assert.deepEqual(account.uncommittedEvents, []);
});

Deno.test("AggregateRoot.getState gives a copy, and two aggregates never share their first state", () => {
  const first = { tags: [] as string[] };
  class Tagged extends AggregateRoot<{ tags: string[] }> {
    constructor(id: string) {
      super(id, first);
    }
    tag(name: string): void {
      this.recordEvent("tagged", { name });
    }
    protected applyEvent({ payload }: { payload: { name: string } }): void {
      this.state.tags.push(payload.name);
    }
  }
  const [a, b] = [new Tagged("a"), new Tagged("b")];
  a.tag("x");
  a.getState().tags.push("y");
  assert.deepEqual(a.getState(), { tags: ["x"] });
  assert.deepEqual(b.getState(), { tags: [] });
});

Deno.test("AggregateRoot refuses an id that cannot be a key", () => {
  for (const id of ["", "a\nb", "x".repeat(257)]) {
    assert.throws(() => new Account(id), EventRefusedError);
  }
});
