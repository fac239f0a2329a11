/**
 * Files of the data dir are damaged while the daemon is down, and `evs doctor` looks at them, before
 * the start and after it. It changes nothing; where something is no longer served as it was
 * acknowledged, or the daemon does not start, it has found damage; and what is accepted is quiet.
 */
import { Client } from "../../../core/client/client.ts";
import { diagnose } from "../lives/ending.ts";
import type { Json, Machine, Random } from "../types.ts";
import { ask, insist } from "./calls.ts";
import type { Act, RunningScenario, Scenario, ScenarioContext } from "./scenario.ts";

const TOPIC = "records";
const NAME = "archive";
const FOUND = "9. Damage is detected, reported and kept";
const CHANGED = "evs doctor changes nothing";
/** Texts in the paths of what is damaged. */
const PATHS = [
  "events.db",
  "events/",
  ".ndjson",
  ".index",
  "/head",
  "state.db",
  "-wal",
  "watermarks",
];
const KINDS = ["flip", "flip", "zero", "cut", "take"] as const;
const SECTOR = 512;

function plan(random: Random): Act[] {
  return [
    {
      at: 0,
      act: "fill",
      args: {
        count: random.int(1, 20),
        bytes: random.pick([10, 300, 5000]),
        dead: random.int(0, 3),
      },
    },
    {
      at: 3000,
      act: "damage",
      args: {
        kind: random.pick(KINDS),
        path: random.pick(PATHS),
        nth: random.next(),
        at: random.next(),
        bit: random.int(0, 7),
        kills: random.chance(0.5),
      },
    },
  ];
}

interface Damage {
  kind: typeof KINDS[number];
  path: string;
  nth: number;
  at: number;
  bit: number;
  kills: boolean;
}

class Doctors implements RunningScenario {
  readonly #context: ScenarioContext;
  readonly #stored = new Map<number, { seq: number; text: string }>();
  #dead = 0;
  #turn = Promise.resolve();

  constructor(context: ScenarioContext) {
    this.#context = context;
  }

