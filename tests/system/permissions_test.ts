/**
 * Contract rows 21 and 23, from root's point of view: another user has no access and cannot have
 * tampered with anything, and the daemon itself can do no more than its flags say.
 */
import assert from "node:assert/strict";
import { permissionFlags } from "../../core/client/launch.ts";
import { lstat } from "../../core/base/if_there.ts";
import { isAlive } from "../helpers/evs.ts";
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

for (const store of ["sqlite", "file"]) {
  Deno.test(`another user gets EACCES at a backup, while it is made and after, and at what is unpacked from it: ${store}`, async () => {
    needTools("setpriv", "tar");
    await using place = await Place.make();
    const work = `${place.folder}/work`;
    for (const folder of [place.folder, work]) await Deno.chmod(folder, 0o755);
    const env = { EVS_DATA_DIR: `${work}/data` };
    await place.run(
      `evs daemon start --store ${store} >/dev/null 2>&1
seq 5000 | evs publish t n --ndjson >/dev/null 2>&1`,
      env,
    );
    const caught = await caughtBackup(place, env);
    assert.match(await asOther(`ls ${caught.folder}`), /Permission denied/);
    for (const path of filesBelow(caught.folder)) {
      assert.match(await asOther(`cat ${path}`), /Permission denied/, path);
    }
    Deno.kill(caught.pid, "SIGCONT");
    assertSuccess(await caught.ended);
    await place.run(
      `umask 000
evs daemon stop >/dev/null 2>&1
mkdir unpacked
tar xf all.tar -C unpacked
evs restore all.tar --force >/dev/null
EVS_DATA_DIR=${work}/new evs restore all.tar >/dev/null`,
      env,
    );
    const made = filesBelow(work);
    for (const name of ["all.tar", "unpacked/manifest.json", "data/state.db", "new/state.db"]) {
      assert.ok(made.includes(`${work}/${name}`), `${name} of ${made}`);
    }
    const folders = [...Deno.readDirSync(work)].map(({ name }) => name).filter((name) =>
      /^(data|new)/.test(name)
    );
    assert.equal(folders.length, 3, `the data dirs, and what was there before: ${folders}`);
    for (const name of folders) {
      assert.match(await asOther(`ls ${work}/${name}`), /Permission denied/, name);
    }
    for (const path of made) {
      assert.match(await asOther(`cat ${path}`), /Permission denied/, path);
      assert.match(await asOther(`: >>${path}`), /Permission denied/, path);
    }
    // What is open to all is open to them: it is the modes that make the difference.
    await Deno.writeTextFile(`${work}/open.txt`, "");
    await Deno.chmod(`${work}/open.txt`, 0o644);
    assert.equal(await asOther(`cat ${work}/open.txt`), "allowed");
  });
}

/**
 * Runs evs backup until it is caught half-way: its folder of copies is there, and it has stopped.
 */
async function caughtBackup(
  place: Place,
  env: Record<string, string>,
): Promise<{ pid: number; folder: string; ended: Promise<Deno.CommandOutput> }> {
  const work = `${place.folder}/work`;
  for (;;) {
    const ended = place.command("umask 000; evs backup all.tar --force", env).output();
    let over = false;
    void ended.then(() => over = true);
    while (!over) {
      const name = [...Deno.readDirSync(work)].find(({ name }) => name.includes(".part-"))?.name;
      const pid = Number(name?.split("-").at(-1));
      if (name !== undefined && await stop(pid)) {
        const folder = `${work}/${name}`;
        if (filesBelow(folder).length > 0) return { pid, folder, ended };
        Deno.kill(pid, "SIGCONT");
      }
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    assertSuccess(await ended);
  }
}

function assertSuccess({ code, stderr }: Deno.CommandOutput): void {
  assert.equal(code, 0, new TextDecoder().decode(stderr));
}

/** Stops a process, and waits until it has; false when it has ended. */
async function stop(pid: number): Promise<boolean> {
  try {
    Deno.kill(pid, "SIGSTOP");
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
  for (;;) {
    if (!await isAlive(pid)) return false;
    // In a trace of the whole suite (deno task test:network) it is a tracer that holds it: t.
    // It may have ended just now.
    const status = await Deno.readTextFile(`/proc/${pid}/status`).catch(() => "");
    if (/^State:\s+[Tt]/m.test(status)) return true;
  }
}

/** Every file below a folder; none if it is gone. */
function filesBelow(folder: string): string[] {
  if (!lstat(folder)) return [];
  return [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) =>
    isDirectory ? filesBelow(`${folder}/${name}`) : [`${folder}/${name}`]
  );
}

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

/** Prints the location of the running daemon, then its command line, one word per line. */
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
