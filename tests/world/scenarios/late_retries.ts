/** A handler fails at first. Its retry comes when its wait is over, whatever clocks say. */
import type { Act, RunningScenario, Scenario, ScenarioContext } from "./scenario.ts";
import { spread } from "./scenario.ts";
import { ask } from "./calls.ts";
import { Consumer } from "./consumer.ts";
import type { Random } from "../types.ts";

const TOPIC = "flaky";

function plan(random: Random): Act[] {
  return spread(random, {
    count: random.int(4, 10),
    act: (i) => ({ act: "publish", args: { n: i, fails: random.int(0, 2) } }),
  });
}

function begin(context: ScenarioContext): RunningScenario {
  const { world } = context;
  const runs = new Map<number, number>();
  const done = new Set<number>();
  const stored = new Set<number>();
  const consumer = new Consumer(context, {
    process: "flaky consumer",
    topic: TOPIC,
    handler: () => (event) => {
      const { n, fails } = event.payload as { n: number; fails: number };
      runs.set(n, (runs.get(n) ?? 0) + 1);
      if (runs.get(n)! <= fails) throw new Error("not yet");
      done.add(n);
    },
    subscription: { name: "flaky", from: "start", maxRetries: 10, retryDelay: 4000 },
  });
  consumer.start();
  return {
    async act({ args: { n, fails } }) {
      const body = JSON.stringify({ type: "t", payload: { n, fails } });
      const answer = await ask(context, (client) => client.publish(TOPIC, body));
      if (answer.is === "done") stored.add(n as number);
    },
    async judge() {
      await world.until(() => [...stored].every((n) => done.has(n)), {
        what: "28. Clock changes and suspends affect no timer",
        withinMs: 300_000,
        everyMs: 500,
      });
      consumer.end();
    },
  };
}

export const lateRetries: Scenario = { name: "late retries", plan, begin };
