/** An operator pauses a subscription. It stays paused, however often its consumer is started. */
import type { Act, RunningScenario, Scenario, ScenarioContext } from "./scenario.ts";
import { spread } from "./scenario.ts";
import { ask, insist } from "./calls.ts";
import { Consumer } from "./consumer.ts";
import type { Random } from "../types.ts";

const TOPIC = "bills";
const NAME = "billing";

function plan(random: Random): Act[] {
  return spread(random, {
    count: random.int(5, 20),
    act: (i) => ({
      act: i < 2 ? "publish" : random.pick(["publish", "pause", "restart", "resume"]),
      args: { n: i },
    }),
  });
}

function begin(context: ScenarioContext): RunningScenario {
  const { world } = context;
  /** Since when it is surely paused; undefined: it is not, or may not be. */
  let pausedAt: number | undefined;
  const consumer = new Consumer(context, {
    process: "billing consumer",
    topic: TOPIC,
    handler: () => () => {
      // What had been leased before the pause may begin a moment later.
      if (pausedAt === undefined || world.now() < pausedAt + 2000) return;
      world.violated("5. At least once", "a paused subscription was delivered to");
    },
    subscription: { name: NAME, from: "start" },
  });
  consumer.start();
  let turn = Promise.resolve();
  return {
    // One after the other: an operator waits for an answer before the next command.
    act: (act) => turn = turn.then(() => perform(act)),
    async judge() {
      await turn;
      await world.sleep(5000);
      if (pausedAt !== undefined) {
        await insist(context, (c) => c.publish(TOPIC, JSON.stringify({ type: "t", payload: {} })));
        await world.sleep(3000);
        const { paused } = await insist(context, (client) => client.subscription(NAME));
        if (!paused) world.violated("5. At least once", "a person's pause was undone");
      }
      consumer.end();
    },
  };
  async function perform({ act, args }: Act): Promise<void> {
    if (act === "publish") {
      await ask(context, (c) => c.publish(TOPIC, JSON.stringify({ type: "t", payload: args })));
    } else if (act === "restart") consumer.kill();
    else if (act === "pause") {
      const answer = await ask(context, (client) => client.pauseSubscription(NAME));
      if (answer.is === "done") pausedAt ??= world.now();
    } else {
      pausedAt = undefined;
      await ask(context, (client) => client.resumeSubscription(NAME));
      // A pause that was under way at the same time may have come first.
      pausedAt = undefined;
    }
  }
}

export const pauses: Scenario = { name: "pauses", plan, begin };
