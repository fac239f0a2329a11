/**
 * Somebody backs up a daemon that is being written to, and restores that into a new data dir. Both
 * are killed, or the power fails, somewhere in it. A backup that was made has all that was
 * acknowledged before it began, under its numbers; a restore that was cut short has restored all of
 * it, or nothing.
 */
import { makeBackup } from "../../../core/backup/backup.ts";
import { restoreBackup } from "../../../core/backup/restore.ts";
import { settleRestore } from "../../../core/data_dir/cut_restore.ts";
import { Client } from "../../../core/client/client.ts";
import type { Random } from "../types.ts";
import { BackupLedger, type Moment } from "./backup_ledger.ts";
import { ask, insist } from "./calls.ts";
import { type Cut, drawCut, runCut } from "./cuts.ts";
import type { Act, RunningScenario, Scenario, ScenarioContext } from "./scenario.ts";
import { SPAN_MS, spread } from "./scenario.ts";

const TOPIC = "ledger";
const NAME = "clerk";
const PROMISE = "A backup is consistent and complete";
const DAY_MS = 86_400_000;

/** So long a backup takes, about, ms. */
const BACKUP_MS = 70;

function plan(random: Random): Act[] {
  let n = 0;
  const publish = () => ({
    act: "publish",
    args: { first: n += 3, count: random.int(1, 3), later: random.chance(0.1) },
  });
  const work = () => ({
    act: "work",
    args: { max: random.int(1, 3), gives: random.chance(0.3) },
  });
  const published = spread(random, { count: random.int(3, 12), act: publish });
  const worked = spread(random, { count: random.int(0, 3), act: work });
  const backedUp = spread(random, {
    count: random.int(1, 3),
    act: () => ({
      act: "back up",
      args: {
        ...drawCut(random, 25),
        kills: random.chance(0.3),
        killsAfterMs: random.int(0, 100),
      },
    }),
  });
  const meanwhile = backedUp.flatMap(({ at }) =>
    Array.from({ length: random.int(0, 10) }, () => ({
      at: at + random.int(0, BACKUP_MS),
      ...(random.chance(0.5) ? publish() : work()),
    }))
  );
  return [
    { at: 0, act: "begin", args: { maxEvents: random.pick([0, 0, 5]) } },
    ...published,
    ...worked,
    ...backedUp,
    ...meanwhile,
    { at: SPAN_MS + 5000, act: "restore", args: { ...drawCut(random, 25), nth: random.next() } },
  ];
}

class Backups implements RunningScenario {
  readonly #context: ScenarioContext;
  readonly #ledger = new BackupLedger();
  /** Those that were made, and what was known when each began. */
  readonly #made: { file: string; before: Moment }[] = [];
  #count = 0;
  #judged = Promise.resolve();

  constructor(context: ScenarioContext) {
    this.#context = context;
    const folder = `${context.world.machine.root}/backups`;
    context.world.machine.put(`${folder}/README`, new Uint8Array());
    context.world.machine.put(`${context.world.machine.root}/new/README`, new Uint8Array());
  }

  async act({ act, args }: Act): Promise<void> {
    switch (act) {
      case "begin":
        return await this.#begin(args["maxEvents"] as number);
      case "publish":
        return await this.#publish(args as { first: number; count: number; later: boolean });
      case "work":
        return await this.#work(args as { max: number; gives: boolean });
      case "back up":
        return await this.#backUp(
          args as unknown as Cut & { kills: boolean; killsAfterMs: number },
        );
      case "restore":
        return await (this.#judged = this.#restore(args as unknown as Cut & { nth: number }));
    }
  }

  judge(): Promise<void> {
    return this.#judged;
  }

  async #begin(maxEvents: number): Promise<void> {
    const limits = maxEvents === 0 ? {} : { maxEvents };
    await insist(this.#context, (client) => client.createTopic(TOPIC, limits));
    const settings = { maxRetries: 0 };
    await insist(
      this.#context,
      (client) => client.putSubscription(NAME, { topic: TOPIC, from: "start", settings }),
    );
    this.#ledger.maxEvents = maxEvents || Infinity;
  }

