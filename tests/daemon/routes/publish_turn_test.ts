/** Whose turn it is among the publishes of one connection. */
import assert from "node:assert/strict";
import { ConnectionTurn, turnOf } from "../../../daemon/routes/publish_turn.ts";

Deno.test("ConnectionTurn lets one after the other in, in the order of their coming", async () => {
  const turn = new ConnectionTurn();
  const order: string[] = [];
  assert.equal(turn.enter(), undefined, "nobody is before the first");
  const others = ["second", "third"].map(async (name) => {
    await turn.enter();
    order.push(name);
  });
  await Promise.resolve();
  assert.deepEqual(order, []);
  turn.leave();
  await others[0];
  assert.deepEqual(order, ["second"]);
  turn.leave();
  await others[1];
  assert.deepEqual(order, ["second", "third"]);
  turn.leave();
  assert.equal(turn.enter(), undefined, "nobody is there any more");
  assert.notEqual(turn.enter(), undefined);
});

Deno.test("turnOf returns one turn for a connection, and another one for another", () => {
  const [one, other] = [{}, {}];
  assert.equal(turnOf(one), turnOf(one));
  assert.notEqual(turnOf(one), turnOf(other));
});
