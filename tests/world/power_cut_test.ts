/**
 * Shows that what was acknowledged one by one is there after a power cut: appends of one event, each
 * with a sync of its own, in either store.
 */
import assert from "node:assert/strict";
import { Client } from "../../core/client/client.ts";
import { runWorld } from "./engine/run.ts";
import type { World } from "./types.ts";

async function inWorld(seed: number, run: (world: World) => Promise<void>): Promise<void> {
  const plan = (seed: number) => ({ seed, settings: {}, steps: [] });
  const { broke } = await runWorld({ name: "test", plan, run }, seed);
  assert.equal(broke, undefined, JSON.stringify(broke));
}

for (const store of ["file", "sqlite"] as const) {
  Deno.test(`what was acknowledged one by one is there after a power cut (${store})`, async () => {
    for (let seed = 1; seed <= 5; seed++) {
      await inWorld(seed, async (world) => {
        const daemon = world.daemon({ store });
        for (let stored = 0; stored < 9; stored += 3) {
          await daemon.start();
          using client = new Client({ socket: daemon.socket });
          for (let n = 1; n <= 3; n++) {
            const { lastSeq } = await client.publish("orders", '{"type":"t","payload":1}');
            assert.equal(lastSeq, stored + n);
          }
          world.machine.powerCut();
          await daemon.process!.ended;
        }
        await daemon.start();
        using client = new Client({ socket: daemon.socket });
        assert.equal((await client.topic("orders")).lastSeq, 9);
      });
    }
  });
}
