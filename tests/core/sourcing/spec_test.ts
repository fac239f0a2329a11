/** Specifications of aggregates pass and fail as they should. */
import assert from "node:assert/strict";
import { Upcasters } from "../../../mod.ts";
import { spec } from "../../../testing.ts";
import { Account } from "./account.ts";

const past = [{ type: "opened", payload: { owner: "first" } }, {
  type: "deposited",
  payload: { amount: 5 },
}];

Deno.test("spec takes what happened as expected", () => {
  spec(Account).given(past).when((account) => account.withdraw(3))
    .then([{ type: "withdrawn", payload: { amount: 3 } }]);
  spec(Account).given(past).when((account) => account.withdraw(3)).then([{ type: "withdrawn" }]);
  spec(Account).given(past).when(() => {}).then([]);
  spec(Account).given(past).when((account) => account.withdraw(3))
    .state({ owner: "first", balance: 2 });
  spec((id) => new Account(id), { id: "a-1" }).given([]).when((account) => account.deposit(1))
    .then([{ type: "deposited", key: "a-1" }]);
});

Deno.test("spec takes the error that was expected", () => {
  const asked = () => spec(Account).given([]).when((account) => account.withdraw(1));
  asked().throws();
  asked().throws(RangeError);
  asked().throws(Error);
  asked().throws(/only 0/);
  asked().throws((error) => error instanceof RangeError);
});

Deno.test("spec fails when something else happened", () => {
  const asked = () => spec(Account).given(past).when((account) => account.withdraw(3));
  const failed = { name: "AssertionError" };
  assert.throws(() => asked().then([]), failed);
  assert.throws(() => asked().then([{ type: "withdrawn", payload: { amount: 4 } }]), failed);
  assert.throws(() => asked().then([{ type: "withdrawn" }, { type: "withdrawn" }]), failed);
  assert.throws(() => asked().throws(), failed);
  assert.throws(() => asked().state({ owner: "first", balance: 5 }), failed);
  const refused = () => spec(Account).given([]).when((account) => account.withdraw(1));
  assert.throws(() => refused().then([]), RangeError);
  assert.throws(() => refused().throws(TypeError), failed);
  assert.throws(() => refused().throws(/something else/), failed);
  const half = spec(Account).given([]).when((account) => {
    account.deposit(1);
    account.withdraw(2);
  });
  assert.throws(() => half.throws(RangeError), failed);
});

Deno.test("spec waits for a command that waits", async () => {
  const later = () =>
    spec(Account).given(past).when(async (account) => {
      await Promise.resolve();
      account.withdraw(3);
    });
  await later().then([{ type: "withdrawn" }]);
  await assert.rejects(later().then([]), { name: "AssertionError" });
  await spec(Account).given([]).when(async (account) => {
    await Promise.resolve();
    account.withdraw(1);
  }).throws(RangeError);
});

Deno.test("spec says what is missing when nothing is claimed", async () => {
  // @ts-expect-error -- what the compiler refuses as well
  const claimed = (async () => await spec(Account).given([]).when(() => {}))();
  await assert.rejects(claimed, /pass the expected events/);
});

Deno.test("spec reads the past upcast", () => {
  const upcast = new Upcasters()
    .add("opened", { from: "1.0", to: "2.0" }, ({ name }) => ({ owner: name }));
  spec(Account, { upcast }).given([{ type: "opened", payload: { name: "first" } }])
    .when(() => {}).state({ owner: "first", balance: 0 });
});
