/**
 * Somebody registers and removes versions of a schema, and raises the level of compatibility, while
 * publishers run. Once that is confirmed, no event is stored that breaks it, and none is refused that
 * keeps it, also after kills and power cuts.
 */
import type { Json, Random } from "../types.ts";
import { type Answer, ask, insist } from "./calls.ts";
import type { Act, RunningScenario, Scenario, ScenarioContext } from "./scenario.ts";
import { spread } from "./scenario.ts";

const TOPIC = "forms";
const TYPE = "form.sent";
const PROMISE = "A confirmed schema holds";
const VERSIONS = ["1", "2", "3"] as const;

/** So long a kill waits for a call of the disk, ms. */
const LONGEST_WAIT_MS = 3000;

/** Each version requires one more field than the one before, so it breaks `backward`. */
function schemaOf(version: string): string {
  const required = VERSIONS.slice(0, Number(version)).map((one) => `f${one}`);
  return JSON.stringify({ type: "object", required });
}

/** Has the fields of all versions up to this one; 0: none. */
function payloadOf(upTo: number): { [name: string]: Json } {
  return Object.fromEntries(VERSIONS.slice(0, upTo).map((one) => [`f${one}`, 1]));
}

function plan(random: Random): Act[] {
  const published = spread(random, {
    count: random.int(10, 30),
    act: (n) => ({
      act: "publish",
      args: {
        n,
        upTo: random.int(0, VERSIONS.length),
        version: random.pick(["", "", ...VERSIONS]),
      },
    }),
  });
  const changed = spread(random, {
    count: random.int(2, 10),
    act: () => ({
      act: random.pick(["register", "register", "remove"]),
      args: { version: random.pick(VERSIONS), level: random.pick(["", "", "none", "backward"]) },
    }),
  });
  const cut = spread(random, {
    count: random.int(0, 3),
    act: () => ({
      act: "cut",
      args: { how: random.pick(["kill", "kill at disk", "power cut"]), after: random.int(0, 3) },
    }),
  });
  return [...published, ...changed, ...cut];
}

/** What may be so: more than one, while an act is under way or its answer was lost. */
class Possible<T> {
  values: Set<T>;

  constructor(value: T) {
    this.values = new Set([value]);
  }

  /** While it is changed, both may be so. */
  begins(value: T): void {
    this.values.add(value);
  }

  ends(value: T): void {
    this.values = new Set([value]);
  }

  get known(): T | undefined {
    return this.values.size === 1 ? [...this.values][0] : undefined;
  }
}

