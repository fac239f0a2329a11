/**
 * Somebody retries, removes and edits dead letters, one by one, by their cause and as jobs, while the
 * daemon is killed and the power fails. Each is in one place: dead, on its way again, or done.
 */
import type { DeadLetterFilter } from "../../../core/event/dead_letter_filter.ts";
import type { Random } from "../types.ts";
import { type Answer, ask, insist } from "./calls.ts";
import { type Entry, Places } from "./dead_letter_places.ts";
import type { Act, RunningScenario, Scenario, ScenarioContext } from "./scenario.ts";
import { spread } from "./scenario.ts";

const TOPIC = "letters";
const NAME = "desk";
const PROMISE = "6. Retry, dead letter and cursor move together";
const CAUSES = ["no such account", "the printer is on fire"] as const;
/** So long a kill waits for a call of the disk, ms. */
const LONGEST_WAIT_MS = 3000;

type Selection = "one" | "group" | "all";

function plan(random: Random): Act[] {
  const published = Array.from({ length: random.int(4, 15) }, (_, n) => ({
    at: random.int(0, 5000),
    act: "publish",
    args: { n, cause: random.pick(CAUSES) },
  }));
  const worked = spread(random, {
    count: random.int(3, 8),
    act: () => ({ act: "work", args: { max: random.int(1, 8), fails: random.chance(0.8) } }),
  });
  const moved = spread(random, {
    count: random.int(2, 10),
    act: () => ({
      act: random.pick(["retry", "retry", "remove", "edit"]),
      args: {
        selection: random.pick<Selection>(["one", "group", "all"]),
        nth: random.next(),
        job: random.chance(0.4),
      },
    }),
  });
  const cut = spread(random, {
    count: random.int(0, 4),
    act: () => ({
      act: "cut",
      args: { how: random.pick(["kill", "kill at disk", "power cut"]), after: random.int(0, 6) },
    }),
  });
  return [...published, ...worked, ...moved, ...cut];
}

class DeadLetterDesk implements RunningScenario {
  readonly #context: ScenarioContext;
  readonly #places: Places;
  /** Only cuts come in between. */
  #turn = Promise.resolve();

  constructor(context: ScenarioContext) {
    this.#context = context;
    this.#places = new Places((details) => context.world.violated(PROMISE, details));
  }

