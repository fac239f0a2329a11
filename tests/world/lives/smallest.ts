/**
 * The smallest life that has everything: a daemon, a publisher over its socket, kills and restarts;
 * at the end everything that was acknowledged is there, in order, once.
 */
import { connect } from "../../../core/client/broker/connect.ts";
import { Client } from "../../../core/client/client.ts";
import type { Life, Plan, Random, Step, World } from "../types.ts";

const TOPIC = "orders";

function plan(seed: number, random: Random): Plan {
  const steps: Step[] = [];
  const step = (at: number, actor: string, act: string, args: Step["args"] = {}) =>
    void steps.push({ id: steps.length, at, actor, act, args });
  for (let n = 0; n < 20; n++) step(random.int(50, 3000), "publisher", "publish", { n });
  for (let kills = random.int(0, 2); kills > 0; kills--) {
    const at = random.int(200, 2500);
    const how = random.pick(["kill", "killAtDisk", "stop", "powerCut"] as const);
    const after = random.int(0, 9);
    step(at, "machine", how, how === "powerCut" ? {} : { who: "daemon", after });
    if (how === "stop") step(at + random.int(10, 2000), "machine", "continue", { who: "daemon" });
  }
  return { seed, settings: { store: random.pick(["file", "sqlite"]) }, steps };
}

async function run(world: World, plan: Plan): Promise<void> {
  const daemon = world.daemon({ store: plan.settings["store"] as "file" });
  const acknowledged = new Map<number, number>();
  const publish = (n: number) =>
    world.spawn(`publisher ${n}`, async () => {
      await using broker = await connect({ socket: daemon.socket, onNotice: () => {} });
      const { seq } = await broker.publish(TOPIC, "placed", { n });
      acknowledged.set(n, seq!);
      world.count("events");
    });
  await daemon.start();
  const published: Promise<unknown>[] = [];
  await world.perform(plan, ({ args }) => {
    published.push(publish(args["n"] as number).ended);
  });
  world.machine.clearFaults();
  await daemon.start();
  daemon.process?.continue();
  await Promise.all(published);
  using client = new Client({ socket: daemon.socket });
  const stored: number[] = [];
  for await (const line of (await client.read({ topic: [TOPIC], from: "start" })).lines()) {
    const { seq, payload } = JSON.parse(new TextDecoder().decode(line));
    stored[seq] = payload.n;
  }
  for (const [n, seq] of acknowledged) {
    if (stored[seq] === n) continue;
    world.violated("an acknowledged event is never lost", `${n} was at ${seq}: ${stored}`);
  }
  const exit = await daemon.shutDown();
  if (exit.how !== "exited" || exit.code !== 0) {
    world.violated("a daemon stops when it is asked to", JSON.stringify(exit));
  }
}

/** See above. */
export const smallestLife: Life = { name: "smallest", plan, run };
