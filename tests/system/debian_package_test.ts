/**
 * The Debian package in a Debian of its own: what it installs, the daemon that its unit describes
 * and who may use it, and what removing and purging it leaves.
 */
import assert from "node:assert/strict";
import { buildDeb, type DebOptions } from "../../packaging/deb.ts";
import { asUser, BareRoot } from "../helpers/bare_root.ts";
import { program } from "../helpers/built_program.ts";
import { doMainJob } from "../helpers/main_job.ts";
import { dose } from "../helpers/dose.ts";
import { platform } from "../helpers/package_names.ts";
import { needTools, Place } from "../helpers/shell.ts";
import { UnitFile } from "../helpers/unit_file.ts";

needTools("dpkg", "dpkg-deb", "md5sum");

const UNIT = "/usr/lib/systemd/system/evs.service";

/** Builds the package into a folder, as the file package.deb. */
async function putPackage(
  { folder }: { folder: string },
  options: Pick<DebOptions, "runtime" | "compression">,
): Promise<string> {
  const built = await buildDeb((await program()).tree, { platform, folder, ...options });
  const path = `${folder}/package.deb`;
  await Deno.rename(built, path);
  return path;
}

/** Stands for Deno where evs itself is not run. */
async function smallRuntime({ folder }: { folder: string }): Promise<string> {
  const path = `${folder}/small-runtime`;
  await Deno.writeTextFile(path, "#!/bin/sh\nexit 0\n");
  return path;
}

// Synced files are for machines that may lose power.
const INSTALL = "dpkg --force-unsafe-io -i /package.deb >/dev/null";

/** What systemd would do to start the unit: make its folders, and execute it as its user. */
function startUnit(unit: UnitFile): string {
  const user = unit.one("Service.User");
  assert.equal(unit.one("Service.Group"), user);
  const folders = [
    ["State", "/var/lib"],
    ["Runtime", "/run"],
    ["Cache", "/var/cache"],
  ].map(([kind, parent]) => {
    const mode = unit.all(`Service.${kind}DirectoryMode`)[0] ?? "0755";
    const path = `${parent}/${unit.one(`Service.${kind}Directory`)}`;
    return `install -d -m ${mode} -o ${user} -g ${user} ${path}`;
  });
  const variables = Object.entries(unit.environment).map(([name, value]) => `'${name}=${value}'`);
  const command = unit.command.map((word) => `'${word}'`).join(" ");
  return `${folders.join("\n")}
(
  umask ${unit.one("Service.UMask")}
  exec env -i PATH="$PATH" HOME=/var/lib/evs USER=${user} ${variables.join(" ")} \\
    ${asUser(user)} --bounding-set=-all --no-new-privs ${command} >/daemon.out 2>&1
) &
daemon=$!
EVS_SOCKET=/run/evs/evs.sock evs status --wait 100s >/dev/null || { cat /daemon.out >&2; exit 1; }`;
}

async function unitIn(root: BareRoot): Promise<UnitFile> {
  return new UnitFile(await Deno.readTextFile(`${root.folder}${UNIT}`));
}

/** A command as a user of the root, who has a home. */
function as(name: string, command: string): string {
  return `${asUser(name)} env HOME=/home/${name} ${command}`;
}

Deno.test("the .deb is all that a fresh Debian needs for evs and for a daemon of the machine", async (t) => {
  await using root = await BareRoot.make();
  await putPackage(root, { runtime: Deno.execPath(), compression: "none" });
  await t.step("dpkg installs its files, a user and a unit", () => installs(root));
  await t.step("evs does the main job, for root and for an ordinary user", () => doMainJob(root));
  await t.step("the daemon runs as its unit says, for the group evs", () => serves(root));
});

async function installs(root: BareRoot): Promise<void> {
  const told = await root.run(`${INSTALL}
stat -c '%a %U %G %n' /etc/evs /etc/evs/config.toml ${UNIT} /usr/lib/sysusers.d/evs.conf \\
  /usr/lib/evs/bin/evs /usr/lib/evs/runtime/*/deno /usr/bin/evs \\
  /usr/share/doc/env-event-stream/README.Debian /usr/share/doc/env-event-stream/copyright \\
  /usr/share/man/man1/evs.1.gz /usr/share/bash-completion/completions/evs \\
  /usr/share/zsh/vendor-completions/_evs /usr/share/fish/vendor_completions.d/evs.fish
getent passwd evs | cut -d: -f1,5-
getent group evs | cut -d: -f1,4
! ls /var/lib/evs /run/evs 2>&1
find /etc -name 'evs*.service'
cat /etc/evs/config.toml
dpkg --verify env-event-stream`);
  assert.equal(
    told,
    `755 root root /etc/evs
644 root root /etc/evs/config.toml
644 root root ${UNIT}
644 root root /usr/lib/sysusers.d/evs.conf
755 root root /usr/lib/evs/bin/evs
755 root root /usr/lib/evs/runtime/${platform}/deno
777 root root /usr/bin/evs
644 root root /usr/share/doc/env-event-stream/README.Debian
644 root root /usr/share/doc/env-event-stream/copyright
644 root root /usr/share/man/man1/evs.1.gz
644 root root /usr/share/bash-completion/completions/evs
644 root root /usr/share/zsh/vendor-completions/_evs
644 root root /usr/share/fish/vendor_completions.d/evs.fish
evs:env-event-stream daemon:/var/lib/evs:/usr/sbin/nologin
evs:
ls: cannot access '/var/lib/evs': No such file or directory
ls: cannot access '/run/evs': No such file or directory
# Members of this group may use the daemon.
socket_group = "evs"
`,
  );
  assert.equal(
    await root.run("HOME=/tmp evs service print daemon --system 2>/dev/null"),
    await Deno.readTextFile(`${root.folder}${UNIT}`),
    "the unit is the one that evs prints",
  );
}

