/**
 * The Debian package where a real systemd runs: a fresh Debian is booted in a container, twice.
 * Part of `deno task test:nightly`; it needs the package systemd-container.
 */
import assert from "node:assert/strict";
import { buildDeb } from "../../packaging/deb.ts";
import { buildProgram } from "../../packaging/program.ts";
import { BareRoot } from "../helpers/bare_root.ts";
import { dose } from "../helpers/dose.ts";
import { platform } from "../helpers/package_names.ts";
import { needTools } from "../helpers/shell.ts";

const isNightly = dose(1) >= 10;

/** Runs the script /script once, when everything else is up, and powers off. */
const UNITS = `# It is not new: nobody is there to answer questions.
echo 0123456789abcdef0123456789abcdef >"$ROOT/etc/machine-id"
cat >"$ROOT/etc/systemd/system/evs-test.service" <<'UNIT'
[Unit]
After=basic.target
[Service]
Type=oneshot
Environment=HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin
ExecStart=/bin/sh -eu /script
StandardOutput=append:/stdout
StandardError=append:/stderr
TimeoutStartSec=infinity
ExecStopPost=/bin/systemctl poweroff --force
UNIT
cat >"$ROOT/etc/systemd/system/evs-test.target" <<'UNIT'
[Unit]
Requires=basic.target
Wants=evs-test.service multi-user.target
After=basic.target
AllowIsolate=yes
UNIT
`;

const BOOT = `timeout 170 systemd-nspawn --quiet --register=no --keep-unit --private-network \\
  -D "$ROOT" -b systemd.unit=evs-test.target >>"$ROOT/console" 2>&1`;

const INSTALL = "dpkg --force-unsafe-io -i /package.deb >/dev/null";

/** Asks systemd what it knows of the daemon. */
const STATE =
  "systemctl show -p LoadState,ActiveState,UnitFileState --value evs.service | paste -sd' '";

const FIRST = `${INSTALL}
${STATE}
systemctl enable --now evs 2>/dev/null
${STATE}
usermod --append --groups evs ada
stat -c '%a %U %G %n' /run/evs /run/evs/evs.sock /var/lib/evs /var/cache/evs
as_ada() { setpriv --reuid=ada --regid=ada --init-groups env HOME=/home/ada "$@"; }
as_ada evs publish orders n 1 >/dev/null
evs service install consume orders --name billing --system -- sh -c 'echo "$EVS_SEQ" >>/var/cache/evs/done' 2>/dev/null >/dev/null
until grep -qx 1 /var/cache/evs/done; do sleep 0.1; done
echo == upgrade
before=$(systemctl show -p InvocationID --value evs)
${INSTALL}
${STATE}
test "$(systemctl show -p InvocationID --value evs)" != "$before" && echo restarted
as_ada evs publish orders n 2 --wait 100s >/dev/null
until grep -qx 2 /var/cache/evs/done; do sleep 0.1; done
`;

const SECOND = `echo == boot
evs status --wait 100s >/dev/null
${STATE}
evs publish orders n 3 >/dev/null
until grep -qx 3 /var/cache/evs/done; do sleep 0.1; done
echo == remove
pid=$(systemctl show -p MainPID --value evs)
dpkg -r env-event-stream >/dev/null 2>&1
test ! -e "/proc/$pid" && echo stopped
ls /var/lib/evs/events.db
echo == again
${INSTALL}
${STATE}
systemctl start evs
evs replay orders | wc -l
echo == purge
dpkg -P env-event-stream >/dev/null 2>&1
find /etc/systemd /var/lib/evs /etc/evs /var/cache/evs -name 'evs.service' 2>/dev/null || true
! ls -d /var/lib/evs /etc/evs /var/cache/evs 2>&1
`;

Deno.test({
  name:
    "the .deb starts nothing, is restarted by an upgrade, comes back after a reboot and stops when it is removed, under a real systemd",
  ignore: !isNightly,
  async fn() {
    needTools("systemd-nspawn");
    await using root = await BareRoot.make("systemd");
    const { folder } = root;
    const { tree } = await buildProgram();
    const runtime = Deno.execPath();
    const deb = await buildDeb(tree, { platform, folder, runtime, compression: "none" });
    await Deno.rename(deb, `${folder}/package.deb`);
    await root.outside(UNITS);
    for (const script of [FIRST, SECOND]) {
      await Deno.writeTextFile(`${folder}/script`, script);
      await root.outside(BOOT);
    }
    const told = await Deno.readTextFile(`${folder}/stdout`);
    assert.equal(
      told,
      `loaded inactive disabled
loaded active enabled
750 evs evs /run/evs
660 evs evs /run/evs/evs.sock
700 evs evs /var/lib/evs
755 evs evs /var/cache/evs
== upgrade
loaded active enabled
restarted
== boot
loaded active enabled
== remove
stopped
/var/lib/evs/events.db
== again
loaded inactive enabled
3
== purge
ls: cannot access '/var/lib/evs': No such file or directory
ls: cannot access '/etc/evs': No such file or directory
ls: cannot access '/var/cache/evs': No such file or directory
`,
      await Deno.readTextFile(`${folder}/stderr`),
    );
  },
});
