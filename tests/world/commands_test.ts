/** Shows that the commands of evs run in a world: what they print, and what they do to its disk. */
import assert from "node:assert/strict";
import { runWorld } from "./engine/run.ts";
import type { Process, World } from "./types.ts";

async function inWorld(run: (world: World) => Promise<void>): Promise<string> {
  const life = {
    name: "test",
    usesCommands: true,
    plan: (seed: number) => ({ seed, settings: {}, steps: [] }),
    run,
  };
  const { broke, hash } = await runWorld(life, 1);
  assert.equal(broke, undefined, JSON.stringify(broke));
  return hash;
}

async function evs(world: World, args: string[], input?: string): Promise<string> {
  const process = world.evs(args, { input });
  const exit = await process.ended;
  assert.deepEqual(exit, { how: "exited", code: 0 }, `${args}: ${process.said}`);
  return process.output;
}

Deno.test("evs publishes, backs up, restores and examines in a world, twice in the same way", async () => {
  const run = async (world: World) => {
    const daemon = world.daemon();
    assert.equal(await daemon.start(), "ready");
    const backup = `${world.machine.root}/backup.tar`;
    await evs(world, ["publish", "orders", "placed", "--ndjson"], '{"n":1}\n{"n":2}\n');
    await evs(world, ["backup", backup]);
    await evs(world, ["publish", "orders", "placed", '{"n":3}']);
    assert.match(await evs(world, ["doctor"]), /1 topic, 3 events, all intact/);
    assert.equal((await daemon.shutDown()).how, "exited");
    await evs(world, ["restore", "--force", backup]);
    assert.equal(await daemon.start(), "ready");
    const events = (await evs(world, ["replay", "orders"])).trim().split("\n");
    assert.deepEqual(events.map((line) => JSON.parse(line).payload.n), [1, 2]);
    await evs(world, ["daemon", "stop"]);
    assert.deepEqual(await daemon.process!.ended, { how: "exited", code: 0 });
  };
  assert.equal(await inWorld(run), await inWorld(run));
});

Deno.test("a second daemon at a data dir is refused, and takes it when the first has died", async () => {
  await inWorld(async (world) => {
    const first = world.daemon();
    const second = world.daemon({ name: "second", socket: `${world.machine.socket}2` });
    assert.equal(await first.start(), "ready");
    const refused = await second.start();
    assert.match(refused === "ready" ? "ready" : refused.said, /another daemon uses the data dir/);
    first.process!.stop();
    assert.notEqual(await second.start(), "ready", "a stopped one still holds it");
    first.kill();
    assert.equal(await second.start(), "ready");
    assert.equal((await second.shutDown()).how, "exited");
  });
});

Deno.test("evs consume runs the programs of a world, and its guard ends those of one that is killed", async () => {
  const run = async (world: World) => {
    const daemon = world.daemon();
    await daemon.start();
    await evs(world, ["publish", "orders", "placed", "--ndjson"], "1\n2\n3\n");
    const handled: number[] = [];
    const ends: number[] = [];
    const path = `${world.machine.root}/handler`;
    world.program(path, async ({ input, env }) => {
      let text = "";
      for await (const piece of input) text += new TextDecoder().decode(piece);
      const n = Number(text);
      handled.push(n);
      if (n === 2 && env["EVS_ATTEMPT"] === "1") return 75;
      if (n === 3) await world.sleep(60_000);
      ends.push(n);
      return 0;
    });
    const flags = ["--name", "c", "--from", "start", "--concurrency", "2"];
    const consumer = world.evs(["consume", "orders", ...flags, "--", path]);
    await world.until(() => handled.includes(3) && ends.includes(2), {
      what: "events are handled, and retried",
      withinMs: 20_000,
    });
    consumer.kill();
    await world.sleep(5000);
    assert.equal(world.machine.processes.filter(isHandler).length, 0, "no handler is left");
    assert.deepEqual(ends.toSorted(), [1, 2], "the third did not come to its end");
    assert.equal((await daemon.shutDown()).how, "exited");
  };
  assert.equal(await inWorld(run), await inWorld(run));
});

function isHandler({ name, state }: Process): boolean {
  return name === "handler" && state !== "dead";
}
