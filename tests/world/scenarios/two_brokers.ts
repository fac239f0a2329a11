/** Two applications open one SQLite file: the second is told who has it. */
import { EvsError } from "../../../core/base/errors.ts";
import { SqliteEventStore } from "../../../core/store/sqlite/sqlite_event_store.ts";
import { EventBroker } from "../../../core/broker/event_broker.ts";
import type { Act, RunningScenario, Scenario, ScenarioContext } from "./scenario.ts";
import { spread } from "./scenario.ts";
import type { Random } from "../types.ts";

function plan(random: Random): Act[] {
  return spread(random, {
    count: random.int(2, 4),
    act: () => ({ act: "run", args: { events: random.int(1, 5), ms: random.int(500, 9000) } }),
  });
}

function begin({ world, daemon }: ScenarioContext): RunningScenario {
  const promise = "13. One daemon per data dir";
  const path = `${daemon.dataDir.replace(/\/[^/]*$/, "")}/shared.db`;
  let running = 0;
  let runs = 0;
  async function run({ events, ms }: { events: number; ms: number }): Promise<void> {
    let eventStore: SqliteEventStore;
    try {
      eventStore = new SqliteEventStore(path);
    } catch (error) {
      if (error instanceof EvsError && error.code === "datadir/locked") return;
      throw error;
    }
    if (running++ > 0) world.violated(promise, "two brokers opened one database");
    const broker = new EventBroker({ eventStore });
    for (let i = 0; i < events; i++) await broker.publish("t", "x", i);
    await new Promise<void>((resolve) => void setTimeout(resolve, ms));
    await broker.close();
    running--;
  }
  const ended: Promise<unknown>[] = [];
  return {
    act({ args }) {
      const { events, ms } = args as { events: number; ms: number };
      ended.push(world.spawn(`application ${++runs}`, () => run({ events, ms })).ended);
    },
    judge: async () => void await Promise.all(ended),
  };
}

export const twoBrokers: Scenario = { name: "two brokers", tolerates: ["clock"], plan, begin };
