/**
 * SQLite's own files, threads and the real disk cannot be simulated: a real daemon is stopped at any
 * moment of a load, its files are copied as a crash would leave them, and a second daemon opens the
 * copy. Everything that was confirmed before is there, nothing is there twice, no event is passed
 * over, what is counted is what is there, and doctor finds no damage. So it is of data dirs that
 * older versions left, too, while the new one goes on with them.
 */
import assert from "node:assert/strict";
import { Client } from "../../../core/client/client.ts";
import { newDaemon, type TestDaemon } from "../../helpers/daemon.ts";
import { dose } from "../../helpers/dose.ts";
import { fixtureText, unpackFixture } from "../../helpers/fixture.ts";
import { randomFrom } from "../../helpers/flip.ts";
import { seed } from "../../helpers/seed.ts";
import { STORES } from "../../helpers/stores.ts";
import { takeImage, verifyImage } from "./image.ts";
import { Load } from "./load.ts";

const IMAGES = dose(2);

for (const store of STORES) {
  Deno.test(`a copy of the files at any moment has all that was confirmed (${store})`, async () => {
    await using daemon = await newDaemon({ store });
    await daemon.start();
    const random = randomFrom(seed);
    const load = new Load(daemon, { seed });
    for (let n = 0; n < IMAGES; n++) {
      await load.more(1 + random(250));
      const dataDir = `${daemon.folder}/image-${n}`;
      const image = await takeImage(daemon, load, { dataDir, keepsShm: random(2) === 0 });
      try {
        await load.rest(() => verifyImage(image, { store }));
      } catch (cause) {
        throw new Error(`EVS_SEED=${seed}, image ${n}: ${cause}`, { cause });
      }
      await Deno.remove(dataDir, { recursive: true });
    }
    await load.end();
    await daemon.stop();
  });
}

const FIXTURES = {
  "format-1": "sqlite",
  "format-2": "sqlite",
  "files-1": "file",
  "version-0.1.0": "sqlite",
  "version-0.1.0-files": "file",
};

/** What the older version had is still there, byte for byte, at the beginning of its topic. */
async function hasOld(daemon: TestDaemon, fixture: string): Promise<void> {
  using client = new Client({ socket: daemon.socket });
  const text = await (await client.read({ topic: ["orders"] })).text();
  assert.ok(text.startsWith(fixtureText(fixture, "orders.ndjson")), fixture);
}

for (const [fixture, store] of Object.entries(FIXTURES)) {
  Deno.test(`so it has while a daemon goes on with the data of ${fixture}`, async () => {
    await using daemon = await newDaemon({ store });
    await Deno.mkdir(daemon.dataDir, { mode: 0o700 });
    await unpackFixture(fixture, daemon.dataDir);
    await daemon.start();
    const load = new Load(daemon, { seed, more: ["orders"] });
    await load.more(1 + randomFrom(seed)(100));
    const dataDir = `${daemon.folder}/image`;
    const image = await takeImage(daemon, load, { dataDir, keepsShm: true });
    const also = (at: TestDaemon) => hasOld(at, fixture);
    await load.rest(() => verifyImage(image, { store, more: ["orders"], also }));
    await load.end();
    await hasOld(daemon, fixture);
    await daemon.stop();
  });
}
