/** Somebody follows a topic that keeps few events. What was deleted first is told, not skipped. */
import { isGone } from "../../../core/client/consumer/port.ts";
import { Client } from "../../../core/client/client.ts";
import { splitLines } from "../../../core/client/connection.ts";
import type { Act, RunningScenario, Scenario, ScenarioContext } from "./scenario.ts";
import { spread } from "./scenario.ts";
import { ask, insist } from "./calls.ts";
import type { Random } from "../types.ts";

const TOPIC = "news";
const RS = "\x1e";

function plan(random: Random): Act[] {
  const published = spread(random, {
    count: random.int(5, 20),
    act: () => ({ act: "publish", args: { count: random.int(1, 30) } }),
  });
  const followed = spread(random, {
    count: random.int(1, 3),
    act: () => ({
      act: "follow",
      args: { from: random.pick(["start", "1"]), pauseMs: random.pick([0, 300, 1000]) },
    }),
  });
  return [...published, ...followed];
}

async function begin(context: ScenarioContext): Promise<RunningScenario> {
  const { world, daemon } = context;
  await insist(context, (client) => client.createTopic(TOPIC, { maxEvents: 5 }));
  const over = new AbortController();
  async function follow(from: string, pauseMs: number): Promise<void> {
    using client = new Client({ socket: daemon.socket });
    const { signal } = over;
    // From `start`, the first event may be any.
    let next = from === "start" ? undefined : Number(from);
    try {
      const query = { topic: [TOPIC], from, follow: "1", missed: "1" };
      const response = await client.read(query, { signal });
      for await (const bytes of splitLines(response.body())) {
        const line = new TextDecoder().decode(bytes).trim();
        if (line === "") continue;
        if (line.startsWith(RS)) {
          const { missed } = JSON.parse(line.slice(1));
          next = missed.to + 1;
          continue;
        }
        const { seq } = JSON.parse(line);
        if (next !== undefined && seq !== next) {
          world.violated(
            "5. At least once",
            `a follower of ${next} got ${seq}, and was told nothing`,
          );
        }
        next = seq + 1;
        // Slower than what is published: it fills the socket.
        if (pauseMs > 0) await world.sleep(pauseMs);
      }
    } catch (error) {
      if (!isGone(error) && !signal.aborted) throw error;
    }
  }
  return {
    async act({ act, args }) {
      if (act === "follow") return void follow(String(args["from"]), args["pauseMs"] as number);
      const one = { type: "t", payload: "x".repeat(20_000) };
      const body = JSON.stringify(Array.from({ length: args["count"] as number }, () => one));
      await ask(context, (client) => client.publish(TOPIC, body));
    },
    async judge() {
      await world.sleep(20_000);
      over.abort(new Error("over"));
    },
  };
}

// Not the network: large events in small pieces take for ever.
export const followers: Scenario = {
  name: "followers",
  tolerates: ["kill", "stop", "clock"],
  plan,
  begin,
};
