/**
 * An operator repairs dead letters: exports them, changes some, and sends the file again with
 * retries, also twice, and to another subscription. Each is handled once, as what it was made, and
 * nothing stays behind; meanwhile the subscription gets other settings.
 */
import type { Act, RunningScenario, Scenario, ScenarioContext } from "./scenario.ts";
import { insist } from "./calls.ts";
import type { Client } from "../../../core/client/client.ts";
import type { Random } from "../types.ts";

const TOPIC = "bills";
const NAME = "billing";
const OTHER = "auditing";
/** By this tag the daemon knows what it has taken in. */
const BATCH = "8abc-0123456789ab";
const PROMISE = "6. Retry, dead letter and cursor move together";

function plan(random: Random): Act[] {
  return [
    { at: 0, act: "fail", args: { count: random.int(1, 8), keep: random.int(0, 3) } },
    { at: 1000, act: "settings", args: { maxRetries: random.int(0, 3) } },
    {
      at: 2000,
      act: "repair",
      args: {
        edited: random.int(0, 8),
        times: random.int(1, 3),
        to: random.pick([null, null, NAME, OTHER]),
        restart: random.chance(0.3),
      },
    },
  ];
}

interface Repair {
  edited: number;
  times: number;
  to: string | null;
  restart: boolean;
}

class Repairs implements RunningScenario {
  readonly #context: ScenarioContext;
  #turn: Promise<void> = Promise.resolve();
  /** Numbers of events that failed, and of those that are still to be delivered. */
  #failed: number[] = [];
  #left: number[] = [];

  constructor(context: ScenarioContext) {
    this.#context = context;
  }

  act({ act, args }: Act): Promise<void> {
    return this.#turn = this.#turn.then(() => {
      if (act === "fail") return this.#fail(args["count"] as number, args["keep"] as number);
      if (act === "settings") return this.#change(args["maxRetries"] as number);
      return this.#repair(args as unknown as Repair);
    });
  }

  judge(): Promise<void> {
    return this.#turn;
  }

  #call<T>(call: (client: Client) => Promise<T>): Promise<T> {
    return insist(this.#context, call);
  }

  /** Events fail, and some others are waiting behind them. */
  async #fail(count: number, keep: number): Promise<void> {
    for (const name of [NAME, OTHER]) {
      const settings = { maxRetries: 0 };
      await this.#call((client) =>
        client.putSubscription(name, { topic: TOPIC, from: "start", settings })
      );
    }
    const numbers = Array.from({ length: count + keep }, (_, i) => i + 1);
    const body = JSON.stringify(numbers.map((n) => ({ type: "billed", payload: { n } })));
    await this.#call((client) => client.publish(TOPIC, body));
    const { deliveries } = await this.#call((client) => client.lease(NAME, { max: count }));
    const items = deliveries.map(({ lease }) => ({ lease, error: "no good", dead: true }));
    await this.#call((client) => client.nack(NAME, { deliveries: items }));
    this.#failed = numbers.slice(0, count);
    this.#left = numbers.slice(count);
    await this.#drain(OTHER, numbers);
  }

  async #change(maxRetries: number): Promise<void> {
    await this.#call((client) =>
      client.putSubscription(NAME, { topic: TOPIC, settings: { maxRetries }, update: true })
    );
  }

  async #repair({ edited, times, to, restart }: Repair): Promise<void> {
    const { daemon } = this.#context;
    const listed = await this.#call(async (client) =>
      await (await client.deadLetters({ full: "1" })).text()
    );
    const changed = listed.split("\n").filter(Boolean).map((line) => {
      const one = JSON.parse(line);
      if (one.event.payload.n <= edited) one.event.payload.edited = true;
      return JSON.stringify(one);
    });
    // The same file again, and a line twice in it: what is on its way is not sent a second time.
    const file = new TextEncoder().encode([...changed, changed[0]!, ""].join("\n"));
    for (let i = 0; i < times; i++) {
      await this.#call((client) =>
        client.importDeadLetters(file, {
          retry: true,
          batch: BATCH,
          ...(to === null ? {} : { to }),
        })
      );
    }
    if (restart) {
      await daemon.shutDown();
      await daemon.start();
    }
    const isElsewhere = to === OTHER;
    await this.#drain(isElsewhere ? OTHER : NAME, this.#failed, edited);
    if (isElsewhere) return;
    const { dead, pending } = await this.#call((client) => client.subscription(NAME));
    if (dead === 0 && pending === 0) return;
    this.#context.world.violated(PROMISE, `${dead} dead letters and ${pending} events are left`);
  }

  /** Leases and handles all that there is: what was expected, and no event twice. */
  async #drain(name: string, expected: readonly number[], edited = 0): Promise<void> {
    const got: number[] = [];
    for (;;) {
      const { deliveries } = await this.#call((client) =>
        client.lease(name, { max: 3, waitMs: 60_000, untilEmpty: true })
      );
      if (deliveries.length === 0) break;
      for (const { event } of deliveries) {
        const { n, edited: is = false } = (event as { payload: { n: number; edited?: boolean } })
          .payload;
        got.push(n);
        if (this.#failed.includes(n) && is !== n <= edited && edited > 0) {
          this.#context.world.violated(PROMISE, `event ${n} was delivered, edited: ${is}`);
        }
      }
      const leases = deliveries.map(({ lease }) => lease);
      await this.#call((client) => client.ack(name, { leases }));
    }
    const all = name === NAME ? [...expected, ...this.#left] : expected;
    const [is, wanted] = [got, all].map((some) => some.toSorted((a, b) => a - b).join(" "));
    if (is !== wanted) {
      this.#context.world.violated(PROMISE, `${name} got ${is}, and ${wanted} were to come`);
    }
  }
}

export const repairs: Scenario = {
  name: "repairs",
  tolerates: [],
  plan,
  begin: (context) => new Repairs(context),
};
