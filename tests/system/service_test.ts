/**
 * The units of `evs service`, judged by systemd's own tools, and what root and others may install.
 * tests/system/service_boot_test.ts runs them under a real systemd.
 */
import assert from "node:assert/strict";
import { needTools, Place } from "../helpers/shell.ts";
import { UnitFile } from "../helpers/unit_file.ts";

/** No machine has these variables, nor has a system daemon. */
const SYSTEM_ENV = { EVS_DATA_DIR: "", EVS_SOCKET: "", EVS_CONFIG: "" };

const CONSUMER = `consume orders --name billing -- ./charge.sh "a b" '%s $HOME' ';'`;

/** The units, as files in a folder of the place. */
async function printed(place: Place): Promise<void> {
  await place.run(
    `mkdir user system database
evs service print daemon --system --store postgres://evs@10.0.0.5/events --quiet \\
  >database/evs.service
for scope in user system; do
  evs service print daemon --$scope --quiet >$scope/evs.service
  evs service print ${
      CONSUMER.replace("--name", '"--$scope" --name')
    } >$scope/evs-consume-billing.service 2>/dev/null
  evs service print alert --$scope --disk '<10%' --quiet -- ./tell.sh >$scope/evs-alert-main.service
done`,
    SYSTEM_ENV,
  );
}

for (const scope of ["user", "system", "database"]) {
  Deno.test(`systemd-analyze verify finds nothing to say about the units of evs service for a ${scope}`, async () => {
    needTools("systemd-analyze");
    await using place = await Place.make();
    await printed(place);
    const verify = (folder: string) =>
      place.sh(
        // Without its own search path it would judge the units of this machine, too.
        `SYSTEMD_UNIT_PATH="$PWD/${folder}:" systemd-analyze verify --${
          scope === "user" ? "user" : "system"
        } --man=no "$PWD/${folder}"/evs*.service`,
        { LC_ALL: "C" },
      );
    const { code, stdout, stderr } = await verify(scope);
    const ours = (stdout + stderr).split("\n").filter((line) => /evs/.test(line));
    assert.deepEqual(ours, []);
    assert.equal(code, 0, stderr);
    // It does read them.
    await place.run(
      `sed -i 's/^Restart=.*/Restart=perhaps/; s/^ExecStart=[^ ]*/ExecStart=\\/nowhere/' ${scope}/evs.service`,
    );
    const spoilt = await verify(scope);
    assert.match(spoilt.stderr, /evs\.service:\d+: Failed to parse service restart specifier/);
    assert.match(spoilt.stderr, /evs\.service: Command \/nowhere is not executable/);
  });
}

Deno.test("systemd-analyze security calls a system daemon's unit OK, and knows every setting in it", async () => {
  needTools("systemd-analyze", "jq");
  await using place = await Place.make();
  await printed(place);
  const security = async (name: string, folder = "system") => {
    const { stdout } = await place.sh(
      `systemd-analyze security --offline=yes --no-pager --threshold=100 "$PWD/${folder}/${name}"`,
      { LC_ALL: "C" },
    );
    const exposure = /Overall exposure level for \S+: ([\d.]+)/.exec(stdout)?.[1];
    assert.ok(exposure !== undefined, stdout);
    return Number(exposure);
  };
  const daemon = await security("evs.service");
  assert.ok(daemon <= 2, `${daemon} of 10`);
  const onDatabase = await security("evs.service", "database");
  assert.ok(onDatabase > daemon && onDatabase <= 3, `${onDatabase} of 10, with a database`);
  // A handler may need anything, so a consumer is not held back; its owner can add drop-ins.
  assert.ok(await security("evs-consume-billing.service") > daemon);
});

Deno.test("a unit of evs service takes from the daemon what it has no use for", async () => {
  await using place = await Place.make();
  await printed(place);
  const read = async (path: string) =>
    new UnitFile(await Deno.readTextFile(`${place.folder}/work/${path}`));
  for (const scope of ["user", "system"]) {
    const unit = await read(`${scope}/evs.service`);
    assert.equal(unit.one("Service.NoNewPrivileges"), "yes");
    assert.equal(unit.one("Service.RestrictAddressFamilies"), "AF_UNIX");
    assert.equal(unit.one("Service.PrivateNetwork"), "yes");
    assert.match(unit.one("Service.ProtectSystem"), /^(full|strict)$/);
    assert.match(unit.one("Service.MemoryMax"), /^\d+[MG]$/);
    const consumer = await read(`${scope}/evs-consume-billing.service`);
    assert.equal(consumer.one("Unit.BindsTo"), "evs.service");
    assert.equal(consumer.one("Unit.After"), "evs.service");
    assert.equal(consumer.one("Install.WantedBy"), "evs.service");
    assert.equal(consumer.one("Service.Restart"), "always");
    assert.equal(consumer.one("Service.SuccessExitStatus"), "6");
    assert.equal(consumer.folder, `${place.folder}/work`);
    assert.ok(consumer.command.includes("--no-resume"));
    assert.equal(consumer.environment.PATH, place.env.PATH);
  }
  const alert = await read("system/evs-alert-main.service");
  assert.deepEqual(alert.command.slice(1), ["alert", "--disk", "<10%", "--", "./tell.sh"]);
  const system = await read("system/evs.service");
  assert.equal(system.one("Service.User"), "evs");
  assert.equal(system.environment.EVS_DATA_DIR, "/var/lib/evs");
  assert.equal(system.environment.EVS_SOCKET, "/run/evs/evs.sock");
});

