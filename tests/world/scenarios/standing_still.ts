/**
 * The daemon stands still while handlers answer in time: no event is handled twice or given up for
 * that. Whoever asks it meanwhile is told that it does not answer.
 */
import { systemClock } from "../../../core/base/clock.ts";
import { EvsError } from "../../../core/base/errors.ts";
import { Client } from "../../../core/client/client.ts";
import { DaemonAddress } from "../../../core/client/daemon_address.ts";
import type { Act, RunningScenario, Scenario, ScenarioContext } from "./scenario.ts";
import { spread } from "./scenario.ts";
import { ask, insist } from "./calls.ts";
import type { Process, Random } from "../types.ts";

const TOPIC = "slow";
const NAME = "slow";

function plan(random: Random): Act[] {
  const published = Array.from({ length: random.int(2, 8) }, (_, n) => ({
    at: random.int(0, 6000),
    act: "publish",
    args: { n },
  }));
  const leased = spread(random, {
    count: random.int(3, 10),
    act: () => ({
      act: "lease",
      args: {
        leaseMs: random.pick([1000, 2000, 5000]),
        share: random.pick([0.1, 0.5, 0.9]),
        nap: random.chance(0.3),
      },
    }),
  });
  const suspended = spread(random, {
    count: random.int(0, 3),
    act: () => ({ act: "suspend", args: { ms: random.pick([500, 2000, 10_000]) } }),
  });
  const stopped = spread(random, {
    count: random.int(0, 3),
    act: () => ({ act: "stop", args: { ms: random.pick([300, 3000, 8000, 45_000]) } }),
  });
  const asked = spread(random, { count: random.int(0, 3), act: () => ({ act: "ask", args: {} }) });
  return [...published, ...leased, ...suspended, ...stopped, ...asked];
}

/** How long somebody may wait for a word of a daemon that stands still, ms. */
const LONGEST_ASK_MS = 15_000;
/** Work goes on in so many pieces: none of them is done while its process stands still. */
const PIECES = 10;
/** Too short to count as a standstill, ms. */
const NAP_MS = 250;

class StandingStill implements RunningScenario {
  readonly #context: ScenarioContext;
  readonly #workers: Process[] = [];
  /** How many have stopped a process and not let it go on. */
  readonly #held = new Map<Process, number>();

  constructor(context: ScenarioContext) {
    this.#context = context;
  }

  async act({ act, args }: Act): Promise<void> {
    if (act === "publish") {
      const body = JSON.stringify({ type: "t", payload: args });
      await ask(this.#context, (client) => client.publish(TOPIC, body));
    } else if (act === "lease") {
      const { world } = this.#context;
      const name = `worker ${this.#workers.length + 1}`;
      const { promise, resolve } = Promise.withResolvers<void>();
      const work = { leaseMs: args["leaseMs"] as number, share: args["share"] as number };
      this.#workers.push(world.spawn(name, () => this.#work(work, resolve)));
      if (args["nap"]) void promise.then(() => this.#stop([this.#context.daemon.process!], NAP_MS));
    } else if (act === "suspend") {
      await this.#suspend(args["ms"] as number);
    } else if (act === "stop") {
      await this.#stop([this.#context.daemon.process!], args["ms"] as number);
    } else await this.#question();
  }

  /** Handles an event within its lease, by the time in which its process is awake. */
  async #work(
    { leaseMs, share }: { leaseMs: number; share: number },
    nearlyDone: () => void,
  ): Promise<void> {
    // Its own connection: what it sends stays in the socket while the daemon stands still.
    using client = new Client({ socket: this.#context.daemon.socket });
    try {
      const { deliveries } = await client.lease(NAME, { max: 1, leaseMs, waitMs: 3000 });
      if (deliveries.length === 0) return;
      const piece = leaseMs * share / PIECES;
      for (let done = 0; done < PIECES; done++) {
        if (done === PIECES - 1) nearlyDone();
        await new Promise<void>((resolve) => void setTimeout(resolve, piece));
      }
      await client.ack(NAME, { leases: deliveries.map((delivery) => delivery.lease) });
    } catch (error) {
      if (!(error instanceof EvsError)) throw error;
    }
  }

  /** The machine is suspended: everybody stands still. */
  #suspend(ms: number): Promise<void> {
    const working = this.#workers.filter(({ state }) => state !== "dead");
    return this.#stop([this.#context.daemon.process!, ...working], ms);
  }

  /** Stops processes for so long; one that others have stopped, too, until the last lets it go. */
  async #stop(processes: readonly Process[], ms: number): Promise<void> {
    const holds = (process: Process) => this.#held.get(process) ?? 0;
    for (const process of processes) {
      process.stop();
      this.#held.set(process, holds(process) + 1);
    }
    await this.#context.world.sleep(ms);
    for (const process of processes) {
      this.#held.set(process, holds(process) - 1);
      if (holds(process) === 0 && process.state === "stopped") process.continue();
    }
  }

  async #question(): Promise<void> {
    const { world, daemon } = this.#context;
    const { dataDir, socket } = daemon;
    const paths = { dataDir, socket, config: "", chosen: "socket" as const };
    using client = new Client({
      socket: new DaemonAddress({ paths, clock: systemClock, watch: true }),
    });
    const timer = setTimeout(() => {
      world.violated(
        "31. The daemon is found, and commands never hang",
        `a question had no answer within ${LONGEST_ASK_MS} ms`,
      );
    }, LONGEST_ASK_MS);
    await client.status().then(() => {}, () => {});
    clearTimeout(timer);
  }

  async judge(): Promise<void> {
    const { world } = this.#context;
    await Promise.all(this.#workers.map(({ ended }) => ended));
    const { dead } = await insist(this.#context, (client) => client.subscription(NAME));
    if (dead === 0) return;
    world.violated(
      "28. Clock changes and suspends affect no timer",
      `${dead} events became dead letters though each was answered in time`,
    );
  }
}

export const standingStill: Scenario = {
  name: "standing still",
  tolerates: ["clock"],
  plan,
  async begin(context) {
    const settings = { maxRetries: 0 };
    await insist(
      context,
      (client) => client.putSubscription(NAME, { topic: TOPIC, from: "start", settings }),
    );
    return new StandingStill(context);
  },
};