  async #publish(
    { first, count, later }: { first: number; count: number; later: boolean },
  ): Promise<void> {
    const numbers = Array.from({ length: later ? 1 : count }, (_, i) => first + i);
    const events = numbers.map((n) => ({ type: "t", id: `e${n}`, payload: n, key: `k${n % 3}` }));
    const body = JSON.stringify(later ? events[0] : events);
    for (const n of numbers) this.#ledger.sent.add(n);
    const query = later ? { delayMs: DAY_MS } : {};
    const answer = await ask(this.#context, (client) => client.publish(TOPIC, body, { query }));
    if (answer.is !== "done") return;
    if (later) return void this.#ledger.now.scheduled.add(first);
    answer.value.events!.forEach(({ seq, keySeq }, i) =>
      void this.#ledger.now.stored.set(numbers[i]!, { seq, keySeq: keySeq! })
    );
  }

  async #work({ max, gives }: { max: number; gives: boolean }): Promise<void> {
    const { sent, now } = this.#ledger;
    const leased = await ask(this.#context, (client) => client.lease(NAME, { max, leaseMs: 1000 }));
    if (leased.is !== "done") return;
    const { deliveries } = leased.value;
    if (deliveries.length === 0) return;
    const numbers = deliveries.map(({ event }) => (event as { payload: number }).payload);
    for (const n of numbers) {
      if (!sent.has(n)) this.#context.world.violated(PROMISE, `nobody sent event ${n}`);
      (gives ? this.#ledger.giving : this.#ledger.acking).add(n);
    }
    const leases = deliveries.map(({ lease }) => lease);
    const answer = await ask(
      this.#context,
      (client) =>
        gives
          ? client.nack(NAME, {
            deliveries: leases.map((lease) => ({ lease, dead: true, error: "no" })),
          })
          : client.ack(NAME, { leases }),
    );
    if (answer.is !== "done" || answer.value.settled < leases.length) return;
    for (const n of numbers) (gives ? now.dead : now.acked).add(n);
  }

  async #backUp({ kills, killsAfterMs, ...cut }: Cut & { kills: boolean; killsAfterMs: number }) {
    const { world, daemon } = this.#context;
    const file = `${world.machine.root}/backups/b${++this.#count}.tar`;
    const before = this.#ledger.moment();
    if (kills) void world.sleep(killsAfterMs).then(() => daemon.kill());
    const { dataDir } = daemon;
    const exit = await runCut(world, {
      name: "backup",
      path: "/backups/",
      cut,
      program: async () => void await makeBackup({ dataDir, file, force: false, now: Date.now() }),
    });
    if (kills) await world.sleep(killsAfterMs);
    await this.#start();
    if (exit.how === "threw") {
      world.violated(PROMISE, `no backup was made: ${(exit.error as Error).message}`);
    }
    // One that was killed behind its last rename is whole, and nobody was told so.
    const isThere = world.machine.files().includes(file);
    if (exit.how === "exited" && !isThere) world.violated(PROMISE, `${file} is not there`);
    if (isThere) this.#made.push({ file, before });
  }

  async #restore({ nth, ...cut }: Cut & { nth: number }): Promise<void> {
    const { world } = this.#context;
    const chosen = this.#made[Math.floor(nth * this.#made.length)];
    if (chosen === undefined) return;
    const { file } = chosen;
    if (cut.how === "power cut") world.machine.powerCut();
    if (!world.machine.files().includes(file)) {
      world.violated(PROMISE, `${file} was made, and is gone since the power failed`);
    }
    const dataDir = `${world.machine.root}/new/data`;
    const program = async () =>
      void await restoreBackup({ file, dataDir, force: false, now: Date.now() });
    const exit = await runCut(world, { name: "restore", path: "/new/", cut, program });
    settleRestore(dataDir);
    const isThere = world.machine.files().some((path) => path.startsWith(`${dataDir}/`));
    if (exit.how === "threw" || exit.how === "exited" && !isThere) {
      world.violated(PROMISE, `nothing was restored: ${JSON.stringify(exit)}`);
    }
    if (!isThere) {
      // Its folder is named by the time.
      await world.sleep(100);
      const again = await world.spawn("restore", program).ended;
      if (again.how !== "exited") {
        world.violated(PROMISE, `a second restore failed: ${JSON.stringify(again)}`);
      }
    }
    await this.#look(chosen, dataDir);
    await this.#start();
  }

  /** What a daemon on the restored data dir has. */
  async #look({ before }: { before: Moment }, dataDir: string): Promise<void> {
    const { world, store } = this.#context;
    const socket = `${world.machine.socket}.new`;
    const restored = world.daemon({ name: "restored", dataDir, socket, store: store as "file" });
    const started = await restored.start();
    if (started !== "ready") world.violated(PROMISE, `it did not start: ${started.said}`);
    using client = new Client({ socket });
    const [fault] = await this.#ledger.faults(client, { before, topic: TOPIC, name: NAME });
    if (fault !== undefined) world.violated(PROMISE, fault);
    await restored.shutDown();
  }

  async #start(): Promise<void> {
    const { world, daemon } = this.#context;
    if (daemon.process?.state !== "dead") return;
    const started = await daemon.start();
    if (started !== "ready") world.violated(PROMISE, `it did not start: ${started.said}`);
  }
}

export const backups: Scenario = {
  name: "backups",
  tolerates: [],
  plan,
  begin: (context) => new Backups(context),
};
