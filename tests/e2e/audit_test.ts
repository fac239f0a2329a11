/**
 * `evs audit`: what was done over the command line, HTTP and the library, and by whom; it outlives a
 * kill and goes into backups.
 */
import assert from "node:assert/strict";
import { Client } from "../../core/client/client.ts";
import type { AuditRecord } from "../../core/event/audit.ts";
import { connect } from "../../mod.ts";
import { startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { evs } from "../helpers/evs.ts";
import { testFolder } from "../helpers/folder.ts";

const ENV = { USER: "anna" };

async function run(at: TestDaemon, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await evs(args, { at, env: ENV });
  assert.equal(code, 0, stderr);
  return stdout;
}

async function audit(at: TestDaemon, ...flags: string[]): Promise<AuditRecord[]> {
  const lines = (await run(at, "audit", ...flags)).split("\n").filter(Boolean);
  return lines.map((line) => JSON.parse(line));
}

const inShort = ({ act, way, by }: AuditRecord) => `${act} ${way} ${by?.user ?? "nobody"}`;

Deno.test("evs audit tells what was done by the command line, over HTTP, by a library and a dashboard", async () => {
  await using at = await startDaemon();
  await run(at, "topic", "create", "orders", "--max-events", "100");
  await run(at, "subscription", "create", "mailer", "orders");
  const paused = await at.http("POST", "/v1/subscriptions/mailer/pause", { reason: "lunch" });
  assert.equal(paused.status, 200, paused.text);
  using client = new Client({
    socket: at.socket,
    actor: { way: "dashboard", user: "bert", host: "desk" },
  });
  await client.resumeSubscription("mailer");
  {
    await using broker = await connect({ socket: at.socket });
    await broker.registerSchema("order.placed", { type: "object" });
  }
  await at.publish("orders", "order.placed", {}, {});
  const all = await audit(at);
  assert.deepEqual(all.map(({ act, way }) => `${act} ${way}`), [
    "schema.register library",
    "subscription.resume dashboard",
    "subscription.pause http",
    "subscription.create cli",
    "topic.create cli",
  ]);
  const [register, resume, pause, , create] = all;
  assert.deepEqual(register!.by?.pid, Deno.pid);
  assert.deepEqual(resume!.by, { user: "bert", host: "desk" });
  assert.deepEqual([pause!.by, pause!.details], [undefined, { by: "person", reason: "lunch" }]);
  assert.equal(create!.by?.user, "anna");
  assert.equal(create!.by?.command, "evs topic create orders");
  assert.deepEqual(create!.details, { options: { maxEvents: 100 } });

  assert.deepEqual((await audit(at, "--act", "topic.create")).map(inShort), [
    "topic.create cli anna",
  ]);
  assert.equal((await audit(at, "--subscription", "mailer")).length, 3);
  assert.equal((await audit(at, "--topic", "orders", "--limit", "2")).length, 2);
  assert.equal((await audit(at, "--since", "1h")).length, 5);
  const common = ["--json", "--quiet", "--color", "never", "--wait", "1m"];
  for (const place of [["--data-dir", at.dataDir], ["--socket", at.socket]]) {
    assert.equal((await audit(at, ...common, ...place)).length, 5);
  }
  const page = await at.http("GET", "/v1/audit?limit=3");
  assert.deepEqual([page.json.acts.length, page.json.next], [3, 3]);
  const rest = await at.http("GET", `/v1/audit?limit=3&before=${page.json.next}`);
  assert.deepEqual([rest.json.acts.length, rest.json.next], [2, undefined]);
});

Deno.test("consuming is no act; retries, edits and removals of what it gave up are, with their ids", async () => {
  await using at = await startDaemon();
  await at.publish("t", "x", { n: 1 }, { n: 2 });
  const args = ["consume", "t", "--name", "s", "--until-empty", "--", "sh", "-c", "exit 65"];
  assert.equal((await evs(args, { at, env: ENV })).code, 6);
  assert.deepEqual((await audit(at)).map(inShort), ["subscription.create cli anna"]);
  const dead = (await run(at, "dlq", "list")).split("\n").filter(Boolean);
  const [first, second] = dead.map((line) => JSON.parse(line).id);
  await run(at, "dlq", "retry", first);
  const edited = await evs(["dlq", "edit", second], {
    at,
    env: { ...ENV, EDITOR: "sed -i s/[12]/9/" },
  });
  assert.equal(edited.code, 0, edited.stderr);
  await run(at, "dlq", "purge", "--yes");
  const [remove, edit, retry] = await audit(at);
  assert.deepEqual(
    [remove, edit, retry].map((one) => inShort(one!)),
    ["dead-letters.remove cli anna", "dead-letters.edit cli anna", "dead-letters.retry cli anna"],
  );
  assert.deepEqual(retry!.details, { count: 1, ids: [`s:${first}`] });
  assert.deepEqual([edit!.subscription, edit!.topic, edit!.details!["count"]], ["s", "t", 1]);
  assert.equal(remove!.details!["job"], "remove-1");
});

Deno.test("a pause by evs consume is the command line's, without what its command said", async () => {
  await using at = await startDaemon();
  await at.publish("t", "x", 1);
  const args = ["consume", "t", "--name", "s", "--until-empty", "--", "/no/such/program"];
  assert.equal((await evs(args, { at, env: ENV })).code, 1);
  const [pause] = await audit(at, "--act", "subscription.pause");
  assert.deepEqual([inShort(pause!), pause!.by?.command, pause!.details], [
    "subscription.pause cli anna",
    "evs consume",
    { by: "command" },
  ]);
});

Deno.test("the audit log outlives a kill, and is in a backup", async () => {
  const folder = await testFolder("test");
  try {
    await using at = await startDaemon();
    await run(at, "topic", "create", "orders");
    await at.kill();
    await at.start();
    const before = await audit(at);
    assert.deepEqual(before.map(inShort), ["topic.create cli anna"]);
    await run(at, "backup", `${folder}/all.evs`);
    const other = { dataDir: `${folder}/data`, socket: `${folder}/evs.sock` };
    const restored = await evs(["restore", `${folder}/all.evs`], { at: other });
    assert.equal(restored.code, 0, restored.stderr);
    await using again = await startDaemon({ dataDir: other.dataDir });
    assert.deepEqual(await audit(again), before);
    assert.equal((await evs(["doctor"], { at: again })).code, 0);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("an act with a claim that cannot be read is refused in words, and not done", async () => {
  await using at = await startDaemon();
  const wrong = { "evs-actor": "who=anna" };
  const { status, json } = await at.http("PUT", "/v1/topics/t", {}, wrong);
  assert.deepEqual([status, json.error.code], [400, "argument/invalid"]);
  assert.equal((await at.http("GET", "/v1/topics/t")).status, 404);
  assert.equal((await at.http("GET", "/v1/audit?act=nonsense")).status, 400);
  const { code, stderr } = await evs(["audit", "--act", "stop"], { at });
  assert.equal(code, 2);
  assert.match(stderr, /there is no such act: there are topic.create, .*scheduled.cancel/);
});

Deno.test("a library acts without the permissions that its claim would need, and asks for none", async () => {
  await using at = await startDaemon();
  const library = new URL("../../mod.ts", import.meta.url);
  const program = `import { connect } from ${JSON.stringify(library.href)};
await using broker = await connect({ socket: ${JSON.stringify(at.socket)} });
await broker.registerSchema("y", { type: "object" });`;
  const file = `${at.folder}/program.ts`;
  await Deno.writeTextFile(file, program);
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-prompt", "--no-lock", "--no-check"]
      .concat([`--allow-read=${at.socket}`, `--allow-write=${at.socket}`])
      .concat([`--allow-net=unix:${at.socket}`, file]),
    cwd: new URL("../..", import.meta.url),
  }).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  const [act] = await audit(at, "--act", "schema.register");
  assert.deepEqual([act!.way, Object.keys(act!.by!)], ["library", ["pid"]]);
});
