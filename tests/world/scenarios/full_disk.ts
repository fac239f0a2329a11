/** The disk is full for a while. Everybody is told, room can be made, then all is well again. */
import type { Act, RunningScenario, Scenario, ScenarioContext } from "./scenario.ts";
import { ask, insist, request } from "./calls.ts";
import type { Random } from "../types.ts";

const TOPIC = "heap";
const OLD = "attic";

function plan(random: Random): Act[] {
  const at = random.int(2000, 8000);
  return [
    { at: 0, act: "fill", args: { events: random.int(1, 5) } },
    { at, act: "full", args: { room: random.int(0, 40_000) } },
    { at: at + random.int(1000, 4000), act: "look", args: {} },
    { at: at + 6000, act: "make room", args: {} },
    { at: at + random.int(8000, 12_000), act: "free", args: {} },
  ];
}

function begin(context: ScenarioContext): RunningScenario {
  const { world } = context;
  const promise = "8. A full disk is reported, and the daemon recovers";
  const body = JSON.stringify({ type: "t", payload: "x".repeat(20_000) });
  let isFull = false;
  let turn = Promise.resolve();
  const publish = () => ask(context, (client) => client.publish(TOPIC, body));
  async function perform({ act, args }: Act): Promise<void> {
    if (act === "fill") {
      for (let i = 0; i < (args["events"] as number); i++) await publish();
      await ask(context, (client) => client.publish(OLD, body));
    } else if (act === "full") {
      world.machine.room(usedOn(context) + (args["room"] as number));
      for (let i = 0; i < 10 && !isFull; i++) {
        const answer = await publish();
        isFull = answer.is === "refused" && answer.error.code === "store/disk-full";
        if (answer.is === "lost") return;
      }
    } else if (act === "look" && isFull) {
      await publish();
      const health = await ask(context, (c) => request(c, { method: "GET", path: "/v1/health" }));
      if (health.is === "done" && health.value.status === 200) {
        world.violated(promise, "it refuses for want of room, and says that it is healthy");
      }
    } else if (act === "make room" && isFull) {
      const removed = await ask(context, (client) => client.removeTopic(OLD));
      if (removed.is === "refused" && removed.error.code === "store/disk-full") {
        world.violated(promise, "a topic could not be removed for want of room");
      }
    } else if (act === "free") {
      world.machine.room(undefined);
      isFull = false;
    }
  }
  return {
    act: (act) => turn = turn.then(() => perform(act)),
    async judge() {
      world.machine.room(undefined);
      await turn;
      await world.until(async () => (await publish()).is === "done", {
        what: promise,
        withinMs: 10_000,
      });
      await world.until(async () => {
        const { status } = await insist(
          context,
          (c) => request(c, { method: "GET", path: "/v1/health" }),
        );
        return status === 200;
      }, { what: promise, withinMs: 60_000, everyMs: 1000 });
    },
  };
}

/** The bytes that files take; databases lie elsewhere. */
function usedOn({ world: { machine }, daemon }: ScenarioContext): number {
  return machine.files(daemon.dataDir).filter((file) => !/\.db(?:-\w+)?$/.test(file))
    .reduce((sum, file) => sum + machine.bytes(file).length, 0);
}

export const fullDisk: Scenario = { name: "full disk", tolerates: [], store: "file", plan, begin };
