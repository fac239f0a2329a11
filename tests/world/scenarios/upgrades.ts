/**
 * A daemon starts on the data dir of an older version, and is killed, or the power fails, somewhere
 * in the upgrade, as often as it likes. The start that succeeds has everything that was there.
 */
import { gunzipSync } from "node:zlib";
import { Client } from "../../../core/client/client.ts";
import { real } from "../engine/real.ts";
import type { Daemon, Random, World } from "../types.ts";
import { type Cut, drawCut } from "./cuts.ts";
import type { Act, RunningScenario, Scenario, ScenarioContext } from "./scenario.ts";

const PROMISE = "12. Older formats are read, newer ones refused";
const FIXTURES = new URL("../../fixtures/", import.meta.url);
/** What older versions left, and where they kept events. */
const OLD = {
  "format-1": "sqlite",
  "format-2": "sqlite",
  "files-1": "file",
  "version-0.1.0": "sqlite",
  "version-0.1.0-files": "file",
} as const;
/** Not the events of a topic. */
const OTHERS = ["dead_letters", "subscriptions", "topics", "schemas"];

function plan(random: Random): Act[] {
  const names = Object.keys(OLD);
  return [
    { at: 0, act: "find", args: { name: random.pick(names) } },
    ...Array.from({ length: random.int(0, 3) }, (_, i) => ({
      at: 1000 * (i + 1),
      act: "start",
      args: drawCut(random, 40),
    })),
    { at: 9000, act: "start", args: { how: "none", after: 0, ofRenames: false } },
  ];
}

class Upgrades implements RunningScenario {
  readonly #world: World;
  #turn = Promise.resolve();
  #name: keyof typeof OLD | undefined;
  #daemon: Daemon | undefined;

  constructor({ world }: ScenarioContext) {
    this.#world = world;
  }

  act({ act, args }: Act): Promise<void> {
    return this.#turn = this.#turn.then(() => {
      if (act === "start") return this.#start(args as unknown as Cut);
      return this.#find(args["name"] as keyof typeof OLD);
    });
  }

  judge(): Promise<void> {
    return this.#turn;
  }

  #find(name: keyof typeof OLD): void {
    const { machine } = this.#world;
    const dataDir = `${machine.root}/old`;
    this.#name = name;
    this.#daemon = this.#world.daemon({
      name: "upgraded",
      dataDir,
      socket: `${machine.root}/run/old.sock`,
      store: OLD[name],
    });
    Deno.mkdirSync(dataDir, { mode: 0o700 });
    for (const path of packed(new URL(`${name}/`, FIXTURES))) {
      const to = `${dataDir}/${path}`;
      Deno.mkdirSync(to.slice(0, to.lastIndexOf("/")), { recursive: true, mode: 0o700 });
      const bytes = gunzipSync(real.Deno.readFileSync(new URL(`${name}/${path}.gz`, FIXTURES)));
      machine.put(to, new Uint8Array(bytes));
      if (path.endsWith(".db")) Deno.chmodSync(to, 0o600);
    }
  }

  async #start({ how, after, ofRenames }: Cut): Promise<void> {
    const { machine } = this.#world;
    const daemon = this.#daemon;
    if (daemon === undefined) return;
    if (how !== "none") {
      const ops = ofRenames ? { ops: ["rename" as const] } : {};
      machine.fault({ kind: "kill", path: "/old/", after, ...ops });
    }
    const started = await daemon.start();
    machine.clearFaults();
    if (started === "ready") {
      await this.#look();
      if (how === "kill") daemon.kill();
      else if (how === "none") await daemon.shutDown();
    } else if (started.exit.how !== "killed") {
      this.#world.violated(PROMISE, `${this.#name} was not opened: ${started.said}`);
    }
    if (how === "power cut") machine.powerCut();
  }

  /** Everything is there as the older version printed it. */
  async #look(): Promise<void> {
    const name = this.#name!;
    const broken = (what: string) => this.#world.violated(PROMISE, `${name}: ${what}`);
    using client = new Client({ socket: this.#daemon!.socket });
    for (const topic of topicsOf(name)) {
      const there = await (await client.read({ topic: [topic] })).text();
      if (there !== text(name, topic)) broken(`the events of ${topic} are not what they were`);
    }
    const dead = await (await client.deadLetters({ limit: 1000 })).text();
    const ids = (lines: string) => parsed(lines).map(({ id, reason }) => `${id} ${reason}`).sort();
    if (ids(dead).join() !== ids(text(name, "dead_letters")).join()) {
      broken(`its dead letters are ${ids(dead)}`);
    }
    for (const before of parsed(text(name, "subscriptions"))) {
      const now = await client.subscription(String(before["name"]));
      const left = (one: Record<string, unknown>) =>
        [one["paused"], Number(one["pending"]) + Number(one["scheduled"]), one["dead"]].join();
      const [is, was] = [left({ ...now }), left(before)];
      if (is !== was) broken(`the subscription ${now.name} was ${was}, and is ${is}`);
    }
    const { health, problems } = await client.status();
    if (health !== "ok") broken(`its health is ${health}: ${JSON.stringify(problems)}`);
  }
}

/** The packed files of a fixture, without their ending. */
function* packed(folder: URL, path = ""): Generator<string> {
  const entries = [...real.Deno.readDirSync(folder)];
  for (const { name, isDirectory } of entries.toSorted((a, b) => a.name < b.name ? -1 : 1)) {
    if (isDirectory) yield* packed(new URL(`${name}/`, folder), `${path}${name}/`);
    else if (name.endsWith(".gz")) yield path + name.slice(0, -".gz".length);
  }
}

function topicsOf(fixture: string): string[] {
  return [...real.Deno.readDirSync(new URL(`${fixture}/`, FIXTURES))]
    .filter(({ name }) => name.endsWith(".ndjson"))
    .map(({ name }) => name.slice(0, -".ndjson".length))
    .filter((name) => !OTHERS.includes(name)).sort();
}

/** What the older version printed. */
function text(fixture: string, name: string): string {
  return real.Deno.readTextFileSync(new URL(`${fixture}/${name}.ndjson`, FIXTURES));
}

function parsed(lines: string): Record<string, unknown>[] {
  return lines.split("\n").filter(Boolean).map((line) => JSON.parse(line));
}

export const upgrades: Scenario = {
  name: "upgrades",
  tolerates: [],
  plan,
  begin: (context) => new Upgrades(context),
};
