/** Events that retention deletes during a read are not mistaken for damage. */
import assert from "node:assert/strict";
import { startDaemon } from "../helpers/daemon.ts";
import { dose } from "../helpers/dose.ts";
import { evs } from "../helpers/evs.ts";

for (const store of ["sqlite", "file"]) {
  Deno.test(`a read calls nothing damaged when retention takes events meanwhile: ${store}`, async () => {
    await using daemon = await startDaemon({ store, durability: "os" });
    await daemon.http("PUT", "/v1/topics/short", { maxEvents: 20 });
    let over = false;
    const readers = Array.from({ length: 3 }, async () => {
      while (!over) await daemon.http("GET", "/v1/topics/short/events?from=start");
    });
    const doctors = (async () => {
      const codes: number[] = [];
      while (!over) codes.push((await evs(["doctor"], { at: daemon })).code);
      return codes;
    })();
    for (let round = 0; round < dose(80); round++) {
      await daemon.publish("short", "n", ...Array.from({ length: 60 }, (_, n) => n));
    }
    over = true;
    await Promise.all(readers);
    assert.ok((await doctors).every((code) => code === 0), "evs doctor finds nothing wrong");
    const { health, problems } = (await daemon.http("GET", "/v1/status")).json;
    assert.deepEqual([health, problems], ["ok", []]);
    await daemon.stop();
  });
}
