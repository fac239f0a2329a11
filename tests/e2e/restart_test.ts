/** Concurrent `evs daemon start`, `stop` and `restart`, and publishers meanwhile. */
import assert from "node:assert/strict";
import { until } from "../helpers/evs.ts";
import { Place } from "../helpers/shell.ts";

async function pidOf(place: Place): Promise<number> {
  return JSON.parse(await place.run("evs status")).pid;
}

Deno.test("evs daemon restart replaces the daemon, with the flags that it had, when one runs", async () => {
  await using place = await Place.make();
  await place.run("evs daemon start --store file --durability os 2>/dev/null");
  await place.run("evs publish t n 1");
  const old = await pidOf(place);
  const said = JSON.parse(await place.run("evs daemon restart 2>/dev/null"));
  const { pid, store, durability, events, socket } = JSON.parse(await place.run("evs status"));
  assert.notEqual(pid, old);
  assert.deepEqual([store, durability, events], ["file", "os", 1]);
  assert.deepEqual([said.restarted, said.pid, said.previousPid, said.socket], [
    true,
    pid,
    old,
    socket,
  ]);
  await place.run("evs daemon restart --durability always 2>/dev/null");
  const after = JSON.parse(await place.run("evs status"));
  assert.deepEqual([after.store, after.durability], ["file", "always"]);
  // From elsewhere, too: at the socket that it had.
  const cron = JSON.parse(await place.run("env -u XDG_RUNTIME_DIR evs daemon restart 2>/dev/null"));
  assert.equal(cron.socket, socket);
  await place.run("evs daemon stop 2>/dev/null");
});

Deno.test("evs daemon restart starts a daemon when none runs", async () => {
  await using place = await Place.make();
  const said = JSON.parse(await place.run("evs daemon restart 2>/dev/null"));
  assert.deepEqual([said.restarted, said.pid], [false, await pidOf(place)]);
  await place.run("evs daemon stop 2>/dev/null");
});

Deno.test("evs daemon restart leaves the daemon as it is when the new one cannot start", async () => {
  await using place = await Place.make();
  await place.run("evs daemon start 2>/dev/null");
  const old = await pidOf(place);
  await place.run("mkdir -p ~/.config/evs && echo 'nonsense = = 1' >~/.config/evs/config.toml");
  const { code, stderr } = await place.sh("evs daemon restart");
  assert.equal(code, 2, stderr);
  assert.match(stderr, /config\.toml, line 1/);
  assert.equal(await pidOf(place), old);
  await place.run("evs daemon stop 2>/dev/null");
});

Deno.test("evs daemon restart leaves the daemon to whoever runs it when it is run in the foreground", async () => {
  await using place = await Place.make();
  const running = place.command("exec evs daemon run >/dev/null 2>&1").spawn();
  void running.stdout.cancel();
  void running.stderr.cancel();
  await place.run("evs status --wait 1m");
  const old = await pidOf(place);
  const { code, stderr } = await place.sh("evs daemon restart");
  assert.equal(code, 3, stderr);
  assert.match(stderr, /evs daemon run/);
  assert.equal(await pidOf(place), old);
  await place.run("evs daemon stop 2>/dev/null");
  await running.status;
});

Deno.test("every publish is stored once when the daemon is restarted under load", async () => {
  await using place = await Place.make();
  await place.run("evs daemon start 2>/dev/null");
  const publishing = place.sh(`for one in 1 2 3; do
  ( for n in $(seq 40); do evs publish t n "$n" >/dev/null || echo "failed with $?"; done ) &
done; wait`);
  const events = async () => JSON.parse(await place.run("evs status --wait 1m")).events as number;
  await until(async () => await events() > 5);
  for (let i = 0; i < 3; i++) await place.run("evs daemon restart 2>/dev/null");
  const { stdout, stderr } = await publishing;
  assert.deepEqual([stdout, stderr], ["", ""]);
  assert.equal(await events(), 120);
  await place.run("evs daemon stop 2>/dev/null");
});

Deno.test("a daemon runs at the end when a start comes during a stop", async () => {
  await using place = await Place.make();
  await place.run("evs daemon start 2>/dev/null");
  const old = await pidOf(place);
  // An unfinished request keeps the daemon draining for a while, so the stop is certainly in
  // progress.
  const slow = place.command(
    `(printf 'POST /v1/topics/t/events?type=n HTTP/1.1\\r\\nhost: x\\r\\ncontent-length: 9\\r\\n\\r\\n1'; sleep 20) |
perl -MIO::Socket::UNIX -e '$s = IO::Socket::UNIX->new(shift); while (sysread STDIN, $b, 99) { syswrite $s, $b }' "$XDG_RUNTIME_DIR/evs/evs.sock"`,
  ).spawn();
  const connected = async () => JSON.parse(await place.run("evs status")).connections > 1;
  await until(connected);
  const stopping = place.sh("evs daemon stop 2>/dev/null");
  await until(async () => (await place.sh("test -S $XDG_RUNTIME_DIR/evs/evs.sock")).code !== 0);
  const started = JSON.parse(await place.run("evs daemon start 2>/dev/null"));
  assert.deepEqual([started.started, started.pid === old], [true, false]);
  assert.equal(JSON.parse((await stopping).stdout).pid, old);
  assert.equal(await pidOf(place), started.pid);
  await place.run("evs daemon stop 2>/dev/null");
  slow.kill("SIGKILL");
  await Promise.all([slow.status, slow.stdout.cancel(), slow.stderr.cancel()]);
});

Deno.test("all of them tell of the one daemon when ten starts come at once", async () => {
  await using place = await Place.make();
  const starts = await Promise.all(
    Array.from({ length: 10 }, () => place.sh("evs daemon start 2>/dev/null")),
  );
  const pid = await pidOf(place);
  assert.deepEqual(starts.map(({ code }) => code), starts.map(() => 0));
  const said = starts.map(({ stdout }) => JSON.parse(stdout));
  assert.deepEqual(said.map((one) => one.pid), said.map(() => pid));
  assert.equal(said.filter(({ started }) => started).length, 1);
  await place.run("evs daemon stop 2>/dev/null");
});