Deno.test("evs service print lets the daemon reach the database that its config file names, and refuses a password in its URL", async () => {
  await using place = await Place.make();
  const print = async (config: string, env: Record<string, string> = {}) => {
    await Deno.mkdir(`${place.folder}/work/evs`, { recursive: true });
    await Deno.writeTextFile(`${place.folder}/work/evs/config.toml`, config);
    const at = { EVS_CONFIG: `${place.folder}/work/evs/config.toml`, ...env };
    return await place.sh("evs service print daemon --system", at);
  };
  const { stdout, stderr } = await print('store = "postgres://evs@10.0.0.5/events"\n', {
    EVS_POSTGRES_PASSWORD: "hunter2",
    PGPASSFILE: "/etc/evs/pgpass",
  });
  const unit = new UnitFile(stdout);
  assert.equal(unit.one("Service.IPAddressAllow"), "10.0.0.5");
  assert.deepEqual(unit.command.slice(1), ["daemon", "run"]);
  assert.equal(unit.environment["PGPASSFILE"], "/etc/evs/pgpass");
  assert.match(stderr, /EVS_POSTGRES_PASSWORD is not in the unit/);
  assert.ok(!`${stdout}${stderr}`.includes("hunter2"));
  const refused = await print('store = "postgres://evs:hunter2@10.0.0.5/events"\n');
  assert.equal(refused.code, 2);
  assert.equal(refused.stdout, "");
  assert.ok(!refused.stderr.includes("hunter2"));
  assert.equal(new UnitFile((await print("")).stdout).one("Service.PrivateNetwork"), "yes");
});

/** Prints what arrives at the datagram socket in NOTIFY_SOCKET, until it is ready. */
const MANAGER = `use Socket; $| = 1;
socket(my $s, AF_UNIX, SOCK_DGRAM, 0) or die; bind($s, pack_sockaddr_un($ENV{NOTIFY_SOCKET})) or die;
my $text;
while (defined recv($s, $text, 4096, 0)) { print "$text\n"; last if $text =~ /^READY=1$/m }`;

Deno.test("evs daemon run tells the service manager that it serves once the daemon answers, and nobody when it cannot start", async () => {
  needTools("systemd-notify", "perl", "jq");
  await using place = await Place.make();
  const env = { NOTIFY_SOCKET: `${place.folder}/run/notify` };
  // The health is asked for in the moment that the message is there.
  const told = await place.run(
    `perl -e '${MANAGER}' >message &
until test -S "$NOTIFY_SOCKET"; do sleep 0.01; done
manager=$!
evs daemon run >/dev/null 2>words & evs=$!
wait $manager
cat message
curl -sS --unix-socket "$XDG_RUNTIME_DIR/evs/evs.sock" http://evs/v1/health
kill $evs
wait $evs
cat words >&2`,
    env,
  );
  assert.match(told, /^READY=1$/m);
  assert.match(told, /^STATUS=pid \d+ serves at .*evs\.sock$/m);
  assert.match(told, /"health":"ok"/);
  const failed = await place.sh(
    `rm "$NOTIFY_SOCKET"
perl -e '${MANAGER}' >message &
manager=$!
until test -S "$NOTIFY_SOCKET"; do sleep 0.01; done
mkdir -p "$HOME/.config/evs"; echo 'nonsense = 1' >"$HOME/.config/evs/config.toml"
evs daemon run || code=$?
kill $manager
cat message
exit $code`,
    env,
  );
  assert.equal(failed.code, 2);
  assert.equal(failed.stdout, "", "no message");
});

Deno.test("evs daemon run serves and says so when the service manager cannot be told", async () => {
  await using place = await Place.make();
  const { stderr } = await place.sh(
    `evs daemon run >/dev/null 2>words & evs=$!
until grep -q "was not told" words; do sleep 0.05; done
evs status >/dev/null
kill $evs; wait $evs
cat words >&2`,
    { NOTIFY_SOCKET: "/nowhere/at/all" },
  );
  assert.match(
    stderr,
    /the service manager \(NOTIFY_SOCKET\) was not told that the daemon serves: /,
  );
});

/** Runs a script where nothing that it changes in /etc and /run is the machine's. */
function apart(script: string): string {
  return `unshare --mount --propagation private sh -eu -c '
for folder in /etc/systemd/system /etc/sysusers.d /run; do mkdir -p $folder; mount -t tmpfs tmpfs $folder; done
${script}'`;
}

