/** Lives of a few scenarios, which the machine disturbs as far as they tolerate it. */
import type { Json, Life, Plan, Random, Step, World } from "../types.ts";
import { ages } from "./ages.ts";
import { backups } from "./backups.ts";
import { cutLines } from "./cut_lines.ts";
import { damagedFiles } from "./damaged_files.ts";
import { deadLetters } from "./dead_letters.ts";
import { doctors } from "./doctors.ts";
import { durabilities } from "./durabilities.ts";
import { dyingHandlers } from "./dying_handlers.ts";
import { expectations } from "./expectations.ts";
import { followers } from "./followers.ts";
import { fullDisk } from "./full_disk.ts";
import type { Disturbance, RunningScenario, Scenario, ScenarioContext } from "./scenario.ts";
import { SPAN_MS } from "./scenario.ts";
import { lateRetries } from "./late_retries.ts";
import { lostFiles } from "./lost_files.ts";
import { numbers } from "./numbers.ts";
import { oddErrors } from "./odd_errors.ts";
import { parameters } from "./parameters.ts";
import { pauses } from "./pauses.ts";
import { payloads } from "./payloads.ts";
import { repairs } from "./repairs.ts";
import { restores } from "./restores.ts";
import { schemas } from "./schemas.ts";
import { spools } from "./spools.ts";
import { standingStill } from "./standing_still.ts";
import { streams } from "./streams.ts";
import { twoBrokers } from "./two_brokers.ts";
import { twoDaemons } from "./two_daemons.ts";
import { upgrades } from "./upgrades.ts";
import { waitingHandlers } from "./waiting_handlers.ts";

/** All scenarios. */
export const SCENARIOS: readonly Scenario[] = [
  ages,
  backups,
  cutLines,
  damagedFiles,
  deadLetters,
  doctors,
  durabilities,
  dyingHandlers,
  expectations,
  followers,
  fullDisk,
  lateRetries,
  lostFiles,
  numbers,
  oddErrors,
  parameters,
  pauses,
  payloads,
  repairs,
  restores,
  schemas,
  spools,
  standingStill,
  streams,
  twoBrokers,
  twoDaemons,
  upgrades,
  waitingHandlers,
];

const EVERYTHING: readonly Disturbance[] = ["kill", "stop", "clock", "network"];
const HOUR = 3_600_000;
/** How often somebody looks whether the daemon runs, ms. */
const SUPERVISED_MS = 10_000;

type Store = "file" | "sqlite";

/** Lives of one to three scenarios, which the seed picks. */
export const scenarios: Life = {
  name: "scenarios",
  plan(seed, random) {
    const first = random.pick(SCENARIOS);
    const store = storeOf(first, random);
    const others = SCENARIOS.filter((one) => !isAlone(one) && (one.store ?? store) === store);
    const chosen = new Set([first]);
    if (!isAlone(first)) {
      for (let i = random.int(0, 2); i > 0; i--) chosen.add(random.pick(others));
    }
    return planOf([...chosen], { seed, store, random });
  },
  run,
};

/** Lives of one scenario. Its seeds stay the same when there are more scenarios. */
export function lifeOf(name: string): Life {
  const scenario = SCENARIOS.find((one) => one.name === name);
  if (scenario === undefined) throw new Error(`there is no scenario ${name}`);
  const plan = (seed: number, random: Random) =>
    planOf([scenario], { seed, store: storeOf(scenario, random), random });
  return { name, plan, run };
}

/** One that tolerates nothing is alone: others would have to tolerate what it does. */
function isAlone({ tolerates }: Scenario): boolean {
  return tolerates?.length === 0;
}

function storeOf({ store }: Scenario, random: Random): Store {
  return store ?? random.pick(["file", "sqlite"]);
}

function planOf(
  chosen: readonly Scenario[],
  { seed, store, random }: { seed: number; store: Store; random: Random },
): Plan {
  const steps: Omit<Step, "id">[] = chosen.flatMap((scenario) =>
    scenario.plan(random).map((act) => ({ ...act, actor: scenario.name }))
  );
  const tolerated = EVERYTHING.filter((one) =>
    chosen.every(({ tolerates = EVERYTHING }) => tolerates.includes(one))
  );
  for (const one of tolerated) {
    for (let i = random.int(0, 3); i > 0; i--) steps.push(...disturbances(one, random));
  }
  steps.sort((a, b) => a.at - b.at);
  return {
    seed,
    settings: { store, scenarios: chosen.map(({ name }) => name) },
    steps: steps.map((step, id) => ({ ...step, id })),
  };
}

function disturbances(one: Disturbance, random: Random): Omit<Step, "id">[] {
  const at = random.int(1000, SPAN_MS);
  const machine = (after: number, act: string, args: { [name: string]: Json }) => ({
    at: at + after,
    actor: "machine",
    act,
    args,
  });
  const who = "daemon";
  switch (one) {
    case "kill":
      return [
        random.chance(0.7)
          ? machine(0, "kill", { who })
          : machine(0, "killAtDisk", { who, after: random.int(0, 20) }),
        { ...machine(random.int(50, 3000), "start", {}), actor: "operator" },
      ];
    case "stop":
      return [
        machine(0, "stop", { who }),
        machine(random.pick([300, 3000, 8000, 45_000]), "continue", { who }),
      ];
    case "clock": {
      const hours = random.pick([-24 * 30, -24, -1, 1, 24]);
      return [machine(0, "stepClock", { byMs: hours * HOUR })];
    }
    case "network":
      return [
        machine(0, "network", { pieceBytes: random.pick([1, 7, 100]), delayMs: [0, 20] }),
        machine(random.int(500, 5000), "network", {}),
      ];
  }
}

async function run(world: World, { settings, steps, seed }: Plan): Promise<void> {
  const store = settings["store"] as Store;
  const names = settings["scenarios"] as string[];
  const daemon = world.daemon({ store });
  if (await daemon.start() !== "ready") {
    world.violated("2. kill -9 loses nothing and invents nothing", "the first start failed");
  }
  const context: ScenarioContext = { world, daemon, store };
  const acting = new Map<string, RunningScenario>();
  for (const scenario of SCENARIOS) {
    if (names.includes(scenario.name)) acting.set(scenario.name, await scenario.begin(context));
  }
  let isOver = false;
  // A kill that waits for a call of the disk may come after the step that starts it again.
  const kills = steps.some(({ act }) => act === "kill" || act === "killAtDisk");
  const supervised = kills && (async () => {
    for (; !isOver; await world.sleep(SUPERVISED_MS)) await start(context);
  })();
  await world.perform({ seed, settings, steps }, async (step) => {
    const { actor, act, args } = step;
    world.note(actor, act, args);
    if (actor === "operator") await start(context);
    else await acting.get(actor)?.act(step);
  });
  isOver = true;
  await supervised;
  world.machine.clearFaults();
  world.machine.network({});
  daemon.process?.continue();
  await start(context);
  for (const one of acting.values()) await one.judge();
  await daemon.shutDown();
}

async function start({ world, daemon }: ScenarioContext): Promise<void> {
  if (daemon.process?.state !== "dead") return;
  const started = await daemon.start();
  if (started === "ready" || started.exit.how === "killed") return;
  world.violated("2. kill -9 loses nothing and invents nothing", `no start: ${started.said}`);
}
