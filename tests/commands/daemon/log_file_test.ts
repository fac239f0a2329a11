/** Reading the end of the daemon's log, and following it through rotation. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { followLog, lastLines } from "../../../commands/daemon/log_file.ts";

async function inFolder(work: (log: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await work(`${folder}/daemon.log`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("lastLines gives exactly the last lines of a file of any size", async () => {
  await inFolder(async (log) => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 50_000 }), { maxLength: 6 }),
        fc.integer({ min: 0, max: 8 }),
        async (lengths, count) => {
          const lines = lengths.map((length, index) => `${String(index).repeat(length)}\n`);
          await Deno.writeTextFile(log, lines.join(""));
          const wanted = count === 0 ? "" : lines.slice(-count).join("");
          assert.equal(new TextDecoder().decode(lastLines(log, count).lines), wanted);
        },
      ),
      { numRuns: 30 },
    );
  });
});

Deno.test("followLog goes on with the new file when the log is rotated", async () => {
  await inFolder(async (log) => {
    await Deno.writeTextFile(log, "old\n");
    const stop = new AbortController();
    const seen = followLog(log, { from: lastLines(log, 1).size, signal: stop.signal });
    const decoder = new TextDecoder();
    await Deno.writeTextFile(log, "one\n", { append: true });
    assert.equal(decoder.decode((await seen.next()).value as Uint8Array), "one\n");
    await Deno.rename(log, `${log}.1`);
    await Deno.writeTextFile(log, "two\n");
    assert.equal(decoder.decode((await seen.next()).value as Uint8Array), "two\n");
    const last = seen.next();
    stop.abort();
    assert.equal((await last).done, true);
  });
});

Deno.test("followLog ends at once when whoever follows has gone before it began", async () => {
  await inFolder(async (log) => {
    await Deno.writeTextFile(log, "old\n");
    const from = lastLines(log, 1).size;
    const { promise, resolve } = Promise.withResolvers<string>();
    const seen = followLog(log, { from, signal: AbortSignal.abort() });
    // Far longer than it takes to see that nobody is there.
    const timer = setTimeout(() => resolve("it follows on"), 20_000);
    assert.deepEqual(await Promise.race([seen.next(), promise]), { done: true, value: undefined });
    clearTimeout(timer);
  });
});
