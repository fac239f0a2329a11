/** What a daemon can still do once it listens, when it was started with every permission, as a compiled binary is. */
import assert from "node:assert/strict";
import { daemonCommand } from "../../core/client/launch.ts";

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
