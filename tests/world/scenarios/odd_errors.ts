/** Handlers throw whatever JavaScript lets anybody throw. Each event still ends somewhere. */
import type { Act, RunningScenario, Scenario, ScenarioContext } from "./scenario.ts";
import { spread } from "./scenario.ts";
import { ask, insist } from "./calls.ts";
import { Consumer } from "./consumer.ts";
import type { Json, Random } from "../types.ts";

/** What is thrown, by name. */
const THROWN: Record<string, () => unknown> = {
  nothing: () => undefined,
  "an object without a prototype": () => Object.create(null),
  "a toString that throws": () => ({
    toString() {
      throw new Error("no");
    },
  }),
  "a message that throws": () =>
    Object.defineProperty(new Error(), "message", {
      get() {
        throw new Error("no");
      },
    }),
  "a revoked proxy": () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    return proxy;
  },
  "a code": () => ({ code: 5 }),
};
const NAMES = Object.keys(THROWN);
const TOPIC = "odd";

function plan(random: Random): Act[] {
  return spread(random, {
    count: random.int(3, 10),
    act: (i) => ({ act: "publish", args: { n: i, thrown: random.pick([...NAMES, ""]) } }),
  });
}

function begin(context: ScenarioContext): RunningScenario {
  const consumer = new Consumer(context, {
    process: "odd consumer",
    topic: TOPIC,
    handler: () => (event) => {
      const { thrown } = event.payload as { thrown: string };
      if (thrown !== "") throw THROWN[thrown]!();
    },
    subscription: { name: "odd", from: "start", maxRetries: 1, retryDelay: 50 },
  });
  consumer.start();
  const wanted = new Set<Json>();
  return {
    async act({ args: { n, thrown } }) {
      const body = JSON.stringify({ type: "t", payload: { n, thrown } });
      const answer = await ask(context, (client) => client.publish(TOPIC, body));
      if (answer.is === "done" && thrown !== "") wanted.add(n!);
    },
    async judge() {
      const { world } = context;
      if (wanted.size === 0) return consumer.end();
      await world.until(async () => {
        const { pending, leased, scheduled } = await insist(context, (c) => c.subscription("odd"));
        return pending + leased + scheduled === 0;
      }, { what: "A failing handler affects nobody else", withinMs: 120_000, everyMs: 1000 });
      consumer.end();
      const reply = await insist(context, (client) => client.deadLetters({ full: "1" }));
      const dead = (await reply.text()).split("\n").filter(Boolean).map((line) => JSON.parse(line))
        .filter((letter) => letter.topic === TOPIC);
      const found = new Set(dead.map((letter) => letter.event.payload.n));
      for (const n of wanted) {
        if (!found.has(n)) {
          world.violated("A failing handler affects nobody else", `${n} is no dead letter`);
        }
      }
      const empty = dead.find(({ reason }) => reason === "[object Object]" || reason === "");
      if (empty) world.violated("A failing handler affects nobody else", `reason: ${empty.reason}`);
    },
  };
}

export const oddErrors: Scenario = { name: "odd errors", plan, begin };
