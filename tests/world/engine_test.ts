/** Shows that a world is decided by its seed alone, and what the engine does to processes. */
import assert from "node:assert/strict";
import { rootIn, runWorld } from "./engine/run.ts";
import { smallestLife } from "./lives/smallest.ts";
import type { Life, World } from "./types.ts";

/** A life of one function. */
function life(run: (world: World) => Promise<void>): Life {
  return { name: "test", plan: (seed) => ({ seed, settings: {}, steps: [] }), run };
}

Deno.test("runWorld leaves the same trace when a seed runs again", async () => {
  const hashes = new Set<string>();
  for (let seed = 1; seed <= 8; seed++) {
    const first = await runWorld(smallestLife, seed);
    assert.equal(first.broke, undefined, `seed ${seed}: ${JSON.stringify(first.broke)}`);
    const second = await runWorld(smallestLife, seed);
    assert.equal(second.hash, first.hash, `seed ${seed} differs from itself`);
    hashes.add(first.hash);
  }
  assert.equal(hashes.size, 8, "each seed has a life of its own");
});

Deno.test("a world does not know in which folder the checkout is", async () => {
  const seen: string[] = [];
  const { broke } = await runWorld(
    life(async (world) => {
      await world.spawn("program", () => {
        seen.push(Deno.mainModule, new Error("no good").stack!);
        return Promise.resolve();
      }).ended;
    }),
    1,
  );
  assert.equal(broke, undefined, JSON.stringify(broke));
  assert.equal(seen[0], "file:///usr/lib/evs/cli.ts");
  assert.match(
    seen[1]!,
    /^Error: no good\n {4}at .*\/usr\/lib\/evs\/tests\/world\/engine_test\.ts:/,
  );
  const checkout = new URL("../../", import.meta.url).pathname;
  for (const text of seen) assert.ok(!text.includes(checkout), text);
});

Deno.test("a world does not know who runs it", async () => {
  const seen: string[] = [];
  const fails = life(async (world) => {
    await world.spawn("program", async () => {
      await new Promise<void>((resolve) =>
        setTimeout(() => {
          seen.push(new Error("no good").stack!);
          resolve();
        }, 10)
      );
    }).ended;
  });
  const runsOneOfManyWorlds = async () => await runWorld(fails, 1);
  await runWorld(fails, 1);
  await runsOneOfManyWorlds();
  assert.equal(seen[0], seen[1]);
  assert.doesNotMatch(seen[0]!, /runWorld|Scheduler|OneOfMany/);
});

Deno.test("runWorld reports a world in which something is awaited that never comes", async () => {
  const { broke } = await runWorld(life(() => new Promise(() => {})), 1);
  assert.match(broke?.details ?? "", /nothing is ready and no timer runs/);
});

Deno.test("runWorld reports a call of Deno that nobody has simulated", async () => {
  const { broke } = await runWorld(
    life(() => Promise.resolve(Deno.symlinkSync("/a", "/b"))),
    1,
  );
  assert.match(broke?.details ?? "", /Deno\.symlinkSync is not simulated/);
});

Deno.test("a killed process does nothing more, and one that is stopped does it later", async () => {
  const done: string[] = [];
  const { broke } = await runWorld(
    life(async (world) => {
      const program = (name: string) => async () => {
        for (;;) {
          await world.sleep(10);
          done.push(`${name} at ${world.now()}`);
        }
      };
      const killed = world.spawn("killed", program("killed"));
      const stopped = world.spawn("stopped", program("stopped"));
      await world.sleep(25);
      killed.kill();
      stopped.stop();
      await world.sleep(100);
      stopped.continue();
      await world.sleep(1);
      stopped.kill();
    }),
    1,
  );
  assert.equal(broke, undefined);
  assert.deepEqual(done, [
    "killed at 10",
    "stopped at 10",
    "killed at 20",
    "stopped at 20",
    "stopped at 125",
  ]);
});

Deno.test("rootIn returns paths of one length when a folder's name has digits less", () => {
  const names = ["0123456789abcdef", "123456789abcdef", "89abcdef"];
  const roots = names.flatMap((name) =>
    [1, 12].map((n) => rootIn(`/dev/shm/evs-world-${name}`, n))
  );
  assert.deepEqual(new Set(roots.map(({ length }) => length)), new Set([43]));
  assert.equal(new Set(roots).size, roots.length);
});

Deno.test("a power cut takes what was not synced, and nothing else", async () => {
  const sizes = new Set<number>();
  for (let seed = 1; seed <= 20; seed++) {
    const { broke } = await runWorld(
      life(async (world) => {
        const path = `${world.machine.dataDir}/file`;
        const writer = world.spawn("writer", () => {
          Deno.mkdirSync(world.machine.dataDir);
          const file = Deno.openSync(path, { write: true, createNew: true });
          file.writeSync(new Uint8Array(2000).fill(1));
          file.syncSync();
          Deno.openSync(world.machine.dataDir, { read: true }).syncSync();
          file.writeSync(new Uint8Array(2000).fill(2));
          return new Promise(() => {});
        });
        await world.sleep(5);
        world.machine.powerCut();
        assert.equal((await writer.ended).how, "killed");
        const bytes = world.machine.bytes(path);
        sizes.add(bytes.length);
        assert.ok(bytes.subarray(0, 2000).every((byte) => byte === 1));
      }),
      seed,
    );
    assert.equal(broke, undefined, JSON.stringify(broke));
  }
  assert.deepEqual([...sizes].toSorted(), [2000, 4000]);
});
