/**
 * Random lives with the real daemon: publishers, consumers, readers and operators over its socket,
 * and whatever happens to machine, network and processes. What they see is judged by tests/world/
 * judges.
 */
import { Judging } from "../judges/all.ts";
import type { Life, Plan, Random, Step, World } from "../types.ts";
import { actOf } from "./act.ts";
import { Chaos } from "./chaos.ts";
import { Consuming } from "./consuming.ts";
import { endingOf, settle } from "./ending.ts";
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
  await world.sleep(HEALED_MS);
  await settle(place, { recorder, consuming });
  const ending = await judged(world, { place, recorder });
  world.count("dead letters", ending.dead.length);
  const [first, ...others] = judging.end(ending);
  if (!first) return;
  for (const { judge, what } of others.slice(0, 20)) world.note("judge", `${judge}: ${what}`);
  world.violated(`${first.judge} (${first.promise})`, first.what);
}

/** What is there at the end. */
async function judged(
  world: World,
  { place, recorder }: { place: WorldPlace; recorder: Recorder },
): Promise<Ending> {
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

/** See above. */
export const randomLife: Life = {
  name: "random",
  plan: (seed: number, random: Random) => planLife(seed, random),
  run,
};
