/**
 * Contract rows 21 and 23, as root sees them: another user does not get in and may not have had a hand in it, and the
 * daemon itself can do no more than its flags say.
 */
import assert from "node:assert/strict";
import { permissionFlags } from "../../core/client/launch.ts";
import { needTools, Place } from "../helpers/shell.ts";
import { end, inFolder, tryStart } from "../helpers/start.ts";

/** Nobody, everywhere on Debian. */
const OTHER = 65534;
const AS_OTHER = ["setpriv", `--reuid=${OTHER}`, `--regid=${OTHER}`, "--clear-groups"];

/** How a system call ended for the other user, told by the shell's own words. */
async function asOther(script: string): Promise<string> {
  const [program, ...args] = [...AS_OTHER, "sh", "-c", script];
  const { success, stderr } = await new Deno.Command(program!, {
    args,
    env: { LC_ALL: "C" },
    stdin: "null",
  }).output();
  return success ? "allowed" : new TextDecoder().decode(stderr);
}

Deno.test("another user gets EACCES at the socket and at every file when the folder around them is open to all", async () => {
  needTools("setpriv", "curl");
  await inFolder(async (folder) => {
    Deno.chmodSync(folder, 0o755);
    const places = { dataDir: `${folder}/data`, socket: `${folder}/evs.sock` };
    const daemon = await tryStart(places);
    assert.ok(daemon.ready, daemon.stderr);
    assert.equal(await asOther(`cat ${folder}/none || test -d ${folder}`), "allowed");
    const curl = `curl -sS --unix-socket ${places.socket} http://evs/v1/status`;
    assert.match(await asOther(curl), /Permission denied|Couldn't connect/i);
    for (const path of [`${places.dataDir}`, `${places.dataDir}/log`]) {
      assert.match(await asOther(`ls ${path}`), /Permission denied/);
    }
    for (const name of ["events.db", "state.db", "events.db-wal", "log/daemon.log"]) {
      assert.match(await asOther(`cat ${places.dataDir}/${name}`), /Permission denied/);
      assert.match(await asOther(`: >>${places.dataDir}/${name}`), /Permission denied/);
    }
    assert.match(await asOther(`cat ${places.socket}.lock`), /Permission denied/);
    // The same commands succeed for the owner: it is the user that makes the difference.
    const { success } = await new Deno.Command("sh", {
      args: ["-c", `${curl} && cat ${places.dataDir}/log/daemon.log`],
    }).output();
    assert.ok(success);
    assert.equal(await end(daemon), 0);
  });
});

Deno.test("a data dir or a file of another owner is refused in words and left as it is", async () => {
  await inFolder(async (folder) => {
    for (const name of ["", "/events.db", "/state.db", "/log", "/log/daemon.log"]) {
      const places = { dataDir: `${folder}/data`, socket: `${folder}/evs.sock` };
      const first = await tryStart(places);
      assert.equal(await end(first), 0);
      const path = `${places.dataDir}${name}`;
      await Deno.chown(path, OTHER, OTHER);
      const before = await Deno.lstat(path);
      const second = await tryStart(places);
      assert.equal(second.ready, false, path);
      assert.match(second.stderr, new RegExp(`belongs to the user ${OTHER}, not to 0`));
      const after = await Deno.lstat(path);
      assert.deepEqual([after.uid, after.mode, after.size], [before.uid, before.mode, before.size]);
      await Deno.remove(places.dataDir, { recursive: true });
    }
  });
});

Deno.test("a socket folder of another owner, or one that others write to, is refused in words", async () => {
  await inFolder(async (folder) => {
    for (const [mode, uid] of [[0o700, OTHER], [0o777, 0], [0o770, 0]] as const) {
      const run = await Deno.makeTempDir({ dir: folder });
      await Deno.chmod(run, mode);
      await Deno.chown(run, uid, uid);
      const start = await tryStart({ dataDir: `${folder}/data`, socket: `${run}/evs.sock` });
      assert.equal(start.ready, false);
      assert.match(start.stderr, /others can replace what is in the socket's folder/);
    }
  });
});

Deno.test("the daemon's umask is 077 from its first moment when its user's is 000, and a command keeps the user's", async () => {
  needTools("jq");
  await using place = await Place.make();
  const printed = await place.run(`umask 000
evs daemon start >/dev/null 2>&1
grep Umask "/proc/$(evs status --json | jq .pid)/status"
evs daemon stop >/dev/null 2>&1
evs with -- sh -c umask`);
  assert.deepEqual(printed.trim().split(/\s+/), ["Umask:", "0077", "0000"]);
});

/** Prints where the running daemon is, then its command line, a word a line. */
const LOOK = `evs status --json | jq -c '{pid, socket, dataDir}'
tr '\\0' '\\n' <"/proc/$(evs status --json | jq .pid)/cmdline"`;
const STARTED: [how: string, script: string][] = [
  ["daemon start", `evs daemon start >/dev/null 2>&1\n${LOOK}\nevs daemon stop >/dev/null 2>&1`],
  ["with", "evs with -- sh ./look.sh"],
];

for (const [how, script] of STARTED) {
  Deno.test(`the daemon of evs ${how} has exactly the permission flags of launch.ts`, async () => {
    needTools("jq");
    await using place = await Place.make();
    await Deno.writeTextFile(`${place.folder}/work/look.sh`, LOOK);
    const [status, ...words] = (await place.run(script)).trim().split("\n");
    const { socket, dataDir } = JSON.parse(status!);
    const config = words[words.indexOf("--config") + 1]!;
    const flags = words.slice(0, words.findIndex((word) => word.endsWith("daemon/main.ts")))
      .filter((word) => /^(-[A-Z]|--allow|--deny|--no-prompt)/.test(word));
    assert.deepEqual(flags, permissionFlags({ socket, dataDir, config }));
    assert.deepEqual(flags.map((flag) => flag.split("=")[0]), [
      "--no-prompt",
      "--allow-net",
      "--allow-read",
      "--allow-write",
      "--allow-sys",
    ]);
    assert.ok(flags.includes(`--allow-net=unix:${socket}`));
  });
}

/** What a daemon must not be able to do, as code that tries it. */
const PROBE = `
  const [dataDir, outside] = Deno.args;
  const tries = {
    run: () => new Deno.Command("true").outputSync(),
    tcp: () => Deno.listen({ hostname: "127.0.0.1", port: 0 }).close(),
    connect: () => Deno.connect({ hostname: "127.0.0.1", port: 9 }),
    otherSocket: () => Deno.listen({ transport: "unix", path: outside + "/other.sock" }).close(),
    readOutside: () => Deno.readTextFileSync("/etc/passwd"),
    writeOutside: () => Deno.writeTextFileSync(outside + "/new", ""),
    env: () => Deno.env.get("HOME"),
    ffi: () => Deno.dlopen("/nowhere.so", {}),
    hostname: () => Deno.hostname(),
    kill: () => Deno.kill(1, "SIGURG"),
    readOwn: () => Deno.readDirSync(dataDir)[Symbol.iterator]().next(),
    writeOwn: () => Deno.writeTextFileSync(dataDir + "/probe", ""),
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

Deno.test("with the daemon's flags nothing is allowed but its own files", async () => {
  await inFolder(async (folder) => {
    const dataDir = `${folder}/data`;
    await Deno.mkdir(dataDir);
    const outside = `${folder}/outside`;
    await Deno.mkdir(outside);
    const probe = `${dataDir}/probe.ts`;
    await Deno.writeTextFile(probe, PROBE);
    const flags = permissionFlags({
      dataDir,
      socket: `${dataDir}/evs.sock`,
      config: `${folder}/config.toml`,
    });
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", ...flags, probe, dataDir, outside],
      stdin: "null",
    }).output();
    const said = new TextDecoder().decode(stdout).trim().split("\n");
    const denied = said.filter((line) => line.endsWith(" NotCapable")).map((line) =>
      line.split(" ")[0]
    );
    assert.deepEqual(denied, [
      "run",
      "tcp",
      "connect",
      "otherSocket",
      "readOutside",
      "writeOutside",
      "env",
      "ffi",
      "hostname",
      "kill",
    ], new TextDecoder().decode(stderr));
    assert.deepEqual(said.slice(-2), ["readOwn allowed", "writeOwn allowed"]);
  });
});
