/** A handler waits for its own end. It is told so, and its event ends. */
import type { Act, RunningScenario, Scenario, ScenarioContext } from "./scenario.ts";
import { spread } from "./scenario.ts";
import { ask, insist } from "./calls.ts";
import { Consumer } from "./consumer.ts";
import type { Random } from "../types.ts";

const TOPIC = "knots";

function plan(random: Random): Act[] {
  return spread(random, {
    count: random.int(2, 6),
    act: () => ({ act: "publish", args: { wait: random.pick(["idle", "close", "nothing"]) } }),
  });
}

function begin(context: ScenarioContext): RunningScenario {
  const { world } = context;
  const consumer = new Consumer(context, {
    process: "knotted consumer",
    topic: TOPIC,
    handler: (broker) => async (event) => {
      const { wait } = event.payload as { wait: string };
      if (wait === "idle") await broker.idle();
      if (wait === "close") await broker.close();
    },
    subscription: { name: "knots", from: "start", maxRetries: 0 },
  });
  consumer.start();
  let published = 0;
  return {
    async act({ args }) {
      const body = JSON.stringify({ type: "t", payload: args });
      const answer = await ask(context, (client) => client.publish(TOPIC, body));
      if (answer.is === "done") published++;
    },
    async judge() {
      if (published > 0) {
        await world.until(async () => {
          const info = await insist(context, (client) => client.subscription("knots"));
          return info.pending + info.leased + info.scheduled === 0;
        }, { what: "A failing handler affects nobody else", withinMs: 25_000, everyMs: 500 });
      }
      consumer.end();
    },
  };
}

export const waitingHandlers: Scenario = { name: "waiting handlers", plan, begin };
