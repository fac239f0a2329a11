/**
 * Contract row 32, spooled events: while the daemon is killed and started again at any moment, what
 * `evs publish --spool` accepted is stored once, and each stream in its order.
 */
import assert from "node:assert/strict";
import { newDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { dose } from "../helpers/dose.ts";
import { evs, until } from "../helpers/evs.ts";
import { spawnDaemon } from "../helpers/spawn_daemon.ts";
import { STORES } from "../helpers/stores.ts";

const PUBLISHERS = 3;
/** The lines of a stream. */
const LINES = 50;
/** Kills of each store; together a tenth of the floor. */
const KILLS = dose(10);

/** What the publishers know. */
class Ledger {
  readonly accepted: string[][] = [];
  spooled = 0;
  over = false;
}

/** Publishes one event and a stream in turn. */
async function publish(at: TestDaemon, ledger: Ledger, who: number): Promise<void> {
  for (let n = 0; !ledger.over; n++) {
    const isOne = n % 2 === 0;
    const payloads = Array.from({ length: isOne ? 1 : LINES }, (_, i) => `${who}-${n}-${i}`);
    const { code, stdout, stderr } = await evs(
      ["publish", "killed", "n", ...isOne ? [payloads[0]!, "--text"] : ["--lines"], "--spool"],
      { at, ...(isOne ? {} : { stdin: payloads.join("\n") }) },
    );
    assert.equal(code, 0, stderr);
    ledger.accepted.push(payloads);
    if (JSON.parse(stdout).spooled) ledger.spooled++;
  }
}

const delay = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Starts a daemon, which takes in the spool before it is ready, and kills it while it does. */
async function killStarting(at: TestDaemon, afterMs: number): Promise<void> {
  const { dataDir, socket, config, options } = at;
  const child = spawnDaemon({ ...options, dataDir, socket, config });
  await delay(afterMs);
  child.kill("SIGKILL");
  await child.output();
}

for (const store of STORES) {
  Deno.test(`evs publish --spool loses nothing and stores nothing twice through ${KILLS} kills of the daemon (${store})`, async () => {
    await using at = await newDaemon({ store });
    const ledger = new Ledger();
    const work = Promise.all(
      Array.from({ length: PUBLISHERS }, (_, who) => publish(at, ledger, who)),
    );
    const goOn = (more: number) => {
      const goal = ledger.accepted.length + more;
      return Promise.race([until(() => ledger.accepted.length >= goal), work]);
    };
    let startMs = 0;
    for (let kill = 0; kill < KILLS; kill++) {
      await goOn(1 + Math.floor(Math.random() * 3));
      if (kill % 2 === 1) {
        await killStarting(at, Math.random() * startMs);
        continue;
      }
      const begun = performance.now();
      await at.start();
      startMs = performance.now() - begun;
      await delay(Math.random() * 300);
      await at.kill();
    }
    await goOn(1);
    ledger.over = true;
    await work;
    await at.start();
    await until(async () => !(await at.http("GET", "/v1/status")).json.spool);
    const stored: string[] = (await at.replay("killed")).map(({ payload }) => payload);
    const accepted = ledger.accepted.flat();
    assert.ok(ledger.spooled > 0, "the spool was used");
    assert.deepEqual(stored.toSorted(), accepted.toSorted(), "each is there, and once");
    const places = new Map(stored.map((payload, place) => [payload, place]));
    for (const stream of ledger.accepted) {
      const own = stream.map((payload) => places.get(payload)!);
      assert.deepEqual(own, own.toSorted((a, b) => a - b), "in order");
    }
  });
}
