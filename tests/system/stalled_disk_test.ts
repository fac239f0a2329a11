/**
 * A disk whose device answers nothing for a while: only what waits for it waits. Everybody else is
 * answered by the same daemon meanwhile, and afterwards what had waited is stored.
 */
import assert from "node:assert/strict";
import { Client } from "../../core/client/client.ts";
import { startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { dose } from "../helpers/dose.ts";
import { until } from "../helpers/evs.ts";
import { needTools } from "../helpers/shell.ts";
import { StallingDisk } from "../helpers/stalling_disk.ts";
import { STORES } from "../helpers/stores.ts";

/** A publish without an answer for so long waits for the disk, most likely, ms. */
const WAITS = 500;
/** While the disk stalls, nobody else has to wait for longer, ms. */
const DEADLINE = 30_000;

/** Publishes one event after the other, each when the one before is stored. */
class Publisher {
  /** The events that are stored. */
  stored = 0;
  #since = performance.now();
  #stopped = false;
  readonly #done: Promise<void>;

  constructor(socket: string) {
    this.#done = this.#run(socket);
    this.#done.catch(() => {}); // a test that failed before it stops this has its own error
  }

  async #run(socket: string): Promise<void> {
    using client = new Client({ socket });
    while (!this.#stopped) {
      this.#since = performance.now();
      await client.publish("stored", `${this.stored + 1}`, { query: { type: "n" } });
      this.stored++;
    }
  }

  /** Whether the one that is on its way seems to wait for the disk. */
  get waits(): boolean {
    return performance.now() - this.#since > WAITS;
  }

  /** Waits for the last one, and publishes no more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#done;
  }
}

/** Whoever needs nothing of the disk. */
class Others {
  readonly #daemon: TestDaemon;
  readonly #client: Client;
  #lines: AsyncGenerator<Uint8Array, void, undefined> | undefined;

  constructor(daemon: TestDaemon) {
    this.#daemon = daemon;
    this.#client = new Client({ socket: daemon.socket });
  }

  /** Asks for the health, and follows a topic that stores nothing while publishing to it. */
  async ask(): Promise<void> {
    const health = await this.#daemon.http("GET", "/v1/health");
    assert.equal(health.status, 200);
    this.#lines ??= (await this.#client.read({ topic: ["passing"], follow: "1" })).lines();
    const payload = crypto.randomUUID();
    await this.#client.publish("passing", JSON.stringify(payload), { query: { type: "n" } });
    const { value } = await this.#lines.next();
    assert.equal(JSON.parse(new TextDecoder().decode(value!)).payload, payload);
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }
}

async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error("others wait for the disk, too")), ms);
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** The nightly run has both: what is synced before the answer waits for the disk in any case. */
const DURABILITIES = dose(1) > 1 ? ["os", "always"] : ["os"];

for (const store of STORES) {
  for (const durability of DURABILITIES) {
    Deno.test(`a disk that stalls holds up only what waits for it (${store}, ${durability})`, async () => {
      needTools("fsfreeze");
      await using disk = await StallingDisk.make(64);
      await using daemon = await startDaemon({ store, durability, dataDir: `${disk.path}/data` });
      await daemon.http("PUT", "/v1/topics/passing", { persistent: false });
      using others = new Others(daemon);
      await others.ask();
      const publisher = new Publisher(daemon.socket);
      await until(() => publisher.stored > 0);
      await disk.stall();
      try {
        for (let before = -1; before !== publisher.stored;) {
          await until(() => publisher.waits);
          before = publisher.stored;
          await within(DEADLINE, others.ask());
        }
      } finally {
        await disk.resume();
      }
      await publisher.stop();
      const stored = (await daemon.replay("stored")).map(({ payload }) => payload);
      assert.deepEqual(stored, Array.from({ length: publisher.stored }, (_, i) => i + 1));
      await daemon.stop();
    });
  }
}
