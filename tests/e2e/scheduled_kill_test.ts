/**
 * Contract row 32, scheduled events: SIGKILL at any moment loses none that was accepted and
 * publishes none twice.
 */
import assert from "node:assert/strict";
import { Client } from "../../core/client/client.ts";
import { ConnectionLostError, NoDaemonError } from "../../core/base/errors.ts";
import { startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { dose } from "../helpers/dose.ts";
import { until } from "../helpers/evs.ts";
import { STORES } from "../helpers/stores.ts";

const SCHEDULERS = 4;
/** Kills of each store; together a tenth of the floor. */
const KILLS = dose(10);

/** What those who schedule know. */
class Ledger {
  /** Ids that were sent, accepted or not. */
  readonly sent = new Set<string>();
  readonly accepted = new Set<string>();
  over = false;
  /** Pending while the daemon is being killed and started again. */
  serving: Promise<void> = Promise.resolve();
}

/** Schedules with short delays and near times; what had no reply is sent again with its id. */
async function schedule(daemon: TestDaemon, ledger: Ledger, who: number): Promise<void> {
  using client = new Client({ socket: daemon.socket });
  for (let n = 0; !ledger.over; n++) {
    const id = `s${who}-${n}`;
    ledger.sent.add(id);
    const delayMs = Math.floor(Math.random() * 300);
    const when = n % 2 === 0 ? { delayMs } : { at: new Date(Date.now() + delayMs).toISOString() };
    while (!ledger.accepted.has(id)) {
      try {
        await client.publish("killed", String(n), { query: { type: "n", id, ...when } });
        ledger.accepted.add(id);
      } catch (error) {
        if (!(error instanceof ConnectionLostError || error instanceof NoDaemonError)) throw error;
        if (ledger.over) return;
        await ledger.serving;
      }
    }
  }
}

for (const store of STORES) {
  Deno.test(`daemon publishes each scheduled event once through ${KILLS} kills with the ${store} store`, async () => {
    await using daemon = await startDaemon({ store });
    const ledger = new Ledger();
    const work = Array.from({ length: SCHEDULERS }, (_, who) => schedule(daemon, ledger, who));
    const failed = Promise.all(work);
    for (let kill = 0; kill < KILLS; kill++) {
      const goal = ledger.accepted.size + 1 + Math.floor(Math.random() * 150);
      await Promise.race([until(() => ledger.accepted.size >= goal), failed]);
      const { promise, resolve } = Promise.withResolvers<void>();
      ledger.serving = promise;
      await daemon.kill();
      await daemon.start();
      resolve();
    }
    ledger.over = true;
    await failed;
    await until(async () => (await daemon.http("GET", "/v1/scheduled")).json.total === 0);
    const ids: string[] = (await daemon.replay("killed")).map(({ id }) => id);
    const stored = new Set(ids);
    assert.equal(stored.size, ids.length, "none is there twice");
    assert.deepEqual([...ledger.accepted].filter((id) => !stored.has(id)), [], "none is lost");
    assert.deepEqual(ids.filter((id) => !ledger.sent.has(id)), [], "none is made up");
    await daemon.stop();
    await daemon.start();
    assert.deepEqual((await daemon.replay("killed")).map(({ id }) => id), ids);
  });
}
