/**
 * Contract rows 14, 21 and 31: what another user puts beside a socket, or in its place, in a folder
 * that everybody can write to, such as /tmp.
 */
import assert from "node:assert/strict";
import { Place } from "../helpers/shell.ts";

/** Nobody, everywhere on Debian. */
const OTHER = 65534;

/** A folder like /tmp with a lock file of the other user; returns the environment to use it. */
async function foreignLock(
  place: Place,
  told: { pid: number; dataDir: string },
): Promise<Record<string, string>> {
  const folder = `${place.folder}/shared`;
  await Deno.mkdir(folder);
  await Deno.chmod(folder, 0o1777);
  const socket = `${folder}/evs.sock`;
  const text = JSON.stringify({ ...told, socket, config: "/none" });
  await Deno.writeTextFile(`${socket}.lock`, text);
  await Deno.chown(`${socket}.lock`, OTHER, OTHER);
  return { EVS_SOCKET: socket, EVS_DATA_DIR: `${place.folder}/data` };
}

Deno.test("no command signals a process that another user has named beside the socket", async () => {
  await using place = await Place.make();
  await using process = new Deno.Command("sleep", {
    args: ["300"],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  // A file that nearly every process has open.
  const env = await foreignLock(place, { pid: process.pid, dataDir: "/dev/null" });
  assert.equal((await place.sh("evs status", env)).code, 5);
  assert.equal(await place.run("evs daemon stop 2>/dev/null", env), '{"stopped":false}\n');
  const status = await Deno.readTextFile(`/proc/${process.pid}/status`);
  assert.match(status, /^State:\s+S/m, "it was ended");
});

Deno.test("no command waits for a pipe that another user has named beside the socket", async () => {
  await using place = await Place.make();
  await place.run("mkfifo -m 666 ../pipe");
  const env = await foreignLock(place, { pid: 1, dataDir: `${place.folder}/pipe` });
  assert.equal((await place.sh("timeout 60 evs status", env)).code, 5);
  await place.run('rm "$EVS_SOCKET.lock" && mkfifo -m 666 "$EVS_SOCKET.lock"', env);
  assert.equal((await place.sh("timeout 60 evs status", env)).code, 5);
});

Deno.test("no daemon starts behind a lock that another user can take or rewrite", async () => {
  await using place = await Place.make();
  const env = await foreignLock(place, { pid: 1, dataDir: "/" });
  const before = await place.run('cat "$EVS_SOCKET.lock"', env);
  const { code, stderr } = await place.sh("evs daemon start", env);
  assert.notEqual(code, 0);
  assert.match(stderr, /evs\.sock\.lock belongs to somebody else; it was left alone/);
  assert.equal(await place.run('cat "$EVS_SOCKET.lock"', env), before);
});

Deno.test("no command connects where another user has made the folder of a short socket", async () => {
  await using place = await Place.make();
  const folder = `${place.folder}/made-first`;
  await Deno.mkdir(folder);
  await Deno.chmod(folder, 0o777);
  await Deno.chown(folder, OTHER, OTHER);
  const dataDir = `${place.folder}/${"long/".repeat(30)}data`;
  const env = { EVS_DATA_DIR: dataDir, XDG_RUNTIME_DIR: "", FOLDER: folder };
  // Only these commands see the other user's folder there.
  const there = (command: string) =>
    place.sh(
      `own=/tmp/evs-$(id -u); mkdir -p -m 700 $own
unshare -m sh -c 'mount --bind "$FOLDER" "$0" && '${JSON.stringify(command)} "$own"`,
      env,
    );
  for (const command of ["evs publish t x 1", "evs status", "evs tail t"]) {
    const { code, stderr } = await there(command);
    assert.equal(code, 7, stderr);
    assert.match(stderr, /evs-\d+, where the socket belongs, is somebody else's\n {2}try: set EVS/);
  }
});
