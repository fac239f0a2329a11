/** Publishers store several events of several keys, if those keys have none yet. */
import type { Act, RunningScenario, Scenario, ScenarioContext } from "./scenario.ts";
import { spread } from "./scenario.ts";
import { ask } from "./calls.ts";
import type { Random } from "../types.ts";

const TOPIC = "accounts";
const KEYS = ["a", "b", "c", "d", "e"];

function plan(random: Random): Act[] {
  return spread(random, {
    count: random.int(3, 12),
    act: () => ({
      act: "publish",
      args: {
        expected: random.pick(["none", "exists", "any"]),
        keys: Array.from({ length: random.int(1, 3) }, () => random.pick(KEYS)),
      },
    }),
  });
}

function begin(context: ScenarioContext): RunningScenario {
  /** How many events each key has; undefined: nobody knows. */
  const counts = new Map<string, number | undefined>(KEYS.map((key) => [key, 0]));
  let turn = Promise.resolve();
  async function publish({ args }: Act): Promise<void> {
    const keys = args["keys"] as string[];
    const expected = String(args["expected"]);
    const body = JSON.stringify(keys.map((key) => ({ type: "t", payload: 0, key })));
    const answer = await ask(context, (c) => c.publish(TOPIC, body, { query: { expected } }));
    const known = keys.map((key) => counts.get(key));
    if (answer.is === "lost") return keys.forEach((key) => void counts.set(key, undefined));
    if (answer.is === "refused") return;
    const isWrong = (count: number | undefined) =>
      expected === "none" ? (count ?? 0) > 0 : expected === "exists" && count === 0;
    if (known.some(isWrong)) {
      context.world.violated(
        "Concurrent writers of one version conflict",
        `stored ${keys} though ${expected} was expected, and they have ${known}`,
      );
    }
    for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return {
    act: (act) => turn = turn.then(() => publish(act)),
    judge: () => turn,
  };
}

export const expectations: Scenario = { name: "expectations", plan, begin };
