/**
 * `spool.folder`: members of `socket_group`, who cannot reach the data dir, spool there; the daemon
 * takes it in without being told, and others cannot write there.
 */
import assert from "node:assert/strict";
import { until } from "../helpers/evs.ts";
import { needTools, Place } from "../helpers/shell.ts";
import { modeOf } from "../helpers/start.ts";

/** Somebody else: a number that nobody has. */
const OTHER = 64002;
/** The group of Debian that has no members and no meaning. */
const GROUP = { name: "nogroup", gid: 65534 };

/**
 * Root's number, because the program may be in root's folders, and none of root's rights: with the
 * group or without it.
 */
function without(...groups: number[]): string {
  const more = groups.length === 0 ? "--clear-groups" : `--groups=${groups.join(",")}`;
  return `setpriv --regid=${OTHER} ${more} --bounding-set=-all --inh-caps=-all`;
}

/** A place whose config names a spool, and its environment. */
async function placeWithSpool(): Promise<
  { place: Place; env: Record<string, string>; folder: string }
> {
  needTools("setpriv", "jq");
  const place = await Place.make();
  const folder = `${place.folder}/work/spool`;
  const config = `${place.folder}/config.toml`;
  await Deno.writeTextFile(
    config,
    `socket_group = "${GROUP.name}"\n\n[spool]\nfolder = "${folder}"\n`,
  );
  const env = {
    EVS_DATA_DIR: `${place.folder}/work/data`,
    EVS_SOCKET: `${place.folder}/work/run/evs.sock`,
    EVS_CONFIG: config,
  };
  return { place, env, folder };
}

const START = `${without(GROUP.gid)} evs daemon start >/dev/null\n`;
/** Waits until the topic has so many events. */
const untilStored = (count: number) =>
  `until test "$(evs replay t 2>/dev/null | wc -l)" = ${count}; do sleep 0.05; done\n`;

Deno.test("members of socket_group spool into the folder that the config names, and a daemon takes it in", async () => {
  const { place: made, env, folder } = await placeWithSpool();
  await using place = made;
  await Deno.mkdir(folder);
  await Deno.chown(folder, OTHER, GROUP.gid);
  await Deno.chmod(folder, 0o2770);
  const publish = (payload: number, user: string) =>
    `${user} evs publish t n ${payload} --spool --json`;
  // Its data dir is somewhere that the member cannot reach.
  const member = { ...env, EVS_DATA_DIR: `${place.folder}/nowhere/data` };
  const spooled = await place.run(publish(1, without(GROUP.gid)), member);
  assert.equal(JSON.parse(spooled).spooled, true);
  const [file] = [...Deno.readDirSync(folder)];
  const path = `${folder}/${file!.name}`;
  assert.deepEqual([modeOf(path), Deno.lstatSync(path).gid], ["640", GROUP.gid]);
  const { code, stderr } = await place.sh(publish(2, without()), member);
  assert.equal(code, 7);
  assert.equal(JSON.parse(stderr).error.code, "spool/unusable");

  await place.run(START + untilStored(1), env);
  await until(() => [...Deno.readDirSync(folder)].length === 0);
  assert.equal(modeOf(folder), "2770", "it was not ours to change");
  // It stands still, and finds what was spooled when it goes on, without being asked.
  const { pid } = JSON.parse(await Deno.readTextFile(`${env.EVS_DATA_DIR}/daemon.json`));
  Deno.kill(pid, "SIGSTOP");
  await place.run(publish(3, without(GROUP.gid)), member);
  assert.equal([...Deno.readDirSync(folder)].length, 1);
  Deno.kill(pid, "SIGCONT");
  await until(() => [...Deno.readDirSync(folder)].length === 0);
  await place.run(`${untilStored(2)}evs daemon stop`, env);
});

Deno.test("a daemon makes the folder of the spool for the group, and refuses one that everybody writes to", async () => {
  const { place: made, env, folder } = await placeWithSpool();
  await using place = made;
  await place.run(START, env);
  assert.deepEqual([modeOf(folder), Deno.lstatSync(folder).gid], ["2770", GROUP.gid]);
  // Nothing that is no file of a publisher is read, or followed.
  await place.run(
    `ln -s /etc/passwd '${folder}/000000000001-1-99-01234567.spool'
mkfifo '${folder}/000000000002-1-99-01234567.spool'
echo '{"any":"thing"}' >'${folder}/000000000003-1-99-01234567.spool'
evs publish t n 1
until test -e '${folder}/refused/000000000003-1-99-01234567.spool'; do sleep 0.05; done
test -L '${folder}/000000000001-1-99-01234567.spool'
test -p '${folder}/000000000002-1-99-01234567.spool'
evs daemon stop
chmod 777 '${folder}'`,
    env,
  );
  const { code, stderr } = await place.sh(START, env);
  assert.equal(code, 7);
  assert.match(stderr, /spool can be written by everybody; nothing in it was touched/);
});

Deno.test("a file of the spool that the daemon's user cannot read is told, and read once it can be", async () => {
  const { place: made, env, folder } = await placeWithSpool();
  await using place = made;
  await Deno.mkdir(folder);
  await Deno.chown(folder, OTHER, GROUP.gid);
  await Deno.chmod(folder, 0o2770);
  const member = { ...env, EVS_DATA_DIR: `${place.folder}/nowhere/data` };
  const publish = (args: string) => `${without(GROUP.gid)} evs publish t n ${args} --spool --json`;
  const { id } = JSON.parse(await place.run(publish("1"), member));
  const [file] = [...Deno.readDirSync(folder)];
  const path = `${folder}/${file!.name}`;
  await Deno.chmod(path, 0);
  await place.run(publish("2"), member);
  const asUser = (command: string) => place.run(`${without(GROUP.gid)} ${command}`, env);
  await place.run(START + untilStored(1), env);
  const spool = async () => JSON.stringify(JSON.parse(await asUser("evs status --json")).spool);
  const faults = [{ path, what: "cannot be read: permission denied" }];
  const told = JSON.stringify([{ folder, waiting: 1, refused: 0, faults }]);
  await until(async () => await spool() === told);
  const listed = JSON.parse(await asUser("evs spool list"));
  assert.deepEqual([listed.state, listed.what], [
    "unreadable",
    "cannot be read: permission denied",
  ]);
  assert.match(await asUser("evs doctor --json"), /"it cannot be read: permission denied: it is/);
  assert.equal(JSON.parse(await asUser("evs redact t 1 --yes")).created, true);
  await Deno.chmod(path, 0o640);
  await place.run(untilStored(2), env);
  assert.equal(JSON.parse(await asUser("evs get t 2")).id, id);
  await until(async () => await spool() === undefined);
  await place.run("evs daemon stop", env);
});
