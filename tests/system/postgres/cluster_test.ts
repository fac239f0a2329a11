/**
 * The demo of a cluster, as a test: three daemons on one PostgreSQL, by ordinary `evs` commands. Each
 * of its steps says what it must show, and it ends at the first that does not.
 */
import assert from "node:assert/strict";
import { clusterSteps, runCluster } from "../../../demo/cluster.ts";
import { startPostgres } from "../../helpers/postgres.ts";

Deno.test({
  name:
    "three daemons on one PostgreSQL lose nothing and keep the order of keys when one is killed",
  async fn() {
    await using server = await startPostgres({ settings: { fsync: "off" } });
    const said: string[] = [];
    const isRight = await runCluster(server.url, { print: (text) => void said.push(text) });
    assert.ok(isRight, said.slice(-6).join("\n"));
    // Each of them was printed and explained.
    const explained = said.filter((text) => text.startsWith("\n# "));
    assert.equal(explained.length, clusterSteps(server.url).length);
  },
});

Deno.test("a demo that does not show what it says ends there, and leaves no daemon", async () => {
  const said: string[] = [];
  const steps = [
    { say: "Nothing.", command: "evs daemon start --data-dir a && pwd", shows: /not this/ },
    { say: "Not reached.", command: "true" },
  ];
  const isRight = await runCluster("", { print: (text) => void said.push(text), steps });
  assert.equal(isRight, false);
  assert.match(said.join("\n"), /The demo went wrong/);
  assert.doesNotMatch(said.join("\n"), /Not reached/);
  const pid = /pid (\d+)/.exec(said.join("\n"))![1];
  assert.equal(await isThere(Number(pid)), false, "the daemon was ended");
});

async function isThere(pid: number): Promise<boolean> {
  try {
    return !/^State:\s+Z/m.test(await Deno.readTextFile(`/proc/${pid}/status`));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
