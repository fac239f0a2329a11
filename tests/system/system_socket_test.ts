/**
 * Clients find the daemon that a package runs for everybody at /run/evs/evs.sock, where nothing
 * else is chosen and their own does not run. In a mount namespace with a /run of its own.
 */
import assert from "node:assert/strict";
import { daemonCommand } from "../../core/client/launch.ts";
import { evsCommand } from "../helpers/evs.ts";
import { testFolder } from "../helpers/folder.ts";

const decoder = new TextDecoder();
const quoted = (words: readonly string[]) =>
  words.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" ");

/** Runs a script beside a daemon at the system's place; `$EVS` is the command line of evs. */
async function besideSystemDaemon(script: string): Promise<string> {
  const folder = await testFolder("test");
  const { program, args, env } = daemonCommand({
    dataDir: `${folder}/system`,
    socket: "/run/evs/evs.sock",
    config: `${folder}/config.toml`,
  });
  const evs = evsCommand([]);
  const whole = [
    "set -e",
    "mount -t tmpfs tmpfs /run",
    "mkdir -m 755 /run/evs",
    `mkfifo ${folder}/ready`,
    `${quoted([program, ...args])} >${folder}/ready 2>${folder}/words & daemon=$!`,
    `trap 'kill $daemon; wait $daemon' EXIT`,
    `exec 3<${folder}/ready; read -r ready <&3`,
    `EVS=${quoted([`${folder}/evs`])}; printf '#!/bin/sh\\nexec %s "$@"\\n' ${
      quoted([quoted([evs.program, ...evs.options.args!])])
    } >$EVS; chmod +x $EVS`,
    `evs() { ${quoted([evs.program, ...evs.options.args!])} "$@"; }`,
    script,
  ].join("\n");
  try {
    const { code, stdout, stderr } = await new Deno.Command("unshare", {
      args: ["-m", "sh", "-c", whole],
      clearEnv: true,
      env: {
        ...env,
        ...evs.options.env,
        PATH: Deno.env.get("PATH")!,
        HOME: `${folder}/home`,
        DENO_DIR: Deno.env.get("DENO_DIR") ?? `${Deno.env.get("HOME")}/.cache/deno`,
        MINE: `${folder}/mine`,
      },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).output();
    assert.equal(code, 0, decoder.decode(stderr));
    return decoder.decode(stdout);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("evs finds the system's daemon when nothing is chosen and its own does not run", async () => {
  const out = await besideSystemDaemon(`
    evs publish t x 1 >/dev/null
    evs replay t
    evs status --json`);
  const [event, status] = out.trim().split("\n").map((line) => JSON.parse(line));
  assert.equal(event.payload, 1);
  assert.equal(status.socket, "/run/evs/evs.sock");
});

Deno.test("evs leaves the system's daemon alone when a data dir or a socket is chosen, and to start and stop", async () => {
  const out = await besideSystemDaemon(`
    code() { "$@" >/dev/null 2>&1 && echo 0 || echo $?; }
    EVS_DATA_DIR=$MINE code evs status
    EVS_SOCKET=$MINE.sock code evs status
    evs daemon stop >/dev/null 2>&1 || :
    kill -0 $daemon && echo alive`);
  assert.deepEqual(out.trim().split("\n"), ["5", "5", "alive"]);
});

Deno.test("evs says so when the system's socket is another user's, or no socket", async () => {
  const out = await besideSystemDaemon(`
    code() { "$@" 2>&1 && echo 0 || echo $?; }
    chown 65534 /run/evs/evs.sock
    # Root without the right to pass over permissions.
    asOthers() { code setpriv --bounding-set=-dac_override,-dac_read_search "$@"; }
    asOthers $EVS status
    rm /run/evs/evs.sock; : >/run/evs/evs.sock
    code evs status
    test -f /run/evs/evs.sock && echo left`);
  assert.match(out, /system's \(\/run\/evs\/evs\.sock\) is for a group that this user is not in/);
  assert.match(
    out,
    /; start one: evs daemon start\n5\nevs: no daemon answers at [^\n]*\n5\nleft\n$/,
  );
});
