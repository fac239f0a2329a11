/**
 * A daemon that is a node and is drained: who wants events of it is told so at once, a consumer waits
 * and goes on by itself when the node works again, and one that waits until nothing is left ends when
 * others have done it.
 */
import assert from "node:assert/strict";
import { Client } from "../../../core/client/client.ts";
import { RunningEvs, until } from "../../helpers/evs.ts";
import { startPostgres } from "../../helpers/postgres.ts";
import { DaemonPlace } from "./daemon_place.ts";

Deno.test("a node that is drained refuses to lease, and its consumers wait for it", async () => {
  await using server = await startPostgres({ settings: { fsync: "off" } });
  await using place = await DaemonPlace.make();
  await using other = await DaemonPlace.make();
  await place.ok(["daemon", "start", "--store", server.url]);
  await other.ok(["daemon", "start", "--store", server.url]);
  await place.ok(["publish", "t", "n", "1"]);
  const { env } = place;
  const consume = ["consume", "t", "--name", "s"];
  const waiting = new RunningEvs([...consume, "--", "echo", "done"], { at: place, env });
  await until(() => waiting.stdout.includes("done"));
  await place.ok(["node", "drain"]);
  await waiting.said(/the daemon is a node that is drained; waiting until it delivers again/);

  using client = new Client({ socket: place.socket });
  const response = await client.fetchAny({
    method: "POST",
    path: "/v1/subscriptions/s/lease",
    body: JSON.stringify({ waitMs: 60_000 }),
  });
  assert.equal(response.status, 503);
  assert.equal(response.headers.get("retry-after"), "1");
  const { error } = JSON.parse(new TextDecoder().decode(await response.bytes()));
  assert.equal(error.code, "node/drained");
  assert.match(error.hint, /evs node list/);

  // Others do the work meanwhile, and who waits for that on the drained one is told when it is done.
  await place.ok(["publish", "t", "n", "2"]);
  const untilEmpty = place.run([...consume, "--until-empty", "--", "false"]);
  await other.ok([...consume, "--until-empty", "--", "true"]);
  assert.equal((await untilEmpty).code, 0);

  await place.ok(["node", "drain", "--off"]);
  await place.ok(["publish", "t", "n", "3"]);
  await waiting.said(/the daemon delivers again; going on/);
  await until(() => waiting.stdout.split("done").length === 3);
  waiting.child.kill("SIGTERM");
  await waiting.end();
});
