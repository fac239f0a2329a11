/** Somebody misspells a parameter that was to spare something. Nothing is done. */
import type { Act, RunningScenario, Scenario, ScenarioContext } from "./scenario.ts";
import { spread } from "./scenario.ts";
import { ask, insist, request } from "./calls.ts";
import type { Random } from "../types.ts";

const TOPIC = "precious";
const PATHS = [
  ["DELETE", `/v1/topics/${TOPIC}`],
  ["DELETE", "/v1/subscriptions/precious"],
  ["POST", "/v1/subscriptions/precious/pause"],
] as const;

function plan(random: Random): Act[] {
  return spread(random, {
    count: random.int(1, 4),
    act: () => ({
      act: "ask",
      args: {
        which: random.int(0, PATHS.length - 1),
        parameter: random.pick(["dryRun", "dry_run", "versoin"]),
      },
    }),
  });
}

async function begin(context: ScenarioContext): Promise<RunningScenario> {
  await insist(context, (client) => client.createTopic(TOPIC, {}));
  await insist(context, (client) => client.putSubscription("precious", { topic: TOPIC }));
  const promise = "Every request gets an answer";
  return {
    async act({ args }) {
      const [method, path] = PATHS[args["which"] as number]!;
      const query = { [String(args["parameter"])]: "1" };
      const answer = await ask(context, (client) => request(client, { method, path, query }));
      if (answer.is !== "done" || [400, 503].includes(answer.value.status)) return;
      const said = `${answer.value.status} for ${method} ${path}?${args["parameter"]}=1`;
      context.world.violated(promise, said);
    },
    async judge() {
      const { paused } = await insist(context, (client) => client.subscription("precious"));
      if (paused) context.world.violated(promise, "it was done");
    },
  };
}

export const parameters: Scenario = { name: "parameters", plan, begin };
