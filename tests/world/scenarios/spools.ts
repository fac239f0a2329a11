/**
 * Somebody publishes with `--spool` while the daemon is away, is killed and takes in what waits.
 * What was accepted is stored once, and what was spooled in its order.
 */
import { systemClock } from "../../../core/base/clock.ts";
import { Client } from "../../../core/client/client.ts";
import { isAway } from "../../../commands/publisher/recovery.ts";
import { SpoolWriter } from "../../../commands/spool/writer.ts";
import type { Random } from "../types.ts";
import { insist } from "./calls.ts";
import { type Cut, drawCut, runCut } from "./cuts.ts";
import type { Act, RunningScenario, Scenario, ScenarioContext } from "./scenario.ts";
import { spread } from "./scenario.ts";

const TOPIC = "orders";
const PROMISE = "What no daemon took is published once";
const encoder = new TextEncoder();

function plan(random: Random): Act[] {
  const published = spread(random, {
    count: random.int(5, 20),
    act: (n) => ({ act: "publish", args: { n, ...drawCut(random, 6) } }),
  });
  const away = spread(random, {
    count: random.int(1, 4),
    act: () => ({
      act: "away",
      args: {
        how: random.pick(["stop", "kill", "kill at disk", "power cut"]),
        // Calls in the spool that a daemon makes when it takes it in.
        after: random.int(0, 6),
        forMs: random.pick([100, 2000, 6000]),
      },
    }),
  });
  return [...published, ...away];
}

class Spools implements RunningScenario {
  readonly #context: ScenarioContext;
  /** Publishers run one after the other. */
  #turn = Promise.resolve();
  /** Every event, and what its publisher was told. */
  readonly #told = new Map<number, "nothing" | "stored" | "spooled">();
  readonly #order: number[] = [];

  constructor(context: ScenarioContext) {
    this.#context = context;
  }

  act({ act, args }: Act): Promise<void> {
    if (act === "away") {
      return this.#away(args as { how: string; after: number; forMs: number });
    }
    return this.#turn = this.#turn.then(() => this.#run(args as unknown as Cut & { n: number }));
  }

  async #run({ n, ...cut }: Cut & { n: number }): Promise<void> {
    const { world, daemon } = this.#context;
    this.#told.set(n, "nothing");
    const program = () => this.#publish(n);
    const exit = await runCut(world, { name: "publisher", path: "/spool/.new-", cut, program });
    if (exit.how === "threw") world.violated(PROMISE, `event ${n} was refused: ${exit.error}`);
    if (daemon.process?.state === "dead" && cut.how === "power cut") await this.#start();
  }

  /** As `evs publish --spool` does it: its id is fixed before the first attempt. */
  async #publish(n: number): Promise<void> {
    const { socket, dataDir } = this.#context.daemon;
    const query = { type: "t", id: `o${n}` };
    using client = new Client({ socket });
    try {
      await client.publish(TOPIC, `${n}`, { query });
      this.#told.set(n, "stored");
      return;
    } catch (error) {
      if (!isAway(error)) throw error;
    }
    const folder = `${dataDir}/spool`;
    const writer = new SpoolWriter({
      place: {
        folder,
        isNamed: false,
        folders: [folder],
        dataDir,
        maxBytes: 1 << 20,
        maxEvents: 1000,
      },
      paths: { dataDir, socket, config: `${dataDir}.toml`, chosen: "data-dir" },
      clock: systemClock,
    });
    const request = { at: Date.now(), topic: TOPIC, query };
    await writer.put({ request, body: encoder.encode(`${n}\n`) }, 1);
    this.#told.set(n, "spooled");
    this.#order.push(n);
  }

  async #away(
    { how, after, forMs }: { how: string; after: number; forMs: number },
  ): Promise<void> {
    const { world, world: { machine }, daemon } = this.#context;
    if (how === "stop") await daemon.shutDown();
    else if (how === "power cut") machine.powerCut();
    else daemon.kill();
    await world.sleep(forMs);
    if (how === "kill at disk" && daemon.process?.state === "dead") {
      // It dies while it takes in what waits.
      machine.fault({ kind: "kill", path: "/spool/0", after });
      await daemon.start();
      await world.sleep(100);
      machine.clearFaults();
    }
    await this.#start();
  }

  async #start(): Promise<void> {
    const { world, daemon } = this.#context;
    if (daemon.process?.state !== "dead") return;
    const started = await daemon.start();
    if (started === "ready" || started.exit.how === "killed") return;
    world.violated(PROMISE, `it did not start: ${started.said}`);
  }

  async judge(): Promise<void> {
    const { world, world: { machine }, daemon } = this.#context;
    await this.#turn;
    world.count("spooled events", this.#order.length);
    await this.#start();
    const waiting = () =>
      machine.files(`${daemon.dataDir}/spool`).filter((path) => path.endsWith(".spool"));
    await world.until(() => waiting().length === 0, { what: PROMISE, withinMs: 120_000 });
    const text = await insist(
      this.#context,
      async (client) => await (await client.read({ topic: [TOPIC] })).text(),
    );
    const there = text.split("\n").filter((line) => line.includes('"payload"'))
      .map((line) => JSON.parse(line).payload as number);
    for (const [n, told] of this.#told) {
      const times = there.filter((one) => one === n).length;
      if (times > 1 || times < 1 && told !== "nothing") {
        world.violated(PROMISE, `event ${n}, of which ${told} was told, is there ${times} times`);
      }
    }
    const order = this.#order.map((n) => there.indexOf(n));
    if (order.some((at, i) => at < (order[i - 1] ?? -1))) {
      world.violated(PROMISE, `spooled ${this.#order}, and stored as ${there}`);
    }
  }
}

export const spools: Scenario = {
  name: "spools",
  tolerates: [],
  plan,
  begin: (context) => new Spools(context),
};
