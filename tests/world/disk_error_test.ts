/**
 * Shows what clients see of a daemon that ends because its disk failed, and is started again: it is
 * no bug of ours, and a subscription goes on.
 */
import assert from "node:assert/strict";
import type { RemoteError } from "../../core/base/errors.ts";
import { connect } from "../../core/client/broker/connect.ts";
import { Client } from "../../core/client/client.ts";
import { runWorld } from "./engine/run.ts";
import type { World } from "./types.ts";

async function inWorld(run: (world: World) => Promise<void>): Promise<void> {
  const plan = (seed: number) => ({ seed, settings: {}, steps: [] });
  const { broke } = await runWorld({ name: "test", plan, run }, 1);
  assert.equal(broke, undefined, JSON.stringify(broke));
}

/** Whichever commit of the state it is: what is begun, acknowledged or retried. */
async function failsAt(world: World, after: number): Promise<void> {
  const daemon = world.daemon();
  await daemon.start();
  const handled: number[] = [];
  const errors: string[] = [];
  world.spawn("consumer", async () => {
    await using broker = await connect({
      socket: daemon.socket,
      onError: (error) => errors.push(String(error)),
      onNotice: () => {},
    });
    broker.subscribe("orders", async ({ payload: { n } }) => {
      await world.sleep(10);
      if (n === 2 && !handled.includes(n)) throw new Error("not yet");
      handled.push(n);
    }, { name: "c", retryDelay: 20 });
    await new Promise(() => {});
  });
  const publish = (...numbers: number[]) =>
    world.spawn("publisher", async () => {
      await using broker = await connect({ socket: daemon.socket });
      for (const n of numbers) await broker.publish("orders", "placed", { n });
    }).ended;
  await world.sleep(1000);
  world.machine.fault({ kind: "EIO", ops: ["sync"], path: "state.db-wal", after });
  await publish(1, 2, 3, 4);
  const exit = await daemon.process!.ended;
  assert.equal(exit.how === "exited" && exit.code, 1, "it does not go on with a state that failed");
  assert.equal(await daemon.start(), "ready");
  await publish(9);
  const isHandled = () => handled.includes(9);
  await world.until(isHandled, {
    what: `after a failure at commit ${after} the subscription goes on: ${errors}`,
    withinMs: 60_000,
  });
  assert.deepEqual(errors, []);
}

Deno.test("a subscription of connect goes on when the daemon's state failed and it is back", async () => {
  for (let after = 0; after < 5; after++) await inWorld((world) => failsAt(world, after));
});

for (const store of ["file", "sqlite"] as const) {
  Deno.test(`a publish whose sync failed in the ${store} store is answered with daemon/failed`, () =>
    inWorld(async (world) => {
      const daemon = world.daemon({ store });
      await daemon.start();
      using client = new Client({ socket: daemon.socket });
      const publish = (n: number) => client.publish("orders", `{"type":"t","payload":{"n":${n}}}`);
      await publish(1);
      world.machine.fault({ kind: "EIO", ops: ["sync"], path: "/events", times: Infinity });
      const codeOf = (error: RemoteError) => error.code;
      assert.equal(await publish(2).then(() => "stored", codeOf), "daemon/failed");
      assert.equal((await daemon.process!.ended).how, "exited");
    }));

  Deno.test(`publish of connect waits for a daemon whose ${store} store failed, and stores once`, () =>
    inWorld(async (world) => {
      const daemon = world.daemon({ store });
      await daemon.start();
      const publisher = world.spawn("publisher", async () => {
        await using broker = await connect({ socket: daemon.socket, onNotice: () => {} });
        await broker.publish("orders", "placed", { n: 1 });
        world.machine.fault({ kind: "EIO", ops: ["sync"], path: "/events" });
        await broker.publish("orders", "placed", { n: 2 });
      });
      await daemon.process!.ended;
      assert.equal(await daemon.start(), "ready");
      assert.deepEqual(await publisher.ended, { how: "exited", code: 0 });
      using client = new Client({ socket: daemon.socket });
      const text = await (await client.read({ topic: ["orders"], from: "start" })).text();
      const stored = text.trim().split("\n").map((line) => JSON.parse(line).payload.n);
      assert.deepEqual(stored, [1, 2]);
    }));
}

for (const database of ["state.db", "events.db"] as const) {
  Deno.test(`a start that failed at ${database} is not taken for a log that is gone when clocks went back`, () =>
    inWorld(async (world) => {
      const daemon = world.daemon({ store: "sqlite" });
      await daemon.start();
      using client = new Client({ socket: daemon.socket });
      await client.publish("orders", '{"type":"t","payload":1}');
      await world.sleep(2000);
      daemon.kill();
      world.machine.stepClock(-3_600_000);
      world.machine.fault({ kind: "EIO", ops: ["sync"], path: `${database}-wal` });
      assert.notEqual(await daemon.start(), "ready");
      assert.equal(await daemon.start(), "ready");
      assert.deepEqual((await client.status()).problems, []);
    }));
}