class Schemas implements RunningScenario {
  readonly #context: ScenarioContext;
  readonly #versions = new Map<string, Possible<boolean>>(
    VERSIONS.map((version) => [version, new Possible<boolean>(false)]),
  );
  readonly #level = new Possible<string>("none");
  /** Changes are made one after the other. */
  #turn = Promise.resolve();
  #changes = 0;

  constructor(context: ScenarioContext) {
    this.#context = context;
  }

  act({ act, args }: Act): Promise<void> | void {
    const { version, level } = args as { version: string; level: string };
    if (act === "publish") {
      return this.#publish(args as { n: number; upTo: number; version: string });
    }
    if (act === "cut") return this.#cut(args as { how: string; after: number });
    return this.#turn = this.#turn.then(() =>
      act === "register" ? this.#register(version, level) : this.#remove(version)
    );
  }

  async judge(): Promise<void> {
    await this.#turn;
    const { world } = this.#context;
    const listed = await insist(this.#context, (client) => client.schemas());
    for (const [version, is] of this.#versions) {
      if (is.known === undefined || is.known === listed.some((one) => one.version === version)) {
        continue;
      }
      world.violated(PROMISE, `version ${version} is ${is.known ? "not there" : "there"}`);
    }
    for (let upTo = 0; upTo <= VERSIONS.length; upTo++) {
      await this.#publish({ n: -1 - upTo, upTo, version: "" });
    }
  }

  async #cut({ how, after }: { how: string; after: number }): Promise<void> {
    const { world, daemon } = this.#context;
    if (how === "power cut") world.machine.powerCut();
    else if (how === "kill") daemon.kill();
    else {
      world.machine.fault({ kind: "kill", after });
      // Whoever changes something next comes to it.
      await Promise.race([daemon.process!.ended, world.sleep(LONGEST_WAIT_MS)]);
      world.machine.clearFaults();
    }
    if (daemon.process!.state !== "dead") return;
    const started = await daemon.start();
    if (started !== "ready") world.violated(PROMISE, `it did not start: ${started.said}`);
  }

  async #register(version: string, level: string): Promise<void> {
    const { world } = this.#context;
    const is = this.#versions.get(version)!;
    const before = { level: this.#level.known, versions: this.#known() };
    this.#changes++;
    is.begins(true);
    if (level !== "") this.#level.begins(level);
    const options = { version, ...(level === "" ? {} : { compatibility: level as "none" }) };
    const answer = await ask(
      this.#context,
      (client) => client.registerSchema(TYPE, schemaOf(version), options),
    );
    this.#changes++;
    if (answer.is === "lost") return;
    const breaks = before.versions && breaksBackward(version, before.versions);
    const wanted = level === "" ? before.level : level;
    if (answer.is === "done") {
      is.ends(true);
      if (level !== "") this.#level.ends(level);
      if (breaks && wanted === "backward") {
        world.violated(PROMISE, `version ${version} was taken, and breaks ${before.versions}`);
      }
      return;
    }
    if (before.versions === undefined) return;
    is.ends(before.versions.includes(version));
    if (before.level !== undefined) this.#level.ends(before.level);
    if (!breaks && wanted !== undefined) {
      world.violated(PROMISE, `version ${version} was refused: ${answer.error.message}`);
    }
  }

  async #remove(version: string): Promise<void> {
    const is = this.#versions.get(version)!;
    this.#changes++;
    is.begins(false);
    const answer = await ask(this.#context, (client) => client.removeSchema(TYPE, version));
    this.#changes++;
    if (answer.is !== "lost") is.ends(false);
  }

  /** The versions that are there; undefined if nobody knows. */
  #known(): string[] | undefined {
    if ([...this.#versions.values()].some(({ known }) => known === undefined)) return undefined;
    return VERSIONS.filter((version) => this.#versions.get(version)!.known);
  }

  async #publish(
    { n, upTo, version }: { n: number; upTo: number; version: string },
  ): Promise<void> {
    const { world } = this.#context;
    const there = this.#known();
    const changes = this.#changes;
    const body = JSON.stringify({
      type: TYPE,
      payload: { n, ...payloadOf(upTo) },
      ...(version === "" ? {} : { schemaVersion: version }),
    });
    const answer = await ask(this.#context, (client) => client.publish(TOPIC, body));
    // What is changed meanwhile may hold already, or not yet.
    if (there === undefined || changes !== this.#changes || answer.is === "lost") return;
    const applies = version === "" ? there.at(-1) : version;
    const isValid = there.length === 0 ||
      (applies !== undefined && there.includes(applies) && upTo >= Number(applies));
    if (isValid === (answer.is === "done")) return;
    const what = `an event with ${upTo} fields for version ${version || "the latest"} of ${there}`;
    world.violated(PROMISE, `${what} was ${outcomeOf(answer)}`);
  }
}

function outcomeOf(answer: Answer<unknown>): string {
  return answer.is === "refused" ? `refused: ${answer.error.message}` : "stored";
}

/** A new one requires more than the version before it, or less than the one after it. */
function breaksBackward(version: string, there: readonly string[]): boolean {
  return there.length > 0 && !there.includes(version);
}

export const schemas: Scenario = {
  name: "schemas",
  tolerates: [],
  plan,
  begin: (context) => new Schemas(context),
};
