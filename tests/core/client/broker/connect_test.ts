/**
 * What `connect` loads: nothing of a database for a daemon, and for a database only when it is asked
 * for. `evs publish` loads nothing of it either.
 */
import assert from "node:assert/strict";
import { importsOf, staticGraph } from "../../../helpers/source.ts";

const CONNECT = "core/client/broker/connect.ts";
const OF_DATABASE = /\/postgres\/|shared_broker|open_shared|\/database\.ts$|node_list/;

Deno.test("connect({ socket }) and evs publish load no module of a database", async () => {
  // The second one is what it imports when it is called with a socket.
  const roots = [CONNECT, "core/client/broker/remote_broker.ts", "cli.ts", "commands/publish.ts"];
  for (const root of roots) {
    const { ours, others } = await staticGraph(root);
    assert.ok(ours.length > 3, root);
    assert.deepEqual(ours.filter((path) => OF_DATABASE.test(path)), [], root);
    assert.deepEqual(others.filter((specifier) => /\bpg\b/.test(specifier)), [], root);
  }
});

Deno.test("connect with the URL of a database loads its modules then", async () => {
  const imported = await importsOf(CONNECT);
  assert.ok(imported.includes("core/broker/shared_broker.ts"), imported.join(" "));
  const { ours } = await staticGraph("core/broker/shared_broker.ts");
  assert.ok(ours.some((path) => path.endsWith("core/store/postgres/postgres_event_store.ts")));
});
