/**
 * Contract row 23: the daemon stores data only in its data dir. SQLite's temporary files bypass the
 * runtime's permissions: one contained copies of pages, and so of payloads, in /var/tmp.
 */
import assert from "node:assert/strict";
import { newDaemon } from "../helpers/daemon.ts";
import { needTools } from "../helpers/shell.ts";
import { STORES } from "../helpers/stores.ts";

/**
 * Short ones, of which a mebibyte makes more lines than SQLite's cache has room for: then it looks
 * for room elsewhere.
 */
const EVENTS = 30_000;
const ROUNDS = 3;

/** Paths that were opened to be written to. */
function written(trace: string): string[] {
  const opened = trace.matchAll(
    /open(?:at)?\([^"]*"([^"]+)", [^)]*O_(?:RDWR|WRONLY)[^)]*\) += \d/g,
  );
  return [...new Set([...opened].map(([, path]) => path!))];
}

for (const store of STORES) {
  Deno.test(`daemon writes to no file outside of its data dir and its socket's folder (${store})`, async () => {
    needTools("strace");
    const trace = await Deno.makeTempFile({ prefix: "evs-trace-" });
    {
      const wrapper = ["strace", "-f", "-o", trace, "-e", "trace=open,openat"];
      await using daemon = await newDaemon({ store, wrapper });
      await daemon.start();
      const payloads = Array.from({ length: EVENTS }, (_, n) => `${n} ${"x".repeat(30)}`);
      await daemon.publish("first", "n", ...payloads);
      // Until then the runtime has written to its own caches.
      const from = (await Deno.readTextFile(trace)).length;
      for (let round = 0; round < ROUNDS; round++) await daemon.publish("t", "n", ...payloads);
      await daemon.stop();
      const calls = await Deno.readTextFile(trace);
      const own = (path: string) => path.startsWith(`${daemon.folder}/`);
      assert.ok(written(calls).some(own), "the trace shows it");
      const outside = written(calls.slice(from)).filter((path) => !own(path));
      assert.deepEqual(outside, []);
    }
    await Deno.remove(trace);
  });
}
