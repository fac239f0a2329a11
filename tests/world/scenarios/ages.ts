/** A topic keeps its events for a while, by when they were stored, not by their timestamps. */
import type { Act, RunningScenario, Scenario, ScenarioContext } from "./scenario.ts";
import { SPAN_MS, spread } from "./scenario.ts";
import { ask, insist } from "./calls.ts";
import type { Random } from "../types.ts";

const TOPIC = "aging";
const AGE_MS = 60_000;

function plan(random: Random): Act[] {
  return spread(random, {
    count: random.int(2, 8),
    act: () => ({ act: "publish", args: { micro: random.chance(0.3) } }),
  });
}

async function begin(context: ScenarioContext): Promise<RunningScenario> {
  const { world } = context;
  const promise = "28. Clock changes and suspends affect no timer";
  await insist(context, (client) => client.createTopic(TOPIC, { retentionPeriod: AGE_MS }));
  const seqs: number[] = [];
  return {
    async act({ args: { micro } }) {
      const timestamp = Date.now() * (micro ? 1000 : 1);
      const body = JSON.stringify({ type: "t", payload: 0, timestamp });
      const answer = await ask(context, (client) => client.publish(TOPIC, body));
      if (answer.is === "done") seqs.push(answer.value.lastSeq);
    },
    async judge() {
      if (seqs.length === 0) return;
      if (world.now() < AGE_MS - SPAN_MS) {
        const { firstSeq } = await insist(context, (client) => client.topic(TOPIC));
        if (firstSeq > 1) world.violated(promise, `events up to ${firstSeq} went too early`);
      }
      await world.until(async () => {
        const { firstSeq, lastSeq } = await insist(context, (client) => client.topic(TOPIC));
        return firstSeq > lastSeq;
      }, { what: promise, withinMs: 6 * AGE_MS, everyMs: 5000 });
    },
  };
}

// Not kills: a clock that is put forward while the daemon is down looks like time that passed.
export const ages: Scenario = {
  name: "ages",
  tolerates: ["stop", "clock", "network"],
  plan,
  begin,
};
