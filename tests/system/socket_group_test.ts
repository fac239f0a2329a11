/**
 * Contract row 21 with `socket_group`: members of that group may use the socket and nothing else,
 * everybody else stays out, and without it nothing changes.
 */
import assert from "node:assert/strict";
import { exists } from "../../core/base/if_there.ts";
import { needTools, Place } from "../helpers/shell.ts";
import { modeOf } from "../helpers/start.ts";

/** A member of the group, and somebody else: numbers that nobody has. */
const MEMBER = 64002;
const STRANGER = 64003;

/** The group of Debian that has no members and no meaning. */
const GROUP = { name: "nogroup", gid: 65534 };

function as(user: number, ...groups: number[]): string {
  const more = groups.length === 0 ? "--clear-groups" : `--groups=${groups.join(",")}`;
  return `setpriv --reuid=${user} --regid=${user} ${more}`;
}

/** A place with a config file, into which others may look. */
async function ownersPlace(config: string): Promise<Place> {
  needTools("setpriv", "curl", "jq");
  const place = await Place.make();
  const { folder } = place;
  await Deno.writeTextFile(`${folder}/config.toml`, config);
  await Deno.chmod(folder, 0o755);
  await Deno.chmod(`${folder}/work`, 0o755);
  return place;
}

/** The places of its daemon; the socket is in a folder of its own. */
function places({ folder }: Place): Record<string, string> {
  return {
    EVS_DATA_DIR: `${folder}/work/data`,
    EVS_SOCKET: `${folder}/work/run/evs.sock`,
    EVS_CONFIG: `${folder}/config.toml`,
  };
}

/**
 * The owner of the daemon: root's number, because the program may be in root's folders, and none of
 * root's rights.
 */
function asOwner(...groups: number[]): string {
  return `${as(0, ...groups)} --bounding-set=-all --inh-caps=-all`;
}

/** Starts the daemon. */
function start(groups: number[] = [GROUP.gid]): string {
  return `${asOwner(...groups)} evs daemon start >/dev/null`;
}

