/**
 * What a daemon can still do once it listens, if it was started with every permission, like a
 * compiled binary.
 */
import assert from "node:assert/strict";
import { daemonCommand, permissionFlags } from "../../core/client/launch.ts";
import { startDaemon } from "../helpers/daemon.ts";
import { evs } from "../helpers/evs.ts";
import { denoDir } from "../helpers/shell.ts";
import { testFolder } from "../helpers/folder.ts";

const module = new URL("../../daemon/permissions.ts", import.meta.url).href;
const PROBE = `
  import { giveUpPermissions } from ${JSON.stringify(module)};
  await giveUpPermissions({ store: Deno.args[0] });
  const tries = {
    run: () => new Deno.Command("true").outputSync(),
    listen: () => Deno.listen({ port: 0 }).close(),
    connect: () => Deno.connect({ hostname: "127.0.0.1", port: 9 }).catch((error) => {
      if (!(error instanceof Deno.errors.ConnectionRefused)) throw error;
    }),
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

/** What is left of every permission, by what was tried. */
async function leftWith(store: string): Promise<Record<string, string>> {
  const file = await Deno.makeTempFile({ suffix: ".ts" });
  await Deno.writeTextFile(file, PROBE);
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "-A", file, store],
  }).output();
  await Deno.remove(file);
  assert.ok(success, new TextDecoder().decode(stderr));
  const said = new TextDecoder().decode(stdout).trim().split("\n");
  return Object.fromEntries(said.map((line) => line.split(" ")));
}

const NOTHING = Object.fromEntries(
  ["run", "listen", "connect", "ffi", "env"].map((name) => [name, "NotCapable"]),
);

Deno.test("giveUpPermissions leaves no process, no network, no library and no environment when all were granted", async () => {
  assert.deepEqual(await leftWith("sqlite"), NOTHING);
});

Deno.test("giveUpPermissions keeps the network and the environment when the store is a database", async () => {
  const kept = { listen: "allowed", connect: "allowed", env: "allowed" };
  assert.deepEqual(await leftWith("postgres"), { ...NOTHING, ...kept });
});

Deno.test("a daemon that was started with every permission still serves when it has given them up", async () => {
  const folder = await testFolder("test");
  const socket = `${folder}/evs.sock`;
  const { program, args, env } = daemonCommand({
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
  const child = new Deno.Command(program, { args: all, env, stdout: "piped", stdin: "null" })
    .spawn();
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
  assert.ok(permissions.every((flag: string) => !/^(-A|--allow-(all|run)\b)/.test(flag)));
});

Deno.test("a daemon whose places lead through a symbolic link serves, keeps its log and answers where it was asked to", async () => {
  const folder = await testFolder("test");
  await Deno.mkdir(`${folder}/real/home`, { recursive: true });
  await Deno.symlink(`${folder}/real`, `${folder}/link`);
  const home = `${folder}/link/home`;
  const at = { dataDir: `${home}/not/yet`, socket: `${home}/run/evs.sock` };
  const env = { HOME: home, XDG_CONFIG_HOME: `${home}/config`, DENO_DIR: denoDir() };
  for (const store of ["sqlite", "file"]) {
    const started = await evs(["daemon", "start", "--store", store], { at, env });
    assert.equal(started.code, 0, started.stderr);
    const stored = await evs(["publish", store, "n", "1"], { at, env });
    assert.equal(JSON.parse(stored.stdout).seq, 1, stored.stderr);
    const status = await evs(["daemon", "status", "--json"], { at, env });
    const { permissions } = JSON.parse(status.stdout);
    for (const name of ["read", "write"]) {
      const flag: string = permissions.find((flag: string) => flag.includes(`allow-${name}`));
      assert.ok(flag.includes(at.dataDir) && flag.includes(`${folder}/real/home/not/yet`), flag);
    }
    assert.equal((await evs(["daemon", "stop"], { at, env })).code, 0);
  }
  assert.match(await Deno.readTextFile(`${at.dataDir}/log/daemon.log`), /"ready"/);
  await Deno.remove(folder, { recursive: true });
});
