/** The examples run, and print what their pages say: in-process and against a daemon. */
import assert from "node:assert/strict";
import { startDaemon } from "./helpers/daemon.ts";

const folder = new URL("../examples/orders/", import.meta.url);

async function deno(args: string[], env: Record<string, string> = {}): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args,
    env: { NO_COLOR: "1", ...env },
  }).output();
  const decoder = new TextDecoder();
  assert.ok(success, decoder.decode(stdout) + decoder.decode(stderr));
  return decoder.decode(stdout);
}

const page = await Deno.readTextFile(new URL("README.md", folder));
const told = /```text\n(.*?)```/s.exec(page)![1]!;
const main = new URL("main.ts", folder).pathname;

Deno.test("examples/orders prints what its page says when it runs in a process", async () => {
  assert.equal(await deno(["run", "--quiet", "-A", main]), told);
});

Deno.test("examples/orders prints the same against a daemon, and on another day too", async () => {
  await using daemon = await startDaemon();
  const env = { EVS_SOCKET: daemon.socket };
  assert.equal(await deno(["run", "--quiet", "-A", main, "--daemon"], env), told);
  assert.equal(await deno(["run", "--quiet", "-A", main, "--daemon"], env), told);
  const placed = await daemon.replay("orders", "?type=order.placed");
  assert.equal(placed.length, 8);
});

Deno.test("examples/orders has tests that pass", async () => {
  const out = await deno(["test", "--quiet", "-A", folder.pathname]);
  assert.match(out, /ok \| 5 passed/);
});
