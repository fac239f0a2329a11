/**
 * The blocks of docs/library.md are programs: each type-checks and runs, one of them against a
 * daemon.
 */
import assert from "node:assert/strict";
import { startDaemon } from "./helpers/daemon.ts";

const root = new URL("../", import.meta.url);

Deno.test("docs/library.md has blocks that type-check and run", async () => {
  await using daemon = await startDaemon();
  const page = await Deno.readTextFile(new URL("docs/library.md", root));
  const blocks = [...page.matchAll(/```ts\n(.*?)```/gs)].map(([, block]) => block!);
  assert.equal(blocks.length, 11);
  const dir = await Deno.makeTempDir({ prefix: "evs-guide-" });
  const decoder = new TextDecoder();
  for (const [i, block] of blocks.entries()) {
    await Deno.writeTextFile(`${dir}/block_${i}.ts`, block);
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--check", "--config", new URL("deno.json", root).pathname].concat(
        `${dir}/block_${i}.ts`,
      ),
      env: { NO_COLOR: "1", EVS_SOCKET: daemon.socket, TMPDIR: dir },
    }).output();
    assert.ok(success, `block ${i + 1}: ${decoder.decode(stderr)}`);
  }
  assert.equal((await daemon.replay("orders")).length, 1, "one of them published to the daemon");
  await Deno.remove(dir, { recursive: true });
});
