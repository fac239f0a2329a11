/**
 * `evs consume --until-empty` where two daemons share a subscription: it ends when nothing is left on
 * any node, and takes over what another node's consumer left behind.
 */
import assert from "node:assert/strict";
import { startPostgres } from "../../helpers/postgres.ts";
import { DaemonPlace } from "./daemon_place.ts";

/** How many events a consumer handled, from its last words. */
function handled({ code, stderr }: { code: number; stderr: string }): number {
  assert.equal(code, 0, stderr);
  return Number(/(\d+) done/.exec(stderr)![1]);
}

Deno.test("consume --until-empty ends when no node has anything left, and not before", async () => {
  await using server = await startPostgres({ settings: { fsync: "off" } });
  await using a = await DaemonPlace.make();
  await using b = await DaemonPlace.make();
  for (const place of [a, b]) await place.ok(["daemon", "start", "--store", server.url]);
  const consume = ["consume", "orders", "--name", "mail", "--until-empty", "--", "true"];
  // Both begin with nothing, and one of them with parts that no event is of.
  await a.ok(
    ["publish", "orders", "placed", "--ndjson", "--key-pointer", ""],
    '"k1"\n"k1"\n"k2"\n',
  );
  const both = await Promise.all([a.run(consume), b.run(consume)]);
  assert.equal(both.map(handled).reduce((sum, one) => sum + one), 3);

  // The parts are still of a, whose consumer has just ended.
  assert.equal(handled(await a.run(consume)), 0);
  await a.ok(["subscription", "seek", "mail", "start", "--yes"]);
  assert.equal(handled(await b.run(consume)), 3, "what is left anywhere comes here");
});