Deno.test("evs service --system writes the files of a system daemon and removes exactly those", async () => {
  needTools("unshare", "mount");
  await using place = await Place.make();
  const config = `${place.folder}/work/etc/evs/config.toml`;
  const env = { ...SYSTEM_ENV, EVS_CONFIG: config };
  const { code, stdout, stderr } = await place.sh(
    apart(`evs service install daemon --system --no-start
ls /etc/systemd/system /etc/sysusers.d
cat /etc/sysusers.d/evs.conf "$EVS_CONFIG"
echo "# mine" >>"$EVS_CONFIG"
evs service install daemon --system --no-start
evs service remove daemon --system
ls /etc/systemd/system /etc/sysusers.d
sed -i s/^socket_group/#socket_group/ "$EVS_CONFIG"
evs service install daemon --system --no-start >/dev/null
evs service remove daemon --system >/dev/null`),
    env,
  );
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^u evs - "env-event-stream daemon" \/var\/lib\/evs$/m);
  assert.match(stdout, /^socket_group = "evs"$/m);
  const lists = stdout.slice(stdout.lastIndexOf('"left"'));
  assert.doesNotMatch(lists, /evs\.service$|evs\.conf$/m);
  assert.match(stderr, /^keeps .*config\.toml\n/m);
  assert.match(
    stderr,
    /^keeps .*config\.toml, which names no socket_group: only evs and root can use the daemon\n/m,
  );
  assert.match(stderr, /leaves the data in \/var\/lib\/evs\n/);
  assert.match(stderr, /leaves .*config\.toml, which is not as it was installed\n/);
  assert.match(await Deno.readTextFile(config), /# mine\n$/);
});

/** A machine that looks as if systemd ran it, for what is checked before it is asked. */
const PRETENDED = 'mkdir -p /run/systemd/system "$XDG_RUNTIME_DIR/systemd"\n' +
  ': >"$XDG_RUNTIME_DIR/systemd/private"\n';

/** What keeps a service from being installed, and the words for it. */
const OBSTACLES: [what: string, script: string, words: RegExp][] = [
  [
    "the user evs cannot read the program",
    'ln -s "$DENO_DIR" cache; DENO_DIR=$PWD/cache evs service install daemon --system',
    /the user evs cannot run \S+: \/\S+ is closed to others\n {2}try: install evs where everybody/,
  ],
  [
    "a daemon that was started by hand runs",
    "trap 'evs daemon stop' EXIT; evs daemon start; evs service install",
    /a daemon that no service manager started runs on .*\n {2}try: evs daemon stop, then/,
  ],
  [
    "the folders of a system daemon are not there",
    "EVS_DATA_DIR=/srv/evs-none evs service install --system",
    /\/srv\/evs-none must be there before the daemon starts\n {2}try: .* install -d -m 700 -o evs/,
  ],
];

for (const [what, script, words] of OBSTACLES) {
  Deno.test(`evs service install says so and writes nothing when ${what}`, async () => {
    await using place = await Place.make();
    const { code, stderr } = await place.sh(
      apart(`${PRETENDED}${script.replaceAll("'", `'\\''`)}`),
      SYSTEM_ENV,
    );
    assert.ok(code === 2 || code === 3, stderr);
    assert.match(stderr, words);
    assert.doesNotMatch(stderr, /^writes /m);
  });
}

Deno.test("evs service install says what it wrote when the service manager fails", async () => {
  needTools("systemctl");
  await using place = await Place.make();
  const { code, stderr } = await place.sh(apart(`${PRETENDED}evs service install`));
  assert.equal(code, 7, stderr);
  assert.match(stderr, /^writes .*\/systemd\/user\/evs\.service$/m);
  assert.match(stderr, /^evs: systemctl --user daemon-reload failed: .*$/m);
  assert.match(stderr, /try: the files are written; once systemd answers, type it again/);
});

Deno.test("evs service install and remove refuse --system in words to anybody but root, and print does not", async () => {
  needTools("unshare");
  await using place = await Place.make();
  // Root under another number can read root's programs, and is not root.
  const asUser = "unshare --user --map-user=1000 --map-group=1000 evs service";
  for (const line of ["install daemon --system --no-start", "remove daemon --system"]) {
    const { code, stderr } = await place.sh(`${asUser} ${line}`, SYSTEM_ENV);
    assert.equal(code, 7, stderr);
    assert.match(stderr, /only root can change the services of the machine; nothing was changed\n/);
    assert.match(stderr, /try: type it as root, or leave out --system/);
  }
  assert.match(await place.run(`${asUser} print --system --quiet`, SYSTEM_ENV), /^User=evs$/m);
});

Deno.test("evs service install says what to type instead when there is no systemd", async () => {
  needTools("unshare", "mount");
  await using place = await Place.make();
  for (const line of ["daemon", "consume orders --name billing -- true"]) {
    const { code, stderr } = await place.sh(apart(`evs service install ${line}`));
    assert.equal(code, 7, stderr);
    assert.match(
      stderr,
      line === "daemon"
        ? /systemd does not run this machine.*\n {2}try: evs daemon start runs the daemon/
        : /the daemon is no service yet|systemd does not run this machine/,
    );
  }
});