Deno.test("members of socket_group use the daemon and reach no file of it, and nobody else connects", async () => {
  await using place = await ownersPlace(`socket_group = "${GROUP.name}"\n`);
  const env = places(place);
  await place.run(`umask 000\n${start()}`, env);
  const { EVS_SOCKET: socket = "", EVS_DATA_DIR: dataDir = "" } = env;
  assert.equal(modeOf(socket), "660");
  assert.equal(modeOf(socket.replace("/evs.sock", "")), "750");
  for (const path of [socket, socket.replace("/evs.sock", "")]) {
    const { uid, gid } = Deno.lstatSync(path);
    assert.deepEqual([uid, gid], [0, GROUP.gid], path);
  }
  assert.equal(modeOf(dataDir), "700");
  const publish =
    `curl -sS --unix-socket '${socket}' -d '{"n":1}' 'http://evs/v1/topics/t/events?type=n'`;
  const asMember = as(MEMBER, GROUP.gid);
  assert.equal(JSON.parse(await place.run(`${asMember} ${publish}`)).lastSeq, 1);
  for (const user of [as(STRANGER), as(STRANGER, MEMBER)]) {
    const { code, stderr } = await place.sh(`${user} ${publish}`);
    assert.equal(code, 7, "curl could not connect");
    assert.match(stderr, /Permission denied|Couldn't connect/i);
  }
  // The socket is all that a member gets.
  for (
    const line of [
      `ls '${dataDir}'`,
      `cat '${dataDir}/events.db'`,
      `cat '${socket}.lock'`,
      `rm -f '${socket}'`,
      `touch '${socket}.new'`,
      `mv '${socket}' '${socket}.old'`,
    ]
  ) {
    const { code, stderr } = await place.sh(`LC_ALL=C ${asMember} ${line}`);
    assert.notEqual(code, 0, line);
    assert.match(stderr, /Permission denied/, line);
  }
  // Made anew, it is the group's again.
  await place.run(
    `rm '${socket}'
kill -HUP "$(jq -r .pid '${dataDir}/daemon.json')"
until test -S '${socket}' && test "$(stat -c %a '${socket}')" = 660; do sleep 0.05; done
${asMember} ${publish}`,
  );
  assert.equal(Deno.lstatSync(socket).gid, GROUP.gid);
  await place.run(`evs daemon stop`, env);
});

Deno.test("the socket is its owner's alone when socket_group is not set, in a folder that a group may enter, too", async () => {
  await using place = await ownersPlace("");
  const env = places(place);
  const { EVS_SOCKET: socket = "" } = env;
  const folder = socket.replace("/evs.sock", "");
  await Deno.mkdir(folder);
  await Deno.chown(folder, 0, GROUP.gid);
  await Deno.chmod(folder, 0o750);
  await place.run(`umask 000\n${start()}`, env);
  assert.equal(modeOf(socket), "600");
  assert.equal(modeOf(folder), "750", "it was not ours to change");
  const { code } = await place.sh(
    `${as(MEMBER, GROUP.gid)} curl -sS --unix-socket '${socket}' http://evs/v1/health`,
  );
  assert.equal(code, 7);
  await place.run(`evs daemon stop`, env);
});

Deno.test("a socket_group that does not exist is refused before there is a data dir or a socket", async () => {
  await using place = await ownersPlace('socket_group = "evs-no-such-group"\n');
  const env = places(place);
  const { code, stderr } = await place.sh(start(), env);
  assert.equal(code, 2);
  assert.match(
    stderr,
    /config\.toml: socket_group is "evs-no-such-group", and there is no such group\n {2}try: getent/,
  );
  assert.equal(exists(env.EVS_DATA_DIR!), false);
  assert.equal(exists(`${place.folder}/work/run`), false);
});

Deno.test("a socket_group to which the daemon's user does not belong is refused before anybody can connect", async () => {
  await using place = await ownersPlace(`socket_group = "${GROUP.name}"\n`);
  const env = places(place);
  const { code, stderr } = await place.sh(start([]), env);
  assert.equal(code, 7);
  assert.match(stderr, /the daemon's user is not a member of the group nogroup/);
  assert.equal(exists(env.EVS_SOCKET!), false);
});

Deno.test("a user who is not in the group of the system's daemon is told how to get one, and finds it when they are", async () => {
  needTools("setpriv", "unshare", "mount");
  await using place = await Place.make();
  await Deno.writeTextFile(
    `${place.folder}/work/config.toml`,
    `socket_group = "${GROUP.name}"\n`,
  );
  const stranger = "setpriv --bounding-set=-all --inh-caps=-all --clear-groups";
  const { code, stdout, stderr } = await place.sh(
    `unshare --mount --propagation private sh -eu -c '
mount -t tmpfs tmpfs /run
EVS_DATA_DIR=$PWD/data EVS_CONFIG=$PWD/config.toml EVS_SOCKET=/run/evs/evs.sock evs daemon start >/dev/null
chown 64001 /run/evs /run/evs/evs.sock
setpriv --bounding-set=-all --inh-caps=-all --groups=${GROUP.gid} evs status
${stranger} evs status || code=$?
EVS_SOCKET=/run/evs/evs.sock evs daemon stop >/dev/null
exit $code'`,
  );
  assert.notEqual(stdout, "", stderr);
  assert.equal(JSON.parse(stdout).socket, "/run/evs/evs.sock");
  assert.equal(code, 5, stderr);
  assert.match(
    stderr,
    /no daemon answers at \S+, and the system's \(\/run\/evs\/evs\.sock\) is for a group that this user is not in; start one: evs daemon start\n/,
  );
});

Deno.test("a folder that the group cannot enter and that has other files is refused and left as it is", async () => {
  await using place = await ownersPlace(`socket_group = "${GROUP.name}"\n`);
  const env = { ...places(place), EVS_SOCKET: `${place.folder}/home/evs.sock` };
  await Deno.writeTextFile(`${place.folder}/home/other`, "");
  const { code, stderr } = await place.sh(start(), env);
  assert.equal(code, 7);
  assert.match(
    stderr,
    /the group nogroup cannot reach a socket in .*\/home, which has other files/,
  );
  assert.equal(modeOf(`${place.folder}/home`), "700");
  assert.equal(exists(env.EVS_SOCKET), false);
});
