/**
 * What a daemon on PostgreSQL tells of all nodes: `evs node list` and `drain`, the status, the owners
 * of a subscription's parts. The rows of other nodes are written by hand here.
 */
import assert from "node:assert/strict";
import { Client } from "../../../core/client/client.ts";
import { drainNode, listNodes } from "../../../core/client/nodes.ts";
import { openapi, validator } from "../../helpers/openapi.ts";
import { startPostgres } from "../../helpers/postgres.ts";
import { DaemonPlace } from "./daemon_place.ts";

/** Two nodes beside the daemon, one of which is gone, and a subscription that they share. */
const OTHERS = `
  INSERT INTO evs.nodes (node, seen, version, at) VALUES
    ('web1-11111111', now() + interval '1 hour', '0.1.0', now() - interval '1 hour'),
    ('web2-22222222', now() - interval '1 hour', '0.0.9', now() - interval '2 hours');
  INSERT INTO evs.claims (subscription, part, node, epoch, rev, claimed_at)
    SELECT 'mailer', part, CASE WHEN part < 5 THEN 'web1-11111111'
      WHEN part < 8 THEN 'web2-22222222' WHEN part < 9 THEN 'lost-33333333' END, 1, 0, now()
    FROM generate_series(0, 9) AS part
  ON CONFLICT (subscription, part) DO UPDATE SET node = excluded.node;
  -- One that is silent for a minute: too long for a node that is busy.
  INSERT INTO evs.nodes (node, seen, at) SELECT name, now() - interval '1 minute', now()
    FROM unnest(ARRAY['busy-44444444', 'idle-55555555']) AS name;
  INSERT INTO evs.members VALUES ('mailer', 'busy-44444444', true)`;

function assertDescribed(name: string, value: unknown): void {
  const validate = validator(openapi.components.schemas[name]);
  assert.ok(validate(value), `${name}: ${JSON.stringify(validate.errors)}`);
}

Deno.test("a daemon on PostgreSQL tells of all nodes, of what they own, and drains one", async () => {
  await using server = await startPostgres({ settings: { fsync: "off" } });
  await using place = await DaemonPlace.make();
  await place.ok(["daemon", "start", "--store", server.url]);
  await place.ok(["topic", "create", "orders"]);
  await place.ok(["subscription", "create", "mailer", "orders"]);
  await server.sql(OTHERS);
  using client = new Client({ socket: place.socket });

  const nodes = await listNodes(client);
  assertDescribed("Nodes", { nodes });
  const others = nodes.filter(({ self }) => !self);
  assert.deepEqual(others.map(({ node, alive, parts, version }) => [node, alive, parts, version]), [
    ["web2-22222222", false, 3, "0.0.9"],
    ["web1-11111111", true, 5, "0.1.0"],
    ["busy-44444444", false, 0, ""],
    ["idle-55555555", true, 0, ""],
  ]);
  assert.deepEqual(await place.json(["node", "list"]).then((rows) => rows.length), nodes.length);

  const drained = await drainNode(client, { node: "web1-11111111" });
  assert.deepEqual(drained.filter(({ draining }) => draining).map(({ node }) => node), [
    "web1-11111111",
  ]);
  assert.equal((await place.run(["node", "drain", "web1-11111111", "--off"])).code, 0);
  assert.ok((await listNodes(client)).every(({ draining }) => !draining));
  const unknown = await place.run(["node", "drain", "web9-99999999"]);
  assert.equal(unknown.code, 1, unknown.stderr);
  assert.match(unknown.stderr, /there is no node web9-99999999\n {2}try: evs node list/);

  const [info] = await place.json(["subscription", "show", "mailer", "--json"]);
  assertDescribed("SubscriptionInfo", info);
  const owners = info.owners.map(({ node, parts }: { node?: string; parts: number[] }) => [
    node,
    parts.length,
  ]);
  assert.deepEqual(owners, [
    ["lost-33333333", 1],
    ["web1-11111111", 5],
    ["web2-22222222", 3],
    [undefined, 1],
  ]);

  const status = await client.status();
  assertDescribed("Status", status);
  const { cluster } = status;
  assert.match(cluster!.server, /^\d+/);
  assert.equal(cluster!.database, `127.0.0.1:${server.port}/postgres`);
  assert.equal(cluster!.durable, false, "its settings say fsync = off");
  assert.equal(status.durability, "os");
  assert.equal(cluster!.nodes.length, nodes.length);
});
