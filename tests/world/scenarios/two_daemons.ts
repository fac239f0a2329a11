/**
 * Several daemons are started at one data dir: while one serves, starts, stands still or has just
 * been killed, and all at once when the power is back. One serves; the others are told in words, and
 * what clients were told is there whichever serves.
 */
import type { Daemon, Random } from "../types.ts";
import { ask, insist, request } from "./calls.ts";
import type { Act, RunningScenario, Scenario, ScenarioContext } from "./scenario.ts";
import { spread } from "./scenario.ts";

const TOPIC = "shared";
const PROMISE = "13. One daemon per data dir";
const DAEMONS = 3;
/** So long one stands still, ms. */
const STILL_MS = 3000;
/** Contract row 13: what a refusal may take, ms. */
const REFUSED_MS = 2000;
const REFUSED = /another daemon (?:uses the data dir|is starting or serving)/;

type Ending = "kill" | "kill at disk" | "stop" | "stand still" | "power cut";

function plan(random: Random): Act[] {
  const published = spread(random, {
    count: random.int(2, 10),
    act: (n) => ({ act: "publish", args: { n } }),
  });
  const started = spread(random, {
    count: random.int(2, 6),
    act: () => ({ act: "start", args: { who: random.int(0, DAEMONS) } }),
  });
  const ended = spread(random, {
    count: random.int(1, 5),
    act: () => ({
      act: "end",
      args: {
        how: random.pick<Ending>(["kill", "kill at disk", "stop", "stand still", "power cut"]),
        after: random.int(0, 15),
        // All of them, so many ms later.
        startsAfterMs: random.pick([0, 0, 1, 5, 50, 1000]),
      },
    }),
  });
  return [...published, ...started, ...ended];
}

class TwoDaemons implements RunningScenario {
  readonly #context: ScenarioContext;
  /** They start by themselves; the last waits for another to end. */
  readonly #daemons: Daemon[];
  readonly #stored = new Map<number, number>();
  /** Kills and power cuts so far. */
  #ends = 0;

  constructor(context: ScenarioContext) {
    const { world } = context;
    const { root } = world.machine;
    const options = { store: context.store as "file", dataDir: `${root}/shared` };
    // Two have a socket together, and the lock beside that.
    const sockets = ["shared", "shared", "own"].map((name) => `${root}/run/${name}.sock`);
    this.#daemons = [
      ...sockets.map((socket, i) => world.daemon({ ...options, socket, name: `number ${i + 1}` })),
      world.daemon({ ...options, socket: sockets[0]!, name: "successor", takesOver: true }),
    ];
    this.#context = context;
  }

  async act({ act, args }: Act): Promise<void> {
    if (act === "publish") return await this.#publish(args["n"] as number);
    if (act === "start") {
      const daemon = this.#daemons[args["who"] as number]!;
      const started = this.#start(daemon);
      // The successor waits for as long as the other serves.
      return daemon === this.#daemons[DAEMONS] ? undefined : await started;
    }
    const { how, after, startsAfterMs } = args as unknown as {
      how: Ending;
      after: number;
      startsAfterMs: number;
    };
    this.#end(how, after);
    await this.#context.world.sleep(startsAfterMs);
    await this.#startAll();
  }

  async #publish(n: number): Promise<void> {
    const body = JSON.stringify({ type: "t", payload: n });
    const daemon = this.#serving()[0];
    if (daemon === undefined) return;
    const answer = await ask({ daemon }, (client) => client.publish(TOPIC, body));
    if (answer.is === "done") this.#stored.set(n, answer.value.lastSeq);
  }

  #end(how: Ending, after: number): void {
    const { world: { machine } } = this.#context;
    const serving = this.#serving()[0];
    if (how === "stop") return serving?.process?.signal("SIGTERM");
    if (how === "stand still") {
      const { process } = serving ?? {};
      process?.stop();
      return void this.#context.world.sleep(STILL_MS).then(() => process?.continue());
    }
    this.#ends++;
    if (how === "kill") serving?.kill();
    else if (how === "power cut") machine.powerCut();
    else machine.fault({ kind: "kill", after });
  }

  async #startAll(): Promise<void> {
    await Promise.all(this.#daemons.slice(0, DAEMONS).map((daemon) => this.#start(daemon)));
  }

  async #start(daemon: Daemon): Promise<void> {
    const { world } = this.#context;
    if (daemon.process !== undefined && daemon.process.state !== "dead") return;
    const began = world.now();
    const ends = this.#ends;
    const started = await daemon.start();
    if (started === "ready") return this.#judgeServing();
    if (started.exit.how === "killed") return void this.#ends++;
    if (started.exit.how !== "exited" || started.exit.code === 0 || !REFUSED.test(started.said)) {
      world.violated(PROMISE, `${daemon.name} ended with ${JSON.stringify(started)}`);
    }
    const took = world.now() - began;
    if (took > REFUSED_MS) world.violated(PROMISE, `${daemon.name} was refused after ${took} ms`);
    // Whoever it was refused for serves, or ends of something else.
    const others = this.#daemons.some(({ process }) => process && process.state !== "dead");
    if (!others && ends === this.#ends) {
      world.violated(PROMISE, `${daemon.name} was refused, and there is no other`);
    }
  }

  #serving(): Daemon[] {
    return this.#daemons.filter(({ isReady }) => isReady);
  }

  #judgeServing(): void {
    const names = this.#serving().map(({ name }) => name);
    if (names.length > 1) this.#context.world.violated(PROMISE, `${names.join(" and ")} serve`);
  }

  async judge(): Promise<void> {
    const { world } = this.#context;
    for (const { process } of this.#daemons) process?.continue();
    world.machine.clearFaults();
    // Some may be about to end: all do, and then all start at once.
    const ending = this.#daemons.filter(({ process }) => process && process.state !== "dead");
    await Promise.all(ending.map((daemon) => daemon.shutDown()));
    await this.#startAll();
    await world.until(() => this.#serving().length === 1, { what: PROMISE, withinMs: 30_000 });
    const { text } = await insist(
      { world, daemon: this.#serving()[0]! },
      (client) => request(client, { method: "GET", path: `/v1/topics/${TOPIC}/events` }),
    );
    const there = new Map(
      text.split("\n").filter((line) => line.includes('"payload"')).map((line) => {
        const { payload, seq } = JSON.parse(line);
        return [payload, seq];
      }),
    );
    for (const [n, seq] of this.#stored) {
      if (there.get(n) === seq) continue;
      world.violated(
        "1. Acknowledged means durable",
        `event ${n} was acknowledged as ${seq}, and is ${there.get(n)}`,
      );
    }
    await this.#succeed();
  }

  /** A successor that was started meanwhile takes the place of the last. */
  async #succeed(): Promise<void> {
    const { world } = this.#context;
    const successor = this.#daemons[DAEMONS]!;
    const started = this.#start(successor);
    await world.sleep(100);
    const [serving] = this.#serving();
    if (serving !== successor) await serving!.shutDown();
    await started;
    if (!successor.isReady) world.violated(PROMISE, "nobody serves behind the one that ended");
    await successor.shutDown();
  }
}

export const twoDaemons: Scenario = {
  name: "two daemons",
  tolerates: [],
  plan,
  begin: (context) => new TwoDaemons(context),
};