  act({ act, args }: Act): Promise<void> {
    if (act === "cut") return this.#cut(args as { how: string; after: number });
    return this.#turn = this.#turn.then(() => {
      if (act === "publish") return this.#publish(args as { n: number; cause: string });
      if (act === "work") return this.#work(args as { max: number; fails: boolean });
      if (act === "edit") return this.#edit(args["nth"] as number);
      const how = args as { selection: Selection; nth: number; job: boolean };
      return this.#move(act as "retry" | "remove", how);
    });
  }

  async #publish({ n, cause }: { n: number; cause: string }): Promise<void> {
    const body = JSON.stringify({ type: "t", id: `e${n}`, payload: { n, cause } });
    await insist(this.#context, (client) => client.publish(TOPIC, body));
    this.#places.add(n);
  }

  async #work({ max, fails }: { max: number; fails: boolean }): Promise<void> {
    const leased = await ask(this.#context, (client) => client.lease(NAME, { max, waitMs: 100 }));
    // Nobody answers what was leased then, and that may end as a failure.
    if (leased.is !== "done") return this.#places.move("pending", { to: "dead", sure: false });
    const { deliveries } = leased.value;
    if (deliveries.length === 0) return;
    const events = deliveries.map(({ event }) => event as Entry["event"]);
    const among = events.map(({ payload: { n } }) => n);
    for (const n of among) this.#places.is(n, "pending", "is delivered");
    const answer = await ask(this.#context, async (client) =>
      fails
        ? await client.nack(NAME, {
          deliveries: deliveries.map(({ lease }, i) => ({
            lease,
            dead: true,
            error: events[i]!.payload.cause,
          })),
        })
        : await client.ack(NAME, { leases: deliveries.map(({ lease }) => lease) }));
    const sure = answer.is === "done" && answer.value.settled === deliveries.length;
    this.#places.move("pending", { among, to: fails ? "dead" : "done", sure });
    if (!sure) this.#places.move("pending", { among, to: "dead", sure });
  }

  async #move(
    action: "retry" | "remove",
    { selection, nth, job }: { selection: Selection; nth: number; job: boolean },
  ): Promise<void> {
    const filter = await this.#filter(selection, nth);
    if (filter === undefined) return;
    const among = (await this.#dead(filter)).map(({ event }) => event.payload.n);
    if (among.length === 0) return;
    const chosen = { subscription: NAME, ...filter };
    const answer = job
      ? await this.#job({ action, ...chosen })
      : await ask(this.#context, (client) =>
        action === "retry" ? client.retryDeadLetters(chosen) : client.removeDeadLetters(chosen));
    const sure = answer.is === "done";
    const hasCopies = this.#places.hasCopies(among);
    if (answer.is === "refused" || sure && answer.value.count !== among.length && !hasCopies) {
      this.#context.world.violated(
        PROMISE,
        `${action} of ${among.length} dead letters: ${JSON.stringify(answer)}`,
      );
    }
    this.#places.move("dead", { among, to: action === "retry" ? "pending" : "done", sure });
  }

  /** Begins a job, and waits until it has ended. */
  async #job(
    request: DeadLetterFilter & { action: "retry" | "remove" },
  ): Promise<Answer<{ count: number }>> {
    type Job = { job: string; state: string; total: number; done: number; left: number };
    const path = "/v1/dead-letter-jobs";
    const body = JSON.stringify(request);
    const begun = await ask(
      this.#context,
      (client) => client.call<Job>({ method: "POST", path, body, contentType: "application/json" }),
    );
    const jobs = async () =>
      (await insist(
        this.#context,
        (client) => client.call<{ jobs: Job[] }>({ method: "GET", path }),
      )).jobs;
    while ((await jobs()).some(({ state }) => state === "running")) {
      await this.#context.world.sleep(100);
    }
    if (begun.is !== "done") return begun;
    if (begun.value.total === 0) return { is: "done", value: { count: 0 } };
    const ended = (await jobs()).find(({ job }) => job === begun.value.job);
    if (ended === undefined) this.#context.world.violated(PROMISE, `${begun.value.job} is gone`);
    return { is: "done", value: { count: ended.done } };
  }

  /** As `evs dlq edit` does it. */
  async #edit(nth: number): Promise<void> {
    const listed = await this.#dead({});
    const entry = listed[Math.floor(nth * listed.length)];
    if (entry === undefined) return;
    const { event, ...about } = entry;
    const payload = { ...event.payload, edits: (event.payload.edits ?? 0) + 1 };
    const body = new TextEncoder().encode(
      `${JSON.stringify({ ...about, event: { ...event, payload } })}\n`,
    );
    const answer = await ask(
      this.#context,
      (client) => client.importDeadLetters(body, { retry: true }),
    );
    const sure = answer.is === "done";
    const { mended = 0, present = 0 } = sure ? answer.value : {};
    if (answer.is === "refused" || sure && mended + present !== 1) {
      this.#context.world.violated(PROMISE, `an edit ended with ${JSON.stringify(answer)}`);
    }
    this.#places.edit(event.payload.n);
  }

  async #filter(selection: Selection, nth: number): Promise<DeadLetterFilter | undefined> {
    if (selection === "all") return {};
    if (selection === "group") {
      const groups = await insist(this.#context, (client) => client.deadLetterGroups({}));
      const group = groups[Math.floor(nth * groups.length)];
      return group && { group: group.id };
    }
    const listed = await this.#dead({});
    const entry = listed[Math.floor(nth * listed.length)];
    return entry && { ids: [entry.id] };
  }

  /** The dead letters that a filter selects. */
  async #dead({ ids, group }: DeadLetterFilter): Promise<Entry[]> {
    const query = { full: "1", ...(group === undefined ? {} : { group }) };
    const text = await insist(
      this.#context,
      async (client) => await (await client.deadLetters(query)).text(),
    );
    const all = text.split("\n").filter(Boolean).map((line) => JSON.parse(line) as Entry);
    for (const { event } of all) this.#places.is(event.payload.n, "dead", "is a dead letter");
    return ids === undefined ? all : all.filter(({ id }) => ids.includes(id));
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

  async judge(): Promise<void> {
    await this.#turn;
    const dead = (await this.#dead({})).map(({ event }) => event.payload.n);
    const come: number[] = [];
    for (;;) {
      const reply = await insist(
        this.#context,
        (client) => client.lease(NAME, { max: 100, waitMs: 50 }),
      );
      const { deliveries, pending, leased, scheduled } = reply;
      if (deliveries.length + pending + leased + scheduled === 0) break;
      come.push(...deliveries.map(({ event }) => (event as Entry["event"]).payload.n));
      const leases = deliveries.map(({ lease }) => lease);
      if (leases.length > 0) await insist(this.#context, (client) => client.ack(NAME, { leases }));
    }
    const later = (await this.#dead({})).map(({ event }) => event.payload.n);
    this.#places.judge({ dead, come, later });
  }
}

export const deadLetters: Scenario = {
  name: "dead letters",
  tolerates: [],
  plan,
  async begin(context) {
    const settings = { maxRetries: 0 };
    await insist(
      context,
      (client) => client.putSubscription(NAME, { topic: TOPIC, from: "start", settings }),
    );
    return new DeadLetterDesk(context);
  },
};
