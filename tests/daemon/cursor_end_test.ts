/**
 * Contract rows 3, 5 and 27: without durability `always`, a power cut may lose the last events but
 * keep their acknowledgements. Their numbers are not reused, later events are delivered, and what a
 * subscription lost is counted.
 */
import assert from "node:assert/strict";
import { Client } from "../../core/client/client.ts";
import { newDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { STORES } from "../helpers/stores.ts";

const numbers = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i);

async function leased(daemon: TestDaemon, subscription: string) {
  const client = new Client({ socket: daemon.socket });
  const { deliveries } = await client.lease(subscription, { max: 100, bind: true });
  const seqs = deliveries.map(({ event }) => (event as { seq: number }).seq);
  return { client, deliveries, seqs };
}

function copyFolder(from: string, to: string): void {
  Deno.mkdirSync(to, { mode: 0o700 });
  for (const { name, isDirectory } of Deno.readDirSync(from)) {
    if (isDirectory) copyFolder(`${from}/${name}`, `${to}/${name}`);
    else Deno.copyFileSync(`${from}/${name}`, `${to}/${name}`);
  }
}

for (const store of STORES) {
  Deno.test(`a subscription that is ahead of the log gets what comes behind numbers that a power cut took: ${store}`, async () => {
    await using daemon = await newDaemon({ store, durability: "os" });
    await daemon.start();
    for (const name of ["all", "one"]) {
      using client = new Client({ socket: daemon.socket });
      await client.putSubscription(name, { topic: "t" });
    }
    await daemon.publish("t", "n", ...numbers(1, 4));
    await daemon.stop();
    const events = store === "file" ? "events" : "events.db";
    const [path, copy] = [`${daemon.dataDir}/${events}`, `${daemon.folder}/${events}`];
    if (store === "file") copyFolder(path, copy);
    else await Deno.copyFile(path, copy);

    await daemon.start();
    await daemon.publish("t", "n", ...numbers(5, 10));
    const all = await leased(daemon, "all");
    assert.deepEqual(all.seqs, numbers(1, 10));
    await all.client.ack("all", { leases: all.deliveries.map(({ lease }) => lease) });
    const one = await leased(daemon, "one");
    await one.client.ack("one", { leases: [one.deliveries[7]!.lease] });
    await daemon.kill();
    for (const { client } of [all, one]) client[Symbol.dispose]();
    // What was never synced is gone; the acknowledgements were.
    await Deno.remove(path, { recursive: true });
    if (store === "sqlite") {
      for (const end of ["-wal", "-shm"]) await Deno.remove(`${path}${end}`);
    }
    await Deno.rename(copy, path);

    await daemon.start();
    assert.equal((await daemon.publish("t", "n", ...numbers(11, 16))).firstSeq, 11);
    const kept = [...numbers(1, 4), ...numbers(11, 16)];
    for (const [name, expected] of [["all", numbers(11, 16)], ["one", kept]] as const) {
      const { client, seqs } = await leased(daemon, name);
      assert.deepEqual(seqs, expected, name);
      client[Symbol.dispose]();
    }
    using asking = new Client({ socket: daemon.socket });
    assert.deepEqual((await asking.subscription("all")).missed, [], "it had handled what is gone");
    const missed = (await asking.subscription("one")).missed;
    assert.deepEqual(missed.map(({ topic, count }) => [topic, count]), [["t", 5]]);
    // It is written down: a kill before the next acknowledgement changes nothing.
    await daemon.kill();
    await daemon.start();
    const again = await leased(daemon, "all");
    assert.deepEqual(again.seqs, numbers(11, 16));
    again.client[Symbol.dispose]();
    await daemon.stop();
  });
}
