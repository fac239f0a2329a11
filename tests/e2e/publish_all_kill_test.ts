/**
 * Contract row 32: through SIGKILL at any moment, events that are published to several topics at
 * once are in all of them or in none, each batch once, and acknowledged ones are there. With topics
 * in SQLite and in files, and with a durability that does not sync.
 */
import assert from "node:assert/strict";
import { ConnectionLostError, NoDaemonError } from "../../core/base/errors.ts";
import { Client } from "../../core/client/client.ts";
import { newDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { dose } from "../helpers/dose.ts";

const PUBLISHERS = 4;
const TOPICS = ["a", "b", "c"];
/** Kills of each store by durability; together a tenth of the floor. */
const KILLS = { always: dose(6), os: dose(4) };
/** Most batches that are acknowledged between two kills. */
const MOST_BETWEEN = 40;

/** What the publishers know. */
class Ledger {
  readonly sent = new Set<string>();
  readonly acknowledged = new Set<string>();
  over = false;
  /** Pending while the daemon is being killed and started again. */
  serving: Promise<void> = Promise.resolve();
  #changed = Promise.withResolvers<void>();

  acknowledge(batch: string): void {
    this.acknowledged.add(batch);
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  /** Resolves when this many more have been acknowledged. */
  async more(count: number): Promise<void> {
    const goal = this.acknowledged.size + count;
    while (this.acknowledged.size < goal) await this.#changed.promise;
  }
}

/** One event for each topic, two for the last one; every second batch is large. */
function bodyOf(batch: string, isLarge: boolean): string {
  const fill = isLarge ? "x".repeat(100_000) : "";
  return JSON.stringify([...TOPICS, TOPICS.at(-1)!].map((topic, i) => ({
    topic,
    type: "part",
    id: `${batch}-${i}`,
    key: batch,
    payload: { fill },
    expected: { key: "none" },
  })));
}

/** Publishes batches until it is over; what had no reply is sent again unchanged. */
async function publish(daemon: TestDaemon, ledger: Ledger, publisher: number): Promise<void> {
  using client = new Client({ socket: daemon.socket });
  for (let n = 1; !ledger.over; n++) {
    const batch = `${publisher}.${n}`;
    ledger.sent.add(batch);
    while (!ledger.acknowledged.has(batch) && !ledger.over) {
      try {
        await client.publishAll(bodyOf(batch, n % 2 === 0));
        ledger.acknowledge(batch);
        // Single events between the batches share appends with them.
        await client.publish("a", JSON.stringify({ type: "single", payload: batch }));
      } catch (error) {
        if (!(error instanceof ConnectionLostError || error instanceof NoDaemonError)) throw error;
        await ledger.serving;
      }
    }
  }
}

/** The batches in each topic: all of them whole, and the same ones everywhere. */
async function batchesIn(daemon: TestDaemon): Promise<string[]> {
  const found = await Promise.all(TOPICS.map(async (topic, i) => {
    const events = await daemon.replay(topic);
    assert.deepEqual(events.map(({ seq }) => seq), events.map((_, at) => at + 1));
    const keys = events.filter(({ type }) => type === "part").map(({ key }) => key as string);
    const batches = [...new Set(keys)];
    assert.equal(keys.length, batches.length * (i === 2 ? 2 : 1), `${topic} has whole batches`);
    return batches.sort();
  }));
  for (const other of found.slice(1)) assert.deepEqual(other, found[0]);
  return found[0]!;
}

for (const store of ["sqlite", "file"]) {
  for (const [durability, kills] of Object.entries(KILLS)) {
    Deno.test(`daemon has no part of a batch for several topics through ${kills} kills with the ${store} store and durability ${durability}`, async () => {
      await using daemon = await newDaemon({ store, durability });
      await daemon.start();
      const ledger = new Ledger();
      const published = Promise.all(
        Array.from({ length: PUBLISHERS }, (_, i) => publish(daemon, ledger, i)),
      );
      for (let kill = 0; kill < kills; kill++) {
        await Promise.race([ledger.more(1 + Math.floor(Math.random() * MOST_BETWEEN)), published]);
        const { promise, resolve } = Promise.withResolvers<void>();
        ledger.serving = promise;
        await daemon.kill();
        await daemon.start();
        resolve();
      }
      await Promise.race([ledger.more(1), published]);
      ledger.over = true;
      await published;
      const there = new Set(await batchesIn(daemon));
      assert.deepEqual([...ledger.acknowledged].filter((batch) => !there.has(batch)), []);
      assert.deepEqual([...there].filter((batch) => !ledger.sent.has(batch)), []);
    });
  }
}
