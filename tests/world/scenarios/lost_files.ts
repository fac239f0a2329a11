/**
 * Files of the data dir go while the daemon is down or up. What is no longer there is told, numbers
 * are not used again, and nothing more is acknowledged into a file that has no name.
 */
import type { Act, RunningScenario, Scenario, ScenarioContext } from "./scenario.ts";
import { ask, insist, request } from "./calls.ts";
import type { Json, Random } from "../types.ts";

const TOPIC = "orders";
const NAME = "shipping";
const PROMISE = "27. Missing files are noticed";

/** Texts in the paths of what is taken away: of events, and of everything else. */
const OF_EVENTS = ["events.db", "events.db-wal", "events/", ".ndjson"];
const OTHERS = ["state.db", "state.db-wal", "watermarks"];

function plan(random: Random): Act[] {
  const count = random.int(3, 30);
  const isDown = random.chance(0.7);
  const path = random.pick(isDown ? [...OF_EVENTS, ...OTHERS] : OF_EVENTS);

  return [
    { at: 0, act: "fill", args: { count, handled: random.int(0, count) } },
    { at: random.int(2000, 4000), act: "take", args: { path, isDown, kills: random.chance(0.5) } },
  ];
}

class LostFiles implements RunningScenario {
  readonly #context: ScenarioContext;
  /** The last seq that was acknowledged. */
  #last = 0;
  #turn: Promise<void> = Promise.resolve();

  constructor(context: ScenarioContext) {
    this.#context = context;
  }

  act({ act, args }: Act): Promise<void> {
    return this.#turn = this.#turn.then(() => act === "fill" ? this.#fill(args) : this.#take(args));
  }

  judge(): Promise<void> {
    return this.#turn;
  }

  async #fill({ count, handled }: { [name: string]: Json }): Promise<void> {
    await insist(
      this.#context,
      (client) => client.putSubscription(NAME, { topic: TOPIC, from: "start" }),
    );
    for (let i = 0; i < (count as number); i++) await this.#publish();
    if (handled === 0) return;
    await ask(this.#context, async (client) => {
      const { deliveries } = await client.lease(NAME, { max: handled as number });
      await client.ack(NAME, { leases: deliveries.map(({ lease }) => lease) });
    });
  }

  async #take({ path, isDown, kills }: { [name: string]: Json }): Promise<void> {
    const { world, daemon } = this.#context;
    // What is recorded of a data dir may be a second behind, and a kill loses that.
    await world.sleep(1500);
    if (isDown && !kills) await daemon.shutDown();
    else if (isDown) daemon.kill();
    await world.sleep(100);
    const taken = this.#remove(String(path));
    if (!isDown) {
      const before = this.#last;
      await this.#publish();
      if (taken > 0 && this.#last > before && !this.#has(String(path))) {
        world.violated(PROMISE, `acknowledged into ${path}, which was taken away`);
      }
      daemon.kill();
      await world.sleep(100);
    }
    const started = await daemon.start();
    if (started !== "ready") world.violated(PROMISE, `it did not start: ${started.said}`);
    await this.#look();
  }

  async #look(): Promise<void> {
    const { world } = this.#context;
    const { health } = await insist(this.#context, (client) => client.status());
    const { text } = await insist(
      this.#context,
      (client) => request(client, { method: "GET", path: `/v1/topics/${TOPIC}/events` }),
    );
    const names = (await insist(this.#context, (client) => client.subscriptions()))
      .map(({ name }) => name);
    if (!names.includes(NAME) && health === "ok") {
      world.violated(PROMISE, "a subscription is not there, and all is well");
    }
    const there = text.split("\n").filter(Boolean).length;
    const last = this.#last;
    if (there < last && health === "ok") {
      world.violated(PROMISE, `${there} of ${last} events are there, and all is well`);
    }
    await this.#publish();
    if (this.#last <= last) {
      world.violated(PROMISE, `the seq ${this.#last} was used again; ${last} was the last`);
    }
  }

  async #publish(): Promise<void> {
    const body = JSON.stringify({ type: "t", payload: "x" });
    const answer = await ask(this.#context, (client) => client.publish(TOPIC, body));
    if (answer.is === "done") this.#last = answer.value.lastSeq;
  }

  #has(path: string): boolean {
    const { world, daemon } = this.#context;
    return world.machine.files(daemon.dataDir).some((file) => file.includes(path));
  }

  /** Takes away the files whose path contains this text; returns how many. */
  #remove(path: string): number {
    const { world: { machine }, daemon } = this.#context;
    const found = machine.files(daemon.dataDir).filter((file) => file.includes(path));
    return found.filter((file) => machine.takeAway(file)).length;
  }
}

export const lostFiles: Scenario = {
  name: "lost files",
  tolerates: [],
  plan,
  begin: (context) => new LostFiles(context),
};
