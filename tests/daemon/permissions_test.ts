/** What a daemon can still do once it listens, when it was started with every permission, as a compiled binary is. */
import assert from "node:assert/strict";
import { daemonCommand, permissionFlags } from "../../core/client/launch.ts";
import { startDaemon } from "../helpers/daemon.ts";
import { evs } from "../helpers/evs.ts";

const module = new URL("../../daemon/permissions.ts", import.meta.url).href;
const PROBE = `
  import { giveUpPermissions } from ${JSON.stringify(module)};
  await giveUpPermissions();
  const tries = {
    run: () => new Deno.Command("true").outputSync(),
    listen: () => Deno.listen({ port: 0 }).close(),
    connect: () => Deno.connect({ hostname: "127.0.0.1", port: 9 }),
    ffi: () => Deno.dlopen("/nowhere.so", {}),
    env: () => Deno.env.get("HOME"),
  };
  for (const [name, attempt] of Object.entries(tries)) {
    try {
      await attempt();
      console.log(name, "allowed");
    } catch (error) {
      console.log(name, error.name);
    }
  }
`;

Deno.test("giveUpPermissions leaves no process, no network, no library and no environment when all were granted", async () => {
  const file = await Deno.makeTempFile({ suffix: ".ts" });
  await Deno.writeTextFile(file, PROBE);
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "-A", file],
  }).output();
  const said = new TextDecoder().decode(stdout).trim().split("\n");
  assert.deepEqual(
    said,
    ["run", "listen", "connect", "ffi", "env"].map((name) => `${name} NotCapable`),
    new TextDecoder().decode(stderr),
  );
  await Deno.remove(file);
});

Deno.test("a daemon that was started with every permission still serves when it has given them up", async () => {
  const folder = await Deno.makeTempDir({ prefix: "evs-test-" });
  const socket = `${folder}/evs.sock`;
  const { program, args } = daemonCommand({
    dataDir: `${folder}/data`,
    socket,
    config: `${folder}/config.toml`,
  });
  const all = [
    "run",
    "--quiet",
    "-A",
    ...args.filter((flag) => !/^(run|--quiet|--allow|--no-prompt)/.test(flag)),
  ];
  const child = new Deno.Command(program, { args: all, stdout: "piped", stdin: "null" }).spawn();
  const reader = child.stdout.getReader();
  await reader.read();
  const client = Deno.createHttpClient({ proxy: { transport: "unix", path: socket } });
  const schema = await fetch("http://evs/v1/schemas/x", {
    client,
    method: "PUT",
    body: '{"type":"object","properties":{"at":{"type":"string","format":"email"}}}',
  });
  assert.ok(schema.ok, await schema.text());
  const status = await (await fetch("http://evs/v1/status", { client })).json();
  const flags = status.permissions.map((flag: string) => flag.split("=")[0]);
  assert.deepEqual(flags, ["--allow-read", "--allow-write", "--allow-sys", "--allow-import"]);
  const refused = await fetch("http://evs/v1/topics/t/events?type=x", {
    client,
    method: "POST",
    body: '{"at":1}',
  });
  assert.equal(refused.status, 422, await refused.text());
  client.close();
  child.kill("SIGTERM");
  assert.equal((await child.status).code, 0);
  await reader.cancel();
  await Deno.remove(folder, { recursive: true });
});

Deno.test("evs daemon status lists the permissions that the daemon was started with and no other", async () => {
  await using daemon = await startDaemon();
  const { code, stdout } = await evs(["daemon", "status", "--json"], { at: daemon });
  assert.equal(code, 0);
  const { permissions } = JSON.parse(stdout);
  assert.deepEqual(permissions, permissionFlags(daemon).slice(1));
  assert.ok(permissions.every((flag: string) => !/all$|run/.test(flag)));
});
