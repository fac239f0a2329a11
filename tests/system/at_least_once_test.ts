/**
 * Contract row 5: a named subscription misses nothing, whatever is killed, and without a failure
 * nothing is delivered twice.
 */
import assert from "node:assert/strict";
import { Client } from "../../core/client/client.ts";
import { newDaemon, startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { dose } from "../helpers/dose.ts";
import { evs, RunningEvs } from "../helpers/evs.ts";
import { STORES } from "../helpers/stores.ts";

const CONCURRENCY = 4;
/** Kills of the consumer and of the daemon, in turn. */
const KILLS = dose(10);
/** Enough that none of the kills finds an empty topic. */
const EVENTS = KILLS * 40;

/** Notes each event that it is given; the shell's append is one write. */
const HANDLER = ["sh", "-c", 'echo "$EVS_SEQ" >>"$HANDLED"'];

function consume(extra: string[]): string[] {
  const flags = ["--name", "worker", "--concurrency", String(CONCURRENCY), ...extra];
  return ["consume", "work", ...flags, "--", ...HANDLER];
}

/** The seqs that handlers have noted so far, in order. */
async function handled(file: string): Promise<number[]> {
  return (await Deno.readTextFile(file)).split("\n").filter(Boolean).map(Number);
}

/** Waits until the handlers have noted `more` events. */
async function untilHandled(file: string, more: number): Promise<void> {
  const goal = (await handled(file)).length + more;
  const watcher = Deno.watchFs(file);
  if ((await handled(file)).length >= goal) return watcher.close();
  for await (const _change of watcher) if ((await handled(file)).length >= goal) break;
}

async function publishAll(daemon: TestDaemon): Promise<void> {
  await daemon.publish("work", "job", ...Array.from({ length: EVENTS }, (_, i) => i + 1));
}

/**
 * How many events the subscription has settled, once no consumer, or only the live one, holds any.
 */
async function settled(daemon: TestDaemon, options: { alone: boolean }): Promise<number> {
  using client = new Client({ socket: daemon.socket });
  for (;;) {
    const { pending, leased, scheduled } = await client.subscription("worker");
    // Events held by a dead consumer are returned when its connection is found closed.
    if (leased === 0 || !options.alone) return EVENTS - pending - leased - scheduled;
  }
}

for (const store of STORES) {
  Deno.test(`consume misses nothing through ${KILLS} kills of the consumer and the daemon: ${store}`, async () => {
    await using daemon = await newDaemon({ store });
    await daemon.start();
    await publishAll(daemon);
    const file = `${daemon.folder}/handled`;
    await Deno.writeTextFile(file, "");
    const options = { at: daemon, env: { HANDLED: file } };
    let consumer = new RunningEvs(consume([]), options);
    // What was handled, and not yet acknowledged, when something was killed: that much may come
    // twice.
    let inHand = 0;
    for (let kill = 0; kill < KILLS; kill++) {
      await untilHandled(file, 1 + Math.floor(Math.random() * 12));
      if (kill % 2 === 0) {
        consumer.child.kill("SIGKILL");
        await consumer.end();
        const noted = new Set(await handled(file)).size;
        inHand += Math.max(0, noted - await settled(daemon, { alone: true }));
        consumer = new RunningEvs(consume([]), options);
      } else {
        // The consumer stays, and continues when the daemon is back.
        await daemon.kill();
        const noted = new Set(await handled(file)).size;
        await daemon.start();
        inHand += Math.max(0, noted - await settled(daemon, { alone: false }));
      }
    }
    consumer.child.kill("SIGTERM");
    await consumer.end();
    const rest = await evs(consume(["--until-empty"]), options);
    assert.equal(rest.code, 0, rest.stderr);

    const seqs = await handled(file);
    const times = new Map<number, number>();
    for (const seq of seqs) times.set(seq, (times.get(seq) ?? 0) + 1);
    const missed = Array.from({ length: EVENTS }, (_, i) => i + 1).filter((seq) => !times.has(seq));
    assert.deepEqual(missed, []);
    const twice = seqs.length - EVENTS;
    // Handlers outlive their consumer for a moment, and the final SIGTERM returns what it
    // interrupts.
    const most = inHand + (KILLS + 1) * CONCURRENCY;
    assert.ok(twice <= most, `${twice} came twice, and ${inHand} were in hand at the kills`);
  });

  Deno.test(`consume gets every event once when nothing fails: ${store}`, async () => {
    await using daemon = await startDaemon({ store });
    await publishAll(daemon);
    const file = `${daemon.folder}/handled`;
    const options = { at: daemon, env: { HANDLED: file } };
    const ran = await evs(consume(["--until-empty"]), options);
    assert.equal(ran.code, 0, ran.stderr);
    const seqs = (await handled(file)).sort((a, b) => a - b);
    assert.deepEqual(seqs, Array.from({ length: EVENTS }, (_, i) => i + 1));
  });

  Deno.test(`a subscription goes on behind what was acknowledged, also after a kill right behind the ack: ${store}`, async () => {
    await using daemon = await newDaemon({ store });
    await daemon.start();
    await daemon.publish("work", "job", ...Array.from({ length: 20 }, (_, i) => i + 1));
    for (let round = 0; round < dose(5, 20); round++) {
      using client = new Client({ socket: daemon.socket });
      await client.putSubscription("worker", { topic: "work" });
      const { deliveries } = await client.lease("worker", { max: 1, bind: true });
      assert.equal((deliveries[0]!.event as { seq: number }).seq, round + 1);
      await client.ack("worker", { leases: [deliveries[0]!.lease] });
      await daemon.kill();
      await daemon.start();
    }
  });

  Deno.test(`what retention took before a subscription saw it is counted as missed: ${store}`, async () => {
    await using daemon = await startDaemon({ store });
    using client = new Client({ socket: daemon.socket });
    await client.createTopic("short", { maxEvents: 5 });
    await client.putSubscription("late", { topic: "short" });
    await daemon.publish("short", "n", ...Array.from({ length: 20 }, (_, i) => i + 1));
    // Retention runs by itself soon after a limited topic grew.
    while ((await client.topic("short")).events > 5) await client.status();
    const { deliveries } = await client.lease("late", { max: 100, bind: true });
    const seqs = deliveries.map(({ event }) => (event as { seq: number }).seq);
    assert.deepEqual(seqs, [16, 17, 18, 19, 20]);
    const missed = [{ topic: "short", from: 1, to: 15, count: 15 }];
    assert.deepEqual((await client.subscription("late")).missed, missed);

    // It is written down with the first acknowledgement, and a kill does not make it forgotten or
    // counted twice.
    await client.ack("late", { leases: deliveries.map(({ lease }) => lease) });
    await daemon.kill();
    await daemon.start();
    using again = new Client({ socket: daemon.socket });
    const after = await again.subscription("late");
    assert.deepEqual([after.missed, after.pending], [missed, 0]);
  });
}
