/** Handlers kill their own process. Their events are not delivered for ever. */
import type { Act, RunningScenario, Scenario, ScenarioContext } from "./scenario.ts";
import { spread } from "./scenario.ts";
import { ask, insist } from "./calls.ts";
import { Consumer } from "./consumer.ts";
import type { Random } from "../types.ts";

const TOPIC = "poison";
const MOST = 3;

function plan(random: Random): Act[] {
  return spread(random, {
    count: random.int(2, 6),
    act: (i) => ({ act: "publish", args: { n: i, dies: i === 0 || random.chance(0.3) } }),
  });
}

function begin(context: ScenarioContext): RunningScenario {
  const { world } = context;
  const runs = new Map<number, number>();
  const consumer: Consumer = new Consumer(context, {
    process: "dying consumer",
    topic: TOPIC,
    handler: () => async (event) => {
      const { n, dies } = event.payload as { n: number; dies: boolean };
      runs.set(n, (runs.get(n) ?? 0) + 1);
      await new Promise<void>((resolve) => void setTimeout(resolve, 20));
      if (!dies) return;
      consumer.kill();
      await new Promise<never>(() => {});
    },
    subscription: { name: "poison", from: "start", maxRetries: 1, maxDeliveries: MOST },
  });
  consumer.start();
  const dying = new Set<number>();
  return {
    async act({ args: { n, dies } }) {
      const body = JSON.stringify({ type: "t", payload: { n, dies } });
      const answer = await ask(context, (client) => client.publish(TOPIC, body));
      if (answer.is === "done" && dies) dying.add(n as number);
    },
    async judge() {
      const promise = "29. Deliveries that are never answered are counted";
      await world.until(async () => {
        if (dying.size === 0) return true;
        const info = await insist(context, (client) => client.subscription("poison"));
        return info.pending + info.leased + info.scheduled === 0;
      }, { what: promise, withinMs: 120_000, everyMs: 1000 });
      consumer.end();
      const most = Math.max(0, ...[...dying].map((n) => runs.get(n) ?? 0));
      // A kill of the daemon may cost a count each time.
      if (most > 4 * MOST) world.violated(promise, `an event began ${most} times`);
    },
  };
}

export const dyingHandlers: Scenario = { name: "dying handlers", plan, begin };
