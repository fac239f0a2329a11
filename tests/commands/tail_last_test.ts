/** `-n 10` and `from=-10` count events that match, whatever else lies between them. */
import assert from "node:assert/strict";
import { startDaemon } from "../helpers/daemon.ts";
import { evs, RunningEvs, until } from "../helpers/evs.ts";

function payloads(text: string): unknown[] {
  return text.split("\n").filter(Boolean).map((line) => JSON.parse(line).payload);
}

for (const store of ["sqlite", "file", "memory"]) {
  Deno.test(`tail -n counts the events that match --type and --where: ${store}`, async () => {
    await using at = await startDaemon({ store });
    // More than a page of others lies behind them.
    await at.publish("t", "rare", 1, 2, 3);
    await at.publish("t", "common", ...Array.from({ length: 2500 }, (_, i) => i));
    await at.publish("t", "rare", 4);
    await at.publish("t", "common", ...Array.from({ length: 1500 }, (_, i) => i));
    const cases: [string[], string, unknown[]][] = [
      [["--type", "rare"], "type=rare", [3, 4]],
      [["--where", 'event.type == "rare" && payload < 4'], "", [2, 3]],
      [["--type", "rare", "--where", "payload != 3"], "", [2, 4]],
      [[], "", [1498, 1499]],
    ];
    for (const [args, query, wanted] of cases) {
      const { stdout } = await evs(["tail", "t", "-n", "2", "--no-follow", ...args], { at });
      assert.deepEqual(payloads(stdout), wanted, args.join(" "));
      if (query === "") continue;
      const path = `/v1/topics/t/events?from=-2&${query}`;
      assert.deepEqual(payloads((await at.http("GET", path)).text), wanted);
      const followed = await at.http("GET", `${path}&follow=1&limit=2`);
      assert.deepEqual(payloads(followed.text), wanted);
    }
    const following = new RunningEvs(["tail", "t", "-n", "3", "--type", "rare"], { at });
    await until(() => payloads(following.stdout).length === 3);
    await at.publish("t", "common", 5);
    await at.publish("t", "rare", 6);
    await until(() => payloads(following.stdout).length === 4);
    assert.deepEqual(payloads(following.stdout), [2, 3, 4, 6]);
    following.child.kill("SIGKILL");
    await following.end();
  });
}

Deno.test("tail -n counts over all topics together, also when their clocks disagree", async () => {
  await using at = await startDaemon();
  const publish = (topic: string, n: number, timestamp: number) =>
    at.http("POST", `/v1/topics/${topic}/events`, { type: "x", payload: n, timestamp });
  // The second event of a is older than the first, by its publisher's clock.
  for (const [n, timestamp] of [[1, 300], [2, 100], [3, 400]] as const) {
    await publish("a", n, timestamp);
  }
  await publish("b", 4, 200);
  for (const [n, wanted] of [[2, [4, 3]], [3, [2, 4, 3]]] as const) {
    const { stdout } = await evs(["tail", "a", "b", "-n", String(n), "--no-follow"], { at });
    assert.deepEqual(payloads(stdout), wanted);
  }
});
