/**
 * Random lives with the real daemon: publishers, consumers, readers and operators over its socket,
 * and whatever happens to machine, network and processes. What they see is judged by tests/world/
 * judges.
 */
import { Client } from "../../../core/client/client.ts";
import { Judging } from "../judges/all.ts";
import type { Life, Plan, Random, Step, World } from "../types.ts";
import { actOf } from "./act.ts";
import { Chaos } from "./chaos.ts";
import { Consuming } from "./consuming.ts";
import { diagnose, endingOf, settle } from "./ending.ts";
import type { Ending } from "./fact.ts";
import { Operating } from "./operating.ts";
import { planLife } from "./plan.ts";
import { Publishing } from "./publishing.ts";
import { Recorder } from "./recorder.ts";
import { factText } from "./story.ts";
import { Supervisor } from "./supervisor.ts";
import { WorldPlace } from "./world_place.ts";

/** How long the first things take after everything has healed, ms. */
const HEALED_MS = 2_000;

/** How long a daemon may be away when all faults are over, ms. */
const START_MS = 60_000;

async function run(world: World, plan: Plan): Promise<void> {
  const place = new WorldPlace(world);
  const judging = new Judging();
  const recorder = new Recorder(place, judging);
  recorder.onFact = (fact) => {
    world.note(...factText(fact));
    if (fact.is === "asked" && fact.request.to === "publish") {
      world.count("events", fact.request.events.length);
    } else if (fact.is === "began") world.count("deliveries");
  };
  const daemon = world.daemon({ store: plan.settings["store"] as "file" });
  const supervisor = new Supervisor(daemon, { world, recorder });
  const chaos = new Chaos({ world, place, recorder, supervisor });
  const publishing = new Publishing(recorder);
  const consuming = new Consuming(recorder);
  const operating = new Operating(recorder);
  await supervisor.run();
  await world.perform(plan, async (step: Step) => {
    const act = actOf(step);
    if (step.actor === "chaos") return await chaos.act(act);
    // Some wait for long, and a tail for ever.
    void place.as(step.actor, async (access) => {
      await publishing.act(act, access);
      await consuming.act(act, access);
      await operating.act(act, access);
    });
  });
  chaos.calm();
  await world.until(() => daemon.isReady, {
    what: "the daemon starts when all faults are over (9. Damage is detected, reported and kept)",
    withinMs: START_MS,
  });
  await world.sleep(HEALED_MS);
  await settle(place, { recorder, consuming });
  const ending = await endOf(world, { place, recorder, supervisor });
  world.count("dead letters", ending.dead.length);
  const [first, ...others] = judging.end(ending);
  if (!first) return;
  for (const { judge, what } of others.slice(0, 20)) world.note("judge", `${judge}: ${what}`);
  world.violated(`${first.judge} (${first.promise})`, first.what);
}

interface Living {
  place: WorldPlace;
  recorder: Recorder;
  supervisor: Supervisor;
}

/** What is there at the end, while the daemon runs, when it has stopped, and when it runs again. */
async function endOf(world: World, living: Living): Promise<Ending> {
  const { supervisor: { daemon } } = living;
  const ending = await now(world, living);
  const found = await inProcess(world, "doctor", async () => {
    using client = new Client({ socket: daemon.socket });
    return await diagnose(daemon, client);
  });
  const exit = await living.supervisor.stop();
  if (exit.how !== "exited" || exit.code !== 0) {
    world.violated("19. SIGTERM drains", `the daemon ended with ${JSON.stringify(exit)}`);
  }
  const later = await inProcess(world, "doctor", () => diagnose(daemon, undefined));
  const started = await daemon.start();
  if (started !== "ready") {
    world.violated("2. kill -9 loses nothing and invents nothing", `no start: ${started.said}`);
  }
  const again = await now(world, living);
  return { ...ending, damage: [...ending.damage, ...found, ...later], again };
}

/** What is there. */
async function now(world: World, { place, recorder }: Living): Promise<Ending> {
  const { machine } = world;
  const files = () =>
    new Map(machine.files(machine.dataDir).map((path) => [path, machine.bytes(path)]));
  let ending: Ending | undefined;
  let failure: unknown;
  await place.as("judge", async (access) => {
    try {
      ending = await endingOf(access, { place, recorder, files });
    } catch (error) {
      failure = error;
    }
  });
  if (ending) return ending;
  throw failure ?? new Error("the judge's process ended");
}

async function inProcess<T>(world: World, name: string, work: () => Promise<T>): Promise<T> {
  let result: { value: T } | undefined;
  const { ended } = world.spawn(name, async () => void (result = { value: await work() }));
  const exit = await ended;
  if (result) return result.value;
  throw exit.how === "threw" ? exit.error : new Error(`${name} ${exit.how}`);
}

/** See above. */
export const randomLife: Life = {
  name: "random",
  plan: (seed: number, random: Random) => planLife(seed, random),
  run,
};