/** It runs through an upgrade, ends when it is removed, and its data is there until it is purged. */
async function serves(root: BareRoot): Promise<void> {
  const start = startUnit(await unitIn(root));
  const replay = as("bob", "evs replay orders");
  const told = await root.run(`usermod --append --groups evs bob
${start}
stat -c '%a %U %G %n' /run/evs /run/evs/evs.sock /var/lib/evs
${as("bob", `evs publish orders order.placed '{"n":1}'`)} >/dev/null
${replay} | wc -l
${as("eve", "evs publish orders order.placed 2")} 2>&1 || echo "refused with $?"
${as("bob", "cat /var/lib/evs/events.db")} 2>&1 || echo "not readable"
EVS_DATA_DIR=/var/lib/evs evs daemon restart 2>&1 | grep try
echo 'max_connections = 100' >>/etc/evs/config.toml
echo == again
${INSTALL}
${as("bob", "evs publish orders order.placed 2")} >/dev/null
${replay} | wc -l
echo == remove
dpkg -r env-event-stream >/dev/null 2>&1
wait $daemon && echo "the daemon has ended"
! ls -d /usr/lib/evs /usr/share/env-event-stream /usr/bin/evs /run/evs/evs.sock 2>&1
! test -e /var/lib/evs/.cache
stat -c '%a %U %n' /var/lib/evs /var/lib/evs/events.db /etc/evs/config.toml
getent passwd evs | cut -d: -f1
echo == install
${INSTALL}
tail -1 /etc/evs/config.toml
${start}
${replay} | wc -l
echo == purge
dpkg -P env-event-stream >/dev/null 2>&1
wait $daemon && echo "the daemon has ended"
! ls -d /etc/evs /var/lib/evs /var/cache/evs 2>&1
getent passwd evs | cut -d: -f1`);
  assert.equal(
    told,
    `750 evs evs /run/evs
660 evs evs /run/evs/evs.sock
700 evs evs /var/lib/evs
1
evs: no daemon answers at /home/eve/.local/share/evs/evs.sock, and the system's (/run/evs/evs.sock) is for a group that this user is not in; start one: evs daemon start
refused with 5
cat: /var/lib/evs/events.db: Permission denied
not readable
  try: restart it there, as in: systemctl restart evs
== again
2
== remove
the daemon has ended
ls: cannot access '/usr/lib/evs': No such file or directory
ls: cannot access '/usr/share/env-event-stream': No such file or directory
ls: cannot access '/usr/bin/evs': No such file or directory
ls: cannot access '/run/evs/evs.sock': No such file or directory
700 evs /var/lib/evs
600 evs /var/lib/evs/events.db
644 root /etc/evs/config.toml
evs
== install
max_connections = 100
2
== purge
the daemon has ended
ls: cannot access '/etc/evs': No such file or directory
ls: cannot access '/var/lib/evs': No such file or directory
ls: cannot access '/var/cache/evs': No such file or directory
evs
`,
  );
}

/** Stands for systemctl where no systemd runs: writes down what it is asked for. */
const SYSTEMCTL = `#!/bin/sh
echo "$*" >>/calls
`;

Deno.test("the .deb enables nothing, restarts the daemon that runs when it is upgraded, and stops it when it is removed, where systemd runs", async () => {
  await using root = await BareRoot.make("systemd");
  await putPackage(root, { runtime: await smallRuntime(root), compression: "none" });
  await root.outside(`cat >"$ROOT/usr/local/sbin/systemctl" <<'END'
${SYSTEMCTL}END
chmod 755 "$ROOT/usr/local/sbin/systemctl"`);
  const calls = "cat /calls; rm /calls";
  const told = await root.run(`mkdir -p /run/systemd/system
${INSTALL}
getent passwd evs | cut -d: -f1,5-
getent group evs | cut -d: -f1,4
${calls}
echo == upgrade
${INSTALL}
${calls}
echo == remove
dpkg -r env-event-stream >/dev/null
${calls}
# Whoever enabled it has a link.
mkdir -p /etc/systemd/system/multi-user.target.wants
ln -s ${UNIT} /etc/systemd/system/multi-user.target.wants/evs.service
echo == purge
dpkg -P env-event-stream >/dev/null 2>&1
ls /etc/systemd/system/multi-user.target.wants`);
  assert.equal(
    told,
    `evs:env-event-stream daemon:/var/lib/evs:/usr/sbin/nologin
evs:
--system daemon-reload
== upgrade
--system daemon-reload
try-restart evs.service
== remove
stop evs.service
--system daemon-reload
== purge
`,
  );
});

Deno.test("lintian finds no error in the .deb", async () => {
  needTools("lintian");
  await using place = await Place.make();
  // With the real runtime it takes a minute.
  const runtime = dose(1) >= 10 ? Deno.execPath() : await smallRuntime(place);
  const deb = await putPackage(place, { runtime, compression: "xz" });
  const { code, stdout } = await place.sh(
    `lintian --allow-root --fail-on error --tag-display-limit 0 "${deb}" 2>&1`,
  );
  assert.equal(code, 0, stdout);
});