  act({ act, args }: Act): Promise<void> {
    return this.#turn = this.#turn.then(() =>
      act === "fill" ? this.#fill(args) : this.#damage(args as unknown as Damage)
    );
  }

  judge(): Promise<void> {
    return this.#turn;
  }

  async #fill({ count, bytes, dead }: { [name: string]: Json }): Promise<void> {
    const settings = { maxRetries: 0 };
    await insist(
      this.#context,
      (client) => client.putSubscription(NAME, { topic: TOPIC, from: "start", settings }),
    );
    for (let n = 1; n <= Number(count); n++) {
      const text = `${n} ${"x".repeat(Number(bytes))}`;
      const body = JSON.stringify({ type: "t", payload: { n, text } });
      const answer = await ask(this.#context, (client) => client.publish(TOPIC, body));
      if (answer.is === "done") this.#stored.set(n, { seq: answer.value.lastSeq, text });
    }
    if (dead === 0) return;
    await insist(this.#context, async (client) => {
      const { deliveries } = await client.lease(NAME, { max: Number(dead) });
      await client.nack(NAME, {
        deliveries: deliveries.map(({ lease }) => ({ lease, dead: true, error: "no" })),
      });
      this.#dead = deliveries.length;
    });
  }

  async #damage(damage: Damage): Promise<void> {
    const { world, world: { machine }, daemon } = this.#context;
    // What is recorded of a data dir may be a second behind, and a kill loses that.
    await world.sleep(1500);
    if (damage.kills) daemon.kill();
    else await daemon.shutDown();
    await world.sleep(100);
    if (!spoil(machine, daemon.dataDir, damage)) return;
    const before = imageOf(machine, daemon.dataDir);
    const found = await this.#examine(false);
    const changed = differences(before, imageOf(machine, daemon.dataDir));
    if (changed.length > 0) world.violated(CHANGED, `it changed ${changed}`);
    const started = await daemon.start();
    if (started !== "ready") {
      if (found.length === 0) world.violated(FOUND, `no start, and all is well: ${started.said}`);
      await this.#moveAway(started.said);
    }
    const lost = await this.#lost();
    found.push(...await this.#examine(true));
    if (lost !== undefined && found.length === 0) {
      world.violated(FOUND, `${lost}, and doctor finds nothing`);
    }
    await this.#accept();
  }

  /** Moves away what a daemon refuses in words: then it starts, and has the rest. */
  async #moveAway(said: string): Promise<void> {
    const { world, world: { machine }, daemon } = this.#context;
    const [, database] = /(\/\S+\.db) cannot be read.*\n.*move it away/.exec(said) ?? [];
    const [, folder] = /(\/\S+) is a folder of something else/.exec(said) ?? [];
    if (database !== undefined) {
      for (const ending of ["", "-wal", "-shm"]) machine.takeAway(database + ending);
    } else if (folder === undefined || !machine.takeAway(`${folder}/format`)) {
      world.violated(FOUND, `it refused without a way on: ${said}`);
    }
    const started = await daemon.start();
    if (started !== "ready") world.violated(FOUND, `it did not start either: ${started.said}`);
  }

  /** All damage that it reports. */
  async #examine(isRunning: boolean): Promise<string[]> {
    const { world, daemon } = this.#context;
    let found: string[] | undefined;
    const process = world.spawn("doctor", async () => {
      using client = new Client({ socket: daemon.socket });
      found = await diagnose(daemon, isRunning ? client : undefined);
    });
    const exit = await process.ended;
    if (found) return found;
    return world.violated(
      FOUND,
      `doctor ended with ${exit.how === "threw" ? exit.error : exit.how}`,
    );
  }

  /** What is no longer as it was acknowledged. */
  async #lost(): Promise<string | undefined> {
    const { world } = this.#context;
    const read = await ask(
      this.#context,
      async (client) => await (await client.read({ topic: [TOPIC] })).text(),
    );
    if (read.is !== "done") return "the events cannot be read";
    const there = new Map(
      read.value.split("\n").filter((line) => line.includes('"payload"')).map((line) => {
        const { seq, payload } = JSON.parse(line);
        return [seq, payload.text];
      }),
    );
    let lost: string | undefined;
    for (const { seq, text } of this.#stored.values()) {
      if (there.get(seq) === text) continue;
      if (there.has(seq)) world.violated(FOUND, `event ${seq} is served as something else`);
      lost ??= `event ${seq} is gone`;
    }
    const names = (await insist(this.#context, (client) => client.subscriptions()))
      .map(({ name }) => name);
    if (!names.includes(NAME)) lost ??= "the subscription is gone";
    const dead = await insist(
      this.#context,
      async (client) => await (await client.deadLetters({ limit: 1000 })).text(),
    );
    const deaths = dead.split("\n").filter(Boolean).length;
    if (deaths < this.#dead) lost ??= `${deaths} of ${this.#dead} dead letters are there`;
    return lost;
  }

  /** As `evs doctor --accept` does it: from then on all is well, also after a restart. */
  async #accept(): Promise<void> {
    const { world, daemon } = this.#context;
    await insist(
      this.#context,
      (client) => client.call({ method: "POST", path: "/v1/damage/accept" }),
    );
    for (const when of ["was accepted", "was accepted before a restart"]) {
      const { health, problems } = await insist(this.#context, (client) => client.status());
      if (health !== "ok") world.violated(FOUND, `damage ${when}: ${JSON.stringify(problems)}`);
      await daemon.shutDown();
      const started = await daemon.start();
      if (started !== "ready") world.violated(FOUND, `it did not start: ${started.said}`);
    }
  }
}

/** Does it to one of the files; false if there is none. */
function spoil(machine: Machine, dataDir: string, { kind, path, nth, at, bit }: Damage): boolean {
  const files = machine.files(dataDir).filter((file) => file.includes(path) && isOfUse(file));
  const file = files[Math.floor(nth * files.length)];
  if (file === undefined) return false;
  const bytes = machine.bytes(file).slice();
  const place = Math.floor(at * bytes.length);
  if (kind === "take") return machine.takeAway(file);
  if (bytes.length === 0) return false;
  if (kind === "flip") return machine.flipBit(file, place, bit);
  const sector = place - place % SECTOR;
  machine.put(
    file,
    kind === "cut" ? bytes.slice(0, place) : bytes.fill(0, sector, sector + SECTOR),
  );
  return true;
}

/** SQLite's index of a log lasts as long as somebody has it open, and nothing is in the others. */
function isOfUse(file: string): boolean {
  return !/-shm$|\/log\/|\/reserve$/.test(file);
}

function imageOf(machine: Machine, dataDir: string): Map<string, Uint8Array> {
  const files = machine.files(dataDir).filter(isOfUse);
  return new Map(files.map((file) => [file, machine.bytes(file).slice()]));
}

function differences(before: Map<string, Uint8Array>, after: Map<string, Uint8Array>): string[] {
  const same = (one?: Uint8Array, other?: Uint8Array) =>
    one?.length === other?.length && (one?.every((byte, i) => byte === other![i]) ?? true);
  return [...new Set([...before.keys(), ...after.keys()])].filter((file) =>
    !same(before.get(file), after.get(file))
  );
}

export const doctors: Scenario = {
  name: "doctors",
  tolerates: [],
  plan,
  begin: (context) => new Doctors(context),
};
