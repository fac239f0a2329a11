/** An application publishes values that JSON cannot hold, or that are too large. It is told so. */
import { EventBroker } from "../../../core/broker/event_broker.ts";
import { EvsError } from "../../../core/base/errors.ts";
import type { Broker } from "../../../core/broker/broker.ts";
import type { Act, RunningScenario, Scenario, ScenarioContext } from "./scenario.ts";
import { spread } from "./scenario.ts";
import { connected } from "./consumer.ts";
import type { Random } from "../types.ts";

const TOPIC = "values";

/** Values, and whether they can be stored as they are. */
const VALUES: Record<string, () => unknown> = {
  "a Map": () => new Map([["a", 1]]),
  "a Set": () => ({ deep: [new Set([1])] }),
  "NaN": () => ({ total: NaN }),
  "bytes": () => new Uint8Array(4),
  "a lot": () => "x".repeat(1_100_000),
  "a lot of metadata": () => ({ fits: true }),
  "an object": () => ({ fits: true, n: [1, "2", null] }),
};

function plan(random: Random): Act[] {
  return spread(random, {
    count: random.int(2, 6),
    act: () => ({
      act: "publish",
      args: { value: random.pick(Object.keys(VALUES)), remote: random.chance(0.5) },
    }),
  });
}

function begin(context: ScenarioContext): RunningScenario {
  const { world, daemon } = context;
  const promise = "Each kind of bad input has its error";
  const local = new EventBroker();
  let remote: Promise<Broker> | undefined;
  return {
    async act({ args }) {
      const name = String(args["value"]);
      const broker = args["remote"] ? await (remote ??= connected(daemon.socket)) : local;
      const payload = VALUES[name]!();
      const metadata = name === "a lot of metadata" ? { note: "x".repeat(1_100_000) } : {};
      const fits = name === "an object";
      try {
        await broker.publish(TOPIC, "t", payload, metadata);
        if (!fits) world.violated(promise, `${name} was taken`);
      } catch (error) {
        if (!(error instanceof EvsError)) throw error;
        if (fits && /^event\//.test(error.code)) world.violated(promise, `refused: ${error}`);
      }
    },
    async judge() {
      await local.close();
      await (await remote)?.close();
    },
  };
}

// Not the network: large events in small pieces take for ever.
export const payloads: Scenario = {
  name: "payloads",
  tolerates: ["kill", "stop", "clock"],
  plan,
  begin,
};
